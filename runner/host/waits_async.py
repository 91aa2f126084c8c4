"""Waits of the asyncio side that end with the scope.

The mirror of Scope's blocking waits: the same rules, but a future instead of a poll(), woken by the
thread that cancels. asyncio only; trio has no way in through an executor's `async def run`.
"""

# ruff: noqa: ASYNC109 - a timeout here is a bound next to others, not a scope of its own

import asyncio
import contextlib
import math
from collections.abc import Callable

from runner.host.scope import Aborted, Scope


async def wait(
    scope: Scope,
    timeout: float | None,
    arm: Callable[[Callable[[], None]], Callable[[], None]] | None = None,
) -> bool:
    """Wait for what `arm` watches, or (without it) for time to pass; False after `timeout`.

    `arm(ready)` starts to watch and returns how to stop. Raises Aborted when the scope ends. Of
    several ends that passed while we were stopped the earliest counts.
    """
    scope.check()
    end = math.inf if timeout is None else scope.clock() + timeout
    loop = asyncio.get_running_loop()
    ready = False

    while True:
        woken: asyncio.Future[None] = loop.create_future()

        def wake(woken: asyncio.Future[None] = woken) -> None:
            if not woken.done():
                woken.set_result(None)

        def on_ready(wake: Callable[[], None] = wake) -> None:
            nonlocal ready
            ready = True
            wake()

        left = min(end, scope.deadline) - scope.clock()
        timer = None if left == math.inf else loop.call_later(max(0.0, left), wake)
        disarm = None if arm is None else arm(on_ready)
        try:
            with scope.on_cancel(lambda: _from_thread(loop, wake)):
                await woken
        finally:
            if timer is not None:
                timer.cancel()
            if disarm is not None:
                disarm()
        if scope.reason is not None:
            raise Aborted(scope.reason)
        if ready:
            return True
        now = scope.clock()
        if end <= now and end <= scope.deadline:
            return False
        scope.check()


async def sleep(scope: Scope, seconds: float) -> None:
    """Sleep, unless the scope ends first (then Aborted)."""
    await wait(scope, seconds)


async def readable(scope: Scope, fd: int, timeout: float | None) -> bool:
    """Wait until `fd` can be read."""
    loop = asyncio.get_running_loop()

    def arm(ready: Callable[[], None]) -> Callable[[], None]:
        loop.add_reader(fd, ready)
        return lambda: _quietly(loop.remove_reader, fd)

    return await wait(scope, timeout, arm)


async def writable(scope: Scope, fd: int, timeout: float | None) -> bool:
    """Wait until `fd` can be written."""
    loop = asyncio.get_running_loop()

    def arm(ready: Callable[[], None]) -> Callable[[], None]:
        loop.add_writer(fd, ready)
        return lambda: _quietly(loop.remove_writer, fd)

    return await wait(scope, timeout, arm)


async def called(
    scope: Scope, subscribe: Callable[[Callable[[], None]], None], timeout: float | None
) -> bool:
    """Wait until a callback that another thread calls was called."""
    loop = asyncio.get_running_loop()

    def arm(ready: Callable[[], None]) -> Callable[[], None]:
        subscribe(lambda: _from_thread(loop, ready))
        return lambda: None

    return await wait(scope, timeout, arm)


def _from_thread(loop: asyncio.AbstractEventLoop, callback: Callable[[], object]) -> None:
    _quietly(loop.call_soon_threadsafe, callback)


def _quietly(function: Callable[..., object], *args: object) -> None:
    """A loop or descriptor that is closed already needs no waking."""
    with contextlib.suppress(RuntimeError, ValueError):
        function(*args)
