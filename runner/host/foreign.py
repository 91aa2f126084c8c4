"""Covers the HTTP clients that executor code builds by itself: `openai.OpenAI()`, httpx2.

They bring their own pools, so they get the guard where pools get their sockets from: a pool without
a network backend is given ours. Such calls know no call limits and are not recorded, but a kill and
the attempt's deadline end them like any other. What does not go through httpcore2 (requests,
urllib, raw sockets) is left to the kill ladder.

Apart from the guard because this is the one place that changes a library; `install` is called once,
in the zygote, and `remove` is for tests.
"""

import functools
from collections.abc import Callable, Iterable
from typing import Any, Final, cast

import httpcore2

from runner.host import callclock, guard, guard_async
from runner.host.scope import current as current_scope
from runner.host.streams import TcpWire

_wires: Final[set[TcpWire]] = set()  # only so that a wire has an owner; pools close their own


class _Backend(guard.Backend):
    """Ours inside an attempt, httpcore2's own outside of one."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        """Connect, guarded if an attempt is under way in this thread."""
        options = (host, port, timeout, local_address, socket_options)
        if callclock.current.get() is None and current_scope.get() is None:
            return httpcore2.SyncBackend().connect_tcp(*options)
        return super().connect_tcp(*options)


class _AsyncBackend(guard_async.AsyncBackend):
    """The same for asyncio."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect, guarded if an attempt is under way in this task."""
        options = (host, port, timeout, local_address, socket_options)
        if callclock.current.get() is None and current_scope.get() is None:
            theirs: httpcore2.AsyncNetworkBackend = cast(Any, httpcore2.AnyIOBackend)()
            return await theirs.connect_tcp(*options)
        return await super().connect_tcp(*options)


_originals: Final[dict[type[Any], Callable[..., None]]] = {}


def install() -> None:
    """From here on pools that name no backend get ours. Again is the same as once."""
    _give(httpcore2.ConnectionPool, _Backend(_wires))
    _give(httpcore2.AsyncConnectionPool, _AsyncBackend(_wires))


def remove() -> None:
    """Leave the library as it was."""
    for pool, original in _originals.items():
        pool.__init__ = original
    _originals.clear()


def _give(pool: type[Any], backend: object) -> None:
    if pool in _originals:
        return
    original: Callable[..., None] = pool.__init__
    _originals[pool] = original

    @functools.wraps(original)
    def init(self: Any, *args: Any, **options: Any) -> None:
        if len(args) < 10 and options.get("uds") is None:  # the backend is the 11th, in order
            options["network_backend"] = options.get("network_backend") or backend
        original(self, *args, **options)

    pool.__init__ = init
