"""The endpoint's process: one loop that serves until its leash, a signal or idleness ends it.

A server that outlives the test or demo that started it would sit on a port and a core for ever, so
the reasons to stop are many and each is enough alone.
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from msgspec import Struct

from runner.rehearse.endpoint import Endpoint
from runner.rehearse.script import Script

_POLL_S = 0.5


class Leash(Struct, frozen=True, kw_only=True):
    """What ends the server besides SIGTERM and SIGINT; by default nothing does.

    parent_pid: it ends with this process (0 = none); idle_exit_s: after so long without an open
    connection (0 = never); stdin: when its standard input is closed.
    """

    parent_pid: int = 0
    idle_exit_s: float = 0.0
    stdin: bool = False


def serve(
    script: Script,
    port: int = 0,
    *,
    ready: Callable[[int], None],
    leash: Leash | None = None,
) -> None:
    """Serve on 127.0.0.1 until told to stop; calls `ready` with the port once it accepts.

    Must run in the main thread. Raises OSError if the port cannot be had.
    """
    asyncio.run(_serve(script, port, ready, leash or Leash()))


async def _serve(script: Script, port: int, ready: Callable[[int], None], leash: Leash) -> None:
    endpoint = Endpoint(script)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = await endpoint.listen(port)
    try:
        with _watched(stop, leash):
            ready(server.sockets[0].getsockname()[1])
            while not stop.is_set() and not _is_over(endpoint, leash):
                try:
                    await asyncio.wait_for(stop.wait(), _POLL_S)
                except TimeoutError:
                    continue
    finally:
        server.close()
        endpoint.close()


def _is_over(endpoint: Endpoint, leash: Leash) -> bool:
    """Whether the parent is gone or nobody has called for too long."""
    if leash.parent_pid and not _lives(leash.parent_pid):
        return True
    idle_s = time.monotonic() - endpoint.last_active
    return 0 < leash.idle_exit_s < idle_s and not endpoint.stats.open


def _lives(pid: int) -> bool:
    """Whether the process exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def _watched(stop: asyncio.Event, leash: Leash) -> Generator[None]:
    """Set `stop` as soon as the parent ends or standard input is closed.

    A pidfd, not PDEATHSIG: that follows the thread that started us, and tests start servers from
    threads that end. The poll in `_is_over` covers systems without pidfds.
    """
    loop = asyncio.get_running_loop()
    descriptors: list[int] = []
    if leash.parent_pid and hasattr(os, "pidfd_open"):
        try:
            descriptors.append(os.pidfd_open(leash.parent_pid))
        except ProcessLookupError:
            stop.set()
        else:
            loop.add_reader(descriptors[0], stop.set)
    if leash.stdin:
        source = sys.stdin.fileno()
        loop.add_reader(source, _read_guard, source, stop)
    try:
        yield
    finally:
        if leash.stdin:
            loop.remove_reader(sys.stdin.fileno())
        for descriptor in descriptors:
            loop.remove_reader(descriptor)
            os.close(descriptor)


def _read_guard(source: int, stop: asyncio.Event) -> None:
    """Pass over what is written to us; the end of it is what matters."""
    if not os.read(source, 4096):
        stop.set()
