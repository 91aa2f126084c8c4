"""The scope of one attempt: its limits, its cancellation, and what its worker is doing right now.

Python cannot interrupt a thread from outside, so every wait in our own code is handed a Scope and
waits for "what I want, or the scope's end". The scope is apart from the transport because back-off,
queues, permits, tools and name look-ups wait on it as well.

Who writes what: any thread (and a signal handler) may `cancel`; only the worker enters phases and
limits; the beat thread reads the plain attributes without a lock and calls `expire`.
"""

import contextlib
import contextvars
import math
import os
import queue
import select
import subprocess
import threading
import time
from collections.abc import Callable, Generator
from typing import Self, TypeVar

from runner.core.outcomes import Phase
from runner.host.waking import open_wake, pidfd_of, poll_ms

_INF = math.inf
_T = TypeVar("_T")
_POPEN_POLL_S = 0.02  # where the platform has no pidfd


class Aborted(BaseException):
    """The attempt is over; `reason` is a cause such as "killed:user" or "deadline:attempt".

    A BaseException, so that neither `except Exception` in executor code nor the retry loop of an
    SDK swallows it.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class _Limit:
    """One running clock of a scope; a context manager that starts and stops it."""

    def __init__(self, scope: "Scope", name: str, seconds: float) -> None:
        self._scope = scope
        self.name = name
        self.seconds = seconds
        self.started = _INF

    def __enter__(self) -> Self:
        self.started = self._scope.clock()
        self._scope.limits = (*self._scope.limits, self)
        return self

    def __exit__(self, *exception: object) -> None:
        self._scope.limits = tuple(one for one in self._scope.limits if one is not self)

    @property
    def deadline(self) -> float:
        """When it fires, on the scope's clock."""
        return self.started + self.seconds


class _Phase:
    """A phase for the length of a `with` block; the one before it returns afterwards."""

    def __init__(self, scope: "Scope", name: Phase) -> None:
        self._scope = scope
        self._name: Phase = name
        self._before: Phase = "idle"

    def __enter__(self) -> None:
        self._before = self._scope.phase
        self._scope.enter(self._name)

    def __exit__(self, *exception: object) -> None:
        self._scope.enter(self._before)


class _OnCancel:
    """A callback for the length of a `with` block; see `Scope.on_cancel`."""

    __slots__ = ("_callback", "_scope")

    def __init__(self, scope: "Scope", callback: Callable[[], None]) -> None:
        self._scope = scope
        self._callback = callback

    def __enter__(self) -> None:
        if self._scope.add_callback(self, self._callback):
            self._callback()

    def __exit__(self, *exception: object) -> None:
        self._scope.drop_callback(self)


class Scope:
    """Limits, cancellation and pulse of one attempt.

    Plain attributes for the beat thread, all times on `clock` (monotonic seconds):
    `phase` (a phase of the contract), `phase_since`, `last_sign` (any byte, phase change or ctx
    call), `progress_at` (content, end of a call, turn or tool), `bytes_in` (all bytes received),
    `backoff_until` (0 unless backing off), `next_limit` (name and time of the call's limit that
    fires next, None outside of a call), `detail` (what the phase is about, in words, such as
    "resolving HOST"), `reason` (None until cancelled; set once).
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        now = clock()
        self.clock = clock
        self.reason: str | None = None
        self.limits: tuple[_Limit, ...] = ()
        self.phase: Phase = "idle"
        self.detail = ""
        self.phase_since = now
        self.last_sign = now
        self.progress_at = now
        self.bytes_in = 0
        self.backoff_until = 0.0
        self.next_limit: tuple[str, float] | None = None
        self._first_reason: dict[str, str] = {}
        self._at_close: list[Callable[[], None]] = []
        self._callbacks: dict[object, Callable[[], None]] = {}
        # Re-entrant, because a signal handler may cancel while its own thread cancels or closes.
        self._lock = threading.RLock()
        self._wake_in, self._wake_out = open_wake()

    # -- cancellation ---------------------------------------------------------------------------

    def cancel(self, reason: str) -> bool:
        """End the attempt with this cause; True if this call was the first to do so.

        From any thread or signal handler, any number of times; wakes every wait of this scope.
        """
        first = self._first_reason.setdefault("reason", reason)
        with self._lock:
            if self.reason is not None:
                return False
            self.reason = first
            if self._wake_out >= 0:
                os.write(self._wake_out, b"\x01\x00\x00\x00\x00\x00\x00\x00")
            callbacks = list(self._callbacks.values())
        for callback in callbacks:
            callback()
        return True

    @property
    def cancelled(self) -> bool:
        """Whether a reason is set."""
        return self.reason is not None

    def on_cancel(self, callback: Callable[[], None]) -> _OnCancel:
        """`with scope.on_cancel(callback):` calls it if the scope is cancelled in there, or was.

        It runs in the thread that cancels: it may only wake something up, and must not raise.
        """
        return _OnCancel(self, callback)

    def add_callback(self, key: object, callback: Callable[[], None]) -> bool:
        """Have it called when the scope is cancelled; True if that has happened already."""
        with self._lock:
            self._callbacks[key] = callback
            return self.reason is not None

    def drop_callback(self, key: object) -> None:
        """Undo `add_callback`; any number of times."""
        self._callbacks.pop(key, None)

    def at_close(self, callback: Callable[[], None]) -> None:
        """Call back when the scope is closed; it must neither wait nor raise."""
        self._at_close.append(callback)

    def close(self) -> None:
        """Free the descriptors. The scope counts as cancelled ("ended") from here on.

        So threads that the executor left behind can neither wait nor call in this scope's name.
        """
        self.cancel("ended")
        while self._at_close:
            self._at_close.pop()()
        with self._lock:
            fds = {self._wake_in, self._wake_out} - {-1}
            self._wake_in = self._wake_out = -1
            for fd in fds:
                os.close(fd)

    # -- limits ---------------------------------------------------------------------------------

    def limit(self, name: str, seconds: float) -> _Limit:
        """`with scope.limit("attempt", 300):` ends the attempt with "deadline:attempt" on expiry.

        Limits nest; whichever fires first names the cause.
        """
        return _Limit(self, name, seconds)

    def set_limit(self, name: str, seconds: float) -> None:
        """Change running limits of this name (an order of a person). Any thread.

        A wait in progress sees a later end at once and an earlier one through `expire`.
        """
        for limit in self.limits:
            if limit.name == name:
                limit.seconds = seconds

    @property
    def deadline(self) -> float:
        """The earliest end of all running limits, on `clock`; inf without any."""
        limits = self.limits
        if not limits:
            return _INF
        if len(limits) == 1:
            return limits[0].deadline
        return min(limit.deadline for limit in limits)

    def remaining(self) -> float:
        """Seconds until the earliest limit fires (never below 0; inf without limits)."""
        return max(0.0, self.deadline - self.clock())

    def expire(self, now: float) -> str | None:
        """Cancel if a limit has passed at `now`; return the reason of the scope, if it has one.

        The beat thread calls this too: a worker that never checks would not notice by itself.
        """
        if self.reason is None:
            limits = self.limits
            if limits:
                first = limits[0] if len(limits) == 1 else min(limits, key=lambda one: one.deadline)
                if now >= first.started + first.seconds:
                    self.cancel(f"deadline:{first.name}")
        return self.reason

    def check(self) -> None:
        """Raise Aborted if the attempt was cancelled or one of its limits has passed."""
        now = self.clock()
        if self.reason is None:
            for limit in self.limits:
                if now >= limit.started + limit.seconds:
                    break
            else:
                return  # nearly always: this is asked nine times a call
        reason = self.expire(now)
        if reason is not None:
            raise Aborted(reason)

    # -- the pulse ------------------------------------------------------------------------------

    def phase_of(self, name: Phase) -> _Phase:
        """`with scope.phase_of("tool"):` for a block; see `enter`."""
        return _Phase(self, name)

    def enter(self, name: Phase, since: float | None = None) -> None:
        """Enter a phase (a sign of life). `since` resumes one that began earlier."""
        now = self.clock()
        self.phase = name
        self.detail = ""
        self.phase_since = now if since is None else since
        self.last_sign = now

    def sign(self) -> None:
        """Note a sign of life."""
        self.last_sign = self.clock()

    def progress(self) -> None:
        """Note progress (which is also a sign of life)."""
        self.progress_at = self.last_sign = self.clock()

    # -- waits ----------------------------------------------------------------------------------

    def wait_fd(self, fd: int, mask: int, timeout: float | None = None) -> int:
        """Wait until `fd` is ready for `mask` (select.POLL*); the poll events, 0 after `timeout`.

        Raises Aborted as soon as the scope ends. `fd` < 0 waits for the scope alone. When the
        machine was paused and several ends have passed meanwhile, the earliest one counts.
        """
        end = _INF if timeout is None else self.clock() + timeout
        self.check()
        while True:
            poller = select.poll()
            poller.register(self._wake_in, select.POLLIN)
            if fd >= 0:
                poller.register(fd, mask)
            left = min(end, self.deadline) - self.clock()
            ready = dict(poller.poll(poll_ms(left)))
            if self.reason is not None:
                raise Aborted(self.reason)
            if ready.get(fd):
                return ready[fd]
            now = self.clock()
            if end <= now and end <= self.deadline:
                return 0
            self.check()

    def sleep(self, seconds: float) -> None:
        """Sleep, unless the scope ends first (then Aborted)."""
        self.wait_fd(-1, 0, seconds)

    def wait_for(
        self,
        condition: threading.Condition,
        predicate: Callable[[], bool],
        timeout: float | None = None,
    ) -> bool:
        """Wait, holding `condition`, until the predicate is true; False after `timeout`.

        The caller must not hold the condition, and gets no lock: re-check under your own if needed.
        """

        def wake() -> None:
            with condition:
                condition.notify_all()

        end = _INF if timeout is None else self.clock() + timeout
        with self.on_cancel(wake):
            while True:
                with condition:
                    if self.reason is None and predicate():
                        return True
                    left = min(end, self.deadline) - self.clock()
                    if self.reason is None and left > 0:
                        condition.wait(None if left == _INF else left)
                self.check()
                if self.clock() >= end:
                    return False

    def wait_event(self, event: threading.Event, timeout: float | None = None) -> bool:
        """Wait until `event` is set; False after `timeout`.

        A cancellation sets the event too (nothing else wakes a waiter), then raises Aborted here.
        """
        end = _INF if timeout is None else self.clock() + timeout
        with self.on_cancel(event.set):
            while True:
                self.check()
                left = min(end, self.deadline) - self.clock()
                if event.wait(None if left == _INF else max(0.0, left)):
                    if self.reason is not None:
                        raise Aborted(self.reason)
                    return True
                self.check()
                if self.clock() >= end:
                    return False

    def queue_get(self, source: queue.Queue[_T], timeout: float | None = None) -> _T:
        """`source.get()` that the scope can end; raises queue.Empty after `timeout`."""
        end = _INF if timeout is None else self.clock() + timeout
        while True:
            left = None if timeout is None else max(0.0, end - self.clock())
            if not self.wait_for(source.not_empty, lambda: bool(source.queue), left):
                raise queue.Empty
            with contextlib.suppress(queue.Empty):  # another consumer was faster
                return source.get_nowait()

    def popen_wait(self, process: subprocess.Popen[bytes], timeout: float | None = None) -> int:
        """Wait for the process to end; its return code.

        Raises subprocess.TimeoutExpired after `timeout`, Aborted when the scope ends; ending the
        process then is the caller's duty.
        """
        end = _INF if timeout is None else self.clock() + timeout
        pidfd = pidfd_of(process.pid)
        try:
            while (code := process.poll()) is None:
                left = end - self.clock()
                if left <= 0:
                    raise subprocess.TimeoutExpired(process.args, timeout or 0.0)
                step = min(left, _POPEN_POLL_S) if pidfd < 0 else left
                self.wait_fd(pidfd, select.POLLIN, None if step == _INF else step)
        finally:
            if pidfd >= 0:
                os.close(pidfd)
        return code


# The scope of the attempt that this thread (or task) works for. Set by the slot with `use`; HTTP
# clients that executor code builds by itself find their scope here.
current: contextvars.ContextVar[Scope | None] = contextvars.ContextVar("scope", default=None)


@contextlib.contextmanager
def use(scope: Scope) -> Generator[Scope]:
    """Make `scope` the current one of this thread (or task) inside the block."""
    token = current.set(scope)
    try:
        yield scope
    finally:
        current.reset(token)
