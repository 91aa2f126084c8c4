"""A run without a screen: plain lines on stdout, at least one every five seconds, no escape codes.

It watches like any viewer, from the log, so it can be killed without harm to the run. Where it
stands in the foreground for a run (``run --headless``), signals are passed on: the first SIGINT or
SIGTERM stops the run, the second does not wait for it, SIGHUP lets it go on alone.
"""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path
from types import FrameType
from typing import Any, Final, TextIO

from runner import (
    Control,
    EngineGone,
    EngineSeen,
    State,
    Tail,
    apply,
    ask_ping,
    engine_alive,
    engine_pid,
    ev,
)
from tui.narrator import Narrator
from tui.source.clock import RunClock

POLL_S: Final = 0.1
SAY_S: Final = 5.0
LOOK_S: Final = 0.5
SILENT_AFTER_S: Final = 1.5
"""The log grows once a second: after this long without a line the engine is asked for a sign."""
PING_TIMEOUT_S: Final = 0.5
STOP_TIMEOUT_S: Final = 1.5
STOPPED: Final = 3
HUNG_UP: Final = 128 + signal.SIGHUP


class Headless:
    """Follows one run and tells it. ``owner``: signals end the run, else only the watching."""

    def __init__(self, run_dir: Path, out: TextIO, *, owner: bool) -> None:
        self._run_dir = run_dir
        self._out = out
        self._owner = owner
        self._state = State()
        self._narrator = Narrator()
        self._clock = RunClock()
        self._signals: list[int] = []
        self._heard = time.monotonic()
        self._alive = True
        self._stopping = False
        self._mute = False

    def run(self) -> int:
        """Tell the run until it ends; the exit code. 3 within two seconds if its engine is lost."""
        tail = Tail(self._run_dir)
        try:
            with _signals_to(self._signals.append):
                self._catch_up(tail)
                self._say(self._narrator.opening(self._state, str(self._run_dir)))
                return self._follow(tail)
        finally:
            tail.close()

    # -- the log

    def _catch_up(self, tail: Tail) -> None:
        """Fold what was before without telling it: only the present is news.

        An engine that was just started may hold the run before its first line is in the log.
        """
        self._take(tail, lambda _event: [])
        while not (self._state.epoch or self._signals) and engine_alive(self._run_dir):
            time.sleep(POLL_S)
            self._take(tail, lambda _event: [])

    def _take(self, tail: Tail, tell: Callable[[ev.Event], list[str]]) -> None:
        while batch := tail.poll():
            self._heard = now = time.monotonic()
            for event in batch.events:
                if isinstance(event, ev.EngineStarted):
                    self._clock.restart(event.at, now)
                lines = tell(event)
                apply(self._state, event)
                self._say(lines)
            if batch.events:
                self._clock.hear(batch.events[-1].at, now)

    def _follow(self, tail: Tail) -> int:
        said = looked = 0.0
        while True:
            self._take(tail, self._narrator.hear)
            now = time.monotonic()
            if self._ended():
                return self._finish(self._state.exit_code)
            if now - looked >= LOOK_S:
                looked = now
                if not self._engine_lives(tail):
                    return self._finish(self._state.exit_code if self._ended() else STOPPED)
                self._say(self._narrator.look(self._state, self._now()))
            if now - said >= SAY_S:
                said = now
                self._say([self._narrator.progress(self._state, self._now(), self._seen())])
            if (code := self._signalled()) is not None:
                return code
            time.sleep(POLL_S)

    def _finish(self, code: int) -> int:
        self._say(self._narrator.ending(self._state, self._now(), self._seen()))
        return code

    def _ended(self) -> bool:
        """Whether the engine has left in order; one that takes the run again begins anew."""
        return self._state.status in ("finished", "stopped")

    # -- the engine

    def _engine_lives(self, tail: Tail) -> bool:
        """Whether an engine holds the run; one that has just left in order was heard before."""
        if engine_alive(self._run_dir):
            if time.monotonic() - self._heard > SILENT_AFTER_S and ask_ping(
                self._run_dir, PING_TIMEOUT_S
            ):
                self._heard = time.monotonic()
            return True
        self._take(tail, self._narrator.hear)
        self._alive = False
        self._clock.freeze(time.monotonic())
        return False

    def _seen(self) -> EngineSeen:
        return EngineSeen(self._alive, max(0.0, time.monotonic() - self._heard))

    def _now(self) -> float:
        return self._clock.now(time.monotonic())

    # -- signals

    def _signalled(self) -> int | None:
        """Act on signals that came; the exit code if watching ends."""
        while self._signals:
            number = self._signals.pop(0)
            if number == signal.SIGHUP:
                return HUNG_UP
            if not self._owner:
                return 0
            self._stop(signal.Signals(number).name)
        return None

    def _stop(self, name: str) -> None:
        """Ask the engine to end the run; the second time, not to wait for anything."""
        if self._stopping and (pid := engine_pid(self._run_dir)):
            _note(f"{name}: ending at once")
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            return
        self._stopping = True
        _note(f"{name}: stopping the run; once more ends it at once")
        try:
            with Control(self._run_dir, STOP_TIMEOUT_S) as control:
                control.ask("stop")
        except EngineGone as error:
            _note(str(error))

    def _say(self, lines: list[str]) -> None:
        """Print. A full disk loses lines, not the run's exit code; a reader that left is an end."""
        if not lines or self._mute:
            return
        try:
            self._out.write("".join(f"{line}\n" for line in lines))
            self._out.flush()
        except BrokenPipeError:
            if engine_alive(self._run_dir):
                _note(f"nobody reads this; the run goes on: pilot-tui attach {self._run_dir.name}")
            raise
        except OSError as error:
            self._mute = True
            # What the stream still holds would fail again at exit, and with it the run's exit code.
            with Path(os.devnull).open("wb") as nowhere:
                os.dup2(nowhere.fileno(), self._out.fileno())
            _note(f"no more lines: {error.strerror}; the run is followed to its end")


def tell_run(run_dir: Path, *, owner: bool) -> int:
    """Tell a run on stdout until it ends; its exit code, 3 if its engine was lost."""
    return Headless(run_dir, sys.stdout, owner=owner).run()


def _note(text: str) -> None:
    """Diagnostics go to stderr: stdout is the run's."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


@contextlib.contextmanager
def _signals_to(put: Callable[[int], Any]) -> Generator[None]:
    """Have SIGINT, SIGTERM and SIGHUP collected instead of ending the process."""

    def note(number: int, _frame: FrameType | None) -> None:
        put(number)

    caught = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, note) for number in caught}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
