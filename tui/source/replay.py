"""A run on its own time axis: played, paused, stepped, sought, at any speed.

The same messages as from a live run, so the same screens show it. One thread keeps the index of
the past, walks through it and answers orders; where it cannot keep up with the speed it skips
frames (a whole state replaces many events) and never falls behind.
"""

import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from runner import Cursor, EngineSeen, History, Mark, ev
from tui.source.base import Source
from tui.source.gone import ScreenGone
from tui.source.messages import (
    BATCH,
    Answer,
    Events,
    Loaded,
    Position,
    SourceFailed,
    Timeline,
)

TICK_S: Final = 0.05
SLOWEST: Final = 0.1
FASTEST: Final = 1000.0
SPEEDS: Final = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)
FRAME_EVENTS: Final = 2 * BATCH
"""More than these in one tick are not played but skipped: the screen gets a state instead."""
BUCKETS: Final = 240
"""Stretches of the density graph: two to a column on a wide terminal."""
TIMELINE_S: Final = 1.0
_BREATH_S: Final = 0.0001
"""Between two chunks the reader lets the screen's thread go first, or keys would wait for it."""


class ReplaySource(Source):
    """Plays a run folder. Orders return at once; `Position` tells what became of them.

    ``at`` is where to begin (unix seconds on the run's axis), the run's start if None. The log of a
    live run may be replayed as well: the bar grows with it.
    """

    def __init__(
        self, run_dir: Path, at: float | None = None, speed: float = 1.0, *, playing: bool = True
    ) -> None:
        super().__init__(run_dir)
        self._orders: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._history = History(run_dir)
        self._cursor: Cursor | None = None
        self._start_at = at
        self._speed = _clamp(speed)
        self._playing = playing
        self._now = 0.0
        self._ticked = 0.0
        self._timeline_due = 0.0
        self._timeline_of = (-1, False)
        self._marks: list[Mark] = []

    # -- what the screen asks

    def now(self) -> float:
        """Where the replay stands: everything up to here has been shown."""
        return self._now

    def engine(self) -> EngineSeen:
        """In the past the engine is as well as its log says."""
        return EngineSeen()

    # -- orders

    def play(self) -> None:
        """Go on; at the end of the run: from its beginning."""
        self._orders.put(self._play)

    def pause(self) -> None:
        """Stand still."""
        self._orders.put(self._pause)

    def toggle(self) -> None:
        """Play or pause."""
        self._orders.put(lambda: self._pause() if self._playing else self._play())

    def seek(self, at: float) -> None:
        """Go to a moment (unix seconds); the nearest one of the run. Playing goes on."""
        self._orders.put(lambda: self._seek(at))

    def step(self, direction: int) -> None:
        """Pause, and go to the next (1) or previous (-1) moment at which something happened."""
        self._orders.put(lambda: self._step(direction))

    def set_speed(self, speed: float) -> None:
        """Seconds of the run per second, `SLOWEST` to `FASTEST`."""
        self._orders.put(lambda: self._set_speed(speed))

    def faster(self, direction: int = 1) -> None:
        """The next of `SPEEDS`; the one before where ``direction`` is -1."""
        self._orders.put(lambda: self._set_speed(_next_speed(self._speed, direction)))

    def jump(self, direction: int) -> None:
        """Go to the next (1) or previous (-1) mark."""
        self._orders.put(lambda: self._jump(direction))

    # -- the thread

    def _begin(self) -> None:
        threading.Thread(target=self._run, name="replay", daemon=True).start()

    def _end(self) -> None:
        self._orders.put(_nothing)

    def _order(self, request_id: int, op: str, _fields: dict[str, Any], /) -> None:
        text = f"this is a replay: {op} is off"
        self._reads.put(lambda: self._say(Answer(request_id, text, ok=False)))

    def _run(self) -> None:
        try:
            self._loop()
        except OSError as error:
            try:
                self._say(SourceFailed(f"the run cannot be read: {error.strerror or error}"))
            except ScreenGone:
                return
        except ScreenGone:
            return
        finally:
            self._history.close()
            if self._cursor is not None:
                self._cursor.close()

    def _loop(self) -> None:
        self._history.step()
        self._seek(self._history.first_at if self._start_at is None else self._start_at)
        reading = True
        while not self._closed.is_set():
            try:
                self._orders.get(timeout=0 if reading else TICK_S)()
            except queue.Empty:
                pass
            reading = self._read_on()
            self._advance()
            self._tell_timeline(settled=not reading)

    def _read_on(self) -> bool:
        """Take in more of the log for one tick, or until an order comes; False at its end."""
        until = time.monotonic() + TICK_S
        while self._history.step():
            if time.monotonic() >= until or not self._orders.empty():
                return True
            time.sleep(_BREATH_S)
        return False

    def _advance(self) -> None:
        """Show what happened since the last tick; what is too much is skipped, not delayed."""
        now = time.monotonic()
        passed, self._ticked = now - self._ticked, now
        if not self._playing or self._cursor is None:
            return
        target = self._now + passed * self._speed
        last_at = self._history.last_at
        if target >= last_at and not self._history.step():
            target = last_at
            self._playing = False
        self._show_until(target)
        if not self._playing:
            self._tell()

    def _show_until(self, target: float) -> None:
        if self._cursor is None:
            return
        found = self._cursor.take(target, FRAME_EVENTS)
        more = self._cursor.peek() if len(found) == FRAME_EVENTS else None
        if more is not None and more.at <= target:
            self._load(target)
            return
        for start in range(0, len(found), BATCH):
            self._say(Events(found[start : start + BATCH]))
        self._now = target

    def _load(self, at: float) -> None:
        """Put the state of a moment on the screen and walk on from there."""
        if self._cursor is not None:
            self._cursor.close()
        self._cursor = self._history.seek(at)
        self._now = at
        self._say(Loaded(self._cursor.hand_over()))

    # -- orders, carried out

    def _seek(self, at: float) -> None:
        history = self._history
        while at > history.last_at and history.step():
            pass
        self._load(min(max(at, history.first_at), history.last_at))
        self._ticked = time.monotonic()
        self._tell()

    def _play(self) -> None:
        if self._now >= self._history.last_at and not self._history.step():
            self._load(self._history.first_at)
        self._playing = True
        self._ticked = time.monotonic()
        self._tell()

    def _pause(self) -> None:
        self._playing = False
        self._tell()

    def _set_speed(self, speed: float) -> None:
        self._speed = _clamp(speed)
        self._tell()

    def _step(self, direction: int) -> None:
        self._playing = False
        if direction > 0:
            self._step_on()
        else:
            before = self._history.moment_before(self._now)
            if before is not None:
                self._load(before)
        self._tell()

    def _step_on(self) -> None:
        cursor = self._cursor
        if cursor is None:
            return
        found: list[ev.Event] = []
        while (event := cursor.peek()) is not None:
            found += cursor.take(event.at, BATCH)
            if type(event) is not ev.Pulse:
                break
        if found:
            self._say(Events(found))
            self._now = max(self._now, found[-1].at)

    def _jump(self, direction: int) -> None:
        self._marks = self._history.marks()
        if direction > 0:
            places = [mark.at for mark in self._marks if mark.at > self._now + TICK_S]
            if not places and self._history.step():
                self._orders.put(lambda: self._jump(direction))  # it may lie in what is not read
        else:
            places = [mark.at for mark in self._marks if mark.at < self._now - TICK_S][::-1]
        if places:
            self._seek(places[0])

    # -- telling

    def _tell(self) -> None:
        history = self._history
        self._say(
            Position(self._now, self._speed, self._playing, history.first_at, history.last_at)
        )

    def _tell_timeline(self, *, settled: bool) -> None:
        """The graph below: once a second while the log is read or grows."""
        now, history = time.monotonic(), self._history
        if now < self._timeline_due or self._timeline_of == (history.events, settled):
            return
        self._timeline_due = now + TIMELINE_S
        self._timeline_of = history.events, settled
        self._marks = history.marks()
        density = history.density(BUCKETS)
        read = 1.0 if settled else history.read_share
        self._say(Timeline(history.first_at, history.last_at, density, self._marks, read))
        self._tell()  # the run's end moved with what was read


def _nothing() -> None:
    """Wakes the thread, so that it sees that it was closed."""


def _clamp(speed: float) -> float:
    return min(FASTEST, max(SLOWEST, speed))


def _next_speed(speed: float, direction: int) -> float:
    if direction > 0:
        return next((found for found in SPEEDS if found > speed), FASTEST)
    return next((found for found in reversed(SPEEDS) if found < speed), SLOWEST)
