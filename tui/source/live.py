"""A run as it happens: its log followed, its engine watched, orders carried to it.

Live and attached runs are the same to a viewer. Three kinds of threads, so that none waits for
another: one reads the log, one asks the engine for a sign twice a second, some carry orders.
"""

import threading
import time
from pathlib import Path
from typing import Any, Final

from runner import (
    ENGINE_SILENT_S,
    Control,
    EngineGone,
    EngineSeen,
    State,
    Tail,
    engine_alive,
    ev,
    fold,
)
from tui.source.base import Source
from tui.source.clock import RunClock
from tui.source.desk import Desk
from tui.source.gone import ScreenGone
from tui.source.messages import (
    BATCH,
    Answer,
    EngineChanged,
    EngineTrouble,
    Events,
    Loaded,
    SourceFailed,
)
from tui.source.words import answer_words, disk_words

POLL_S: Final = 0.05
PING_S: Final = 0.5
"""Answers were up to 0.95 s late on two cores with 30 busy loops (0.2 s with 8): even so one comes
before the engine counts as silent. Asked once a second it would hang on the log's growth."""
PING_TIMEOUT_S: Final = ENGINE_SILENT_S - PING_S
"""So that the first question that was not answered is given up when the engine counts as silent."""
ORDERS_AT_ONCE: Final = 4
"""A kill may take 10 s to be answered; the next one must not wait for that."""


class LiveSource(Source):
    """Follows the log of a run folder, from its first event on, and knows its engine."""

    def __init__(self, run_dir: Path) -> None:
        super().__init__(run_dir)
        self._clock = RunClock()
        self._alive = True
        self._heard = time.monotonic()
        self._loaded = threading.Event()
        self._orders = [Desk(f"orders-{number}") for number in range(ORDERS_AT_ONCE)]

    def now(self) -> float:
        """The moment on the run's axis; it stands still once the engine is gone."""
        return self._clock.now(time.monotonic())

    def engine(self) -> EngineSeen:
        """Silence counts from the last answer to a ping or the last growth of the log."""
        return EngineSeen(self._alive, max(0.0, time.monotonic() - self._heard))

    def _begin(self) -> None:
        self._heard = time.monotonic()
        self._alive = engine_alive(self.run_dir)
        for desk in self._orders:
            desk.start()
        for name, work in (("log", self._follow), ("engine", self._watch)):
            threading.Thread(target=work, name=name, daemon=True).start()

    def _end(self) -> None:
        for desk in self._orders:
            desk.close()

    # -- the log

    def _follow(self) -> None:
        tail = Tail(self.run_dir)
        try:
            self._read(tail)
        except OSError as error:
            self._fail(f"the run's log cannot be read: {error.strerror or error}")
        except ScreenGone:
            return
        finally:
            tail.close()

    def _fail(self, text: str) -> None:
        try:
            self._say(SourceFailed(text))
        except ScreenGone:
            return

    def _read(self, tail: Tail) -> None:
        state: State | None = State()
        while not self._closed.is_set():
            batch = tail.poll()
            if batch is None:
                if state is None:
                    self._closed.wait(POLL_S)
                else:
                    # Caught up: the screen owns the state from here on.
                    self._say(Loaded(state))
                    self._loaded.set()
                    state = None
                continue
            if batch.restarted:
                state = State()
            self._hear(batch.events)
            if state is not None:
                fold(batch.events, state)
            else:
                for start in range(0, len(batch.events), BATCH):
                    self._say(Events(batch.events[start : start + BATCH]))

    def _hear(self, found: list[ev.Event]) -> None:
        now = self._heard = time.monotonic()
        for event in found:
            if type(event) is ev.EngineStarted:
                self._clock.restart(event.at, now)
        if found:
            self._clock.hear(found[-1].at, now)

    # -- the engine

    def _watch(self) -> None:
        """Ask for a sign twice a second; tell what changed, once the screen has a state."""
        control: Control | None = None
        told: tuple[bool, bool] | None = None
        trouble = ""
        try:
            while not self._loaded.wait(POLL_S):
                if self._closed.is_set():
                    return
            while not self._closed.is_set():
                began = time.monotonic()
                control, answer = self._ping(control)
                self._see(alive=answer is not None or engine_alive(self.run_dir))
                seen = self.engine()
                if (now := (seen.alive, seen.silent_s >= ENGINE_SILENT_S)) != told:
                    told = now
                    self._say(EngineChanged(seen))
                if answer is not None and (words := disk_words(answer)) != trouble:
                    trouble = words
                    self._say(EngineTrouble(words, int(answer.get("free_bytes") or 0)))
                self._closed.wait(max(0.05, PING_S - (time.monotonic() - began)))
        except ScreenGone:
            return
        finally:
            if control is not None:
                control.close()

    def _ping(self, control: Control | None) -> tuple[Control | None, dict[str, Any] | None]:
        """The connection to use next time, and the answer or None."""
        try:
            control = control or Control(self.run_dir, PING_TIMEOUT_S)
            answer = control.ask("ping")
        except EngineGone:
            # A late answer on this connection would be taken for that to a later question.
            if control is not None:
                control.close()
            return None, None
        self._heard = time.monotonic()
        at = answer.get("at")
        if isinstance(at, float):
            self._clock.hear(at, self._heard)
        return control, answer

    def _see(self, *, alive: bool) -> None:
        self._alive = alive
        if alive:
            self._clock.thaw()
        else:
            self._clock.freeze(time.monotonic())

    # -- orders

    def _order(self, request_id: int, op: str, fields: dict[str, Any], /) -> None:
        desk = self._orders[request_id % ORDERS_AT_ONCE]
        desk.put(lambda: self._carry(request_id, op, fields))

    def _carry(self, request_id: int, op: str, fields: dict[str, Any]) -> None:
        try:
            with Control(self.run_dir) as control:
                answer = control.ask(op, **fields)
        except EngineGone as error:
            self._say(Answer(request_id, str(error), ok=False))
            return
        text = answer_words(op, fields, answer)
        self._say(Answer(request_id, text, bool(answer.get("ok")), answer))
