"""Leaves when the terminal goes: a dashboard without one would spin, or wait for ever to write.

Apart from the app because it must act when the app cannot: in a thread of its own it polls the
terminal, and what it does to end needs neither the event loop nor a terminal that takes output.
"""

import contextlib
import os
import select
import signal
import termios
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Final, Self

LEAVE_S: Final = 1.0
"""How long the app may take to leave in order after a signal."""
SIGNALS: Final = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)
_CLOSED: Final = 0
_RESTORE: Final = b"".join(
    (
        b"\x1b[?1000l\x1b[?1003l\x1b[?1015l\x1b[?1006l",  # the mouse
        b"\x1b[?2004l\x1b[?1004l\x1b[<u",  # paste, focus and keys as they were
        b"\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l",  # colours, line wrap, cursor, the first screen
    )
)


class TerminalWatch:
    """Watches the terminal while a dashboard is on it (``with TerminalWatch(leave): ...``).

    A terminal that is gone ends this process at once: there is nothing to restore, and nothing of
    the run is in here. On SIGHUP, SIGTERM and SIGINT ``leave`` is called, from another thread; if
    the block is not left within `LEAVE_S` the terminal is restored by force and the process ends.
    """

    def __init__(self, leave: Callable[[int], Any], handles: tuple[int, ...] = (0, 1, 2)) -> None:
        self._leave = leave
        self._handles = [handle for handle in handles if os.isatty(handle)]
        self._before: dict[int, Any] = {}
        self._ours, self._theirs = os.pipe()
        os.set_blocking(self._ours, False)
        os.set_blocking(self._theirs, False)
        self._thread = threading.Thread(target=self._watch, name="terminal", daemon=True)
        self._attributes: list[Any] | None = None
        self.signalled = 0
        """The signal that asked to leave; 0 while none did."""

    def __enter__(self) -> Self:
        if self._handles:
            with contextlib.suppress(termios.error):
                self._attributes = termios.tcgetattr(self._handles[0])
        self._before = {number: signal.signal(number, self._note) for number in SIGNALS}
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.write(self._theirs, bytes([_CLOSED]))
        self._thread.join()
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.close(self._ours)
        os.close(self._theirs)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        """The signal's handler. A full pipe means that it was told often enough."""
        with contextlib.suppress(BlockingIOError):
            os.write(self._theirs, bytes([number]))

    def _watch(self) -> None:
        poll = select.poll()
        poll.register(self._ours, select.POLLIN)
        for handle in self._handles:
            poll.register(handle, 0)  # hang-ups and errors are told without being asked for
        until = 0.0
        while True:
            left = max(0.0, until - time.monotonic()) * 1000 if until else None
            ready = poll.poll(left)
            if until and time.monotonic() >= until:
                self._end_by_force()
            for handle, event in ready:
                if event & select.POLLNVAL:
                    poll.unregister(handle)  # a system that cannot poll terminals: SIGHUP has to do
                    continue
                if handle != self._ours:
                    os._exit(128 + signal.SIGHUP)
                told = os.read(self._ours, 64)
                if _CLOSED in told:
                    return
                if not self.signalled:
                    self.signalled = told[0]
                    until = time.monotonic() + LEAVE_S
                    self._leave(self.signalled)

    def _end_by_force(self) -> None:
        """The app is stuck, as a rule in writing: restore what can be without waiting, and go."""
        for handle in self._handles[:1]:
            with contextlib.suppress(OSError, termios.error):
                if self._attributes is not None:
                    termios.tcsetattr(handle, termios.TCSANOW, self._attributes)
                # Not the handle itself: it shares its flags with the shell that waits for us.
                flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY
                os.write(os.open(os.ttyname(handle), flags), _RESTORE)
        os._exit(128 + self.signalled)
