"""The guard for asyncio: the wires of `streams`, awaited instead of blocked on.

Limits, marks and TLS are the same code; only the driver waits differently. An event loop belongs to
one attempt, and so do its connections.
"""

# ruff: noqa: ASYNC109 - a timeout here is a bound next to others, not a scope of its own

import select
import ssl
from collections.abc import Iterable
from typing import Any, TypeVar

import httpcore2
import httpx2

from runner.host import waits_async
from runner.host.callclock import CallClock
from runner.host.guard import pool_options, proxy_for, ssl_context
from runner.host.scope import Scope
from runner.host.streams import Need, Steps, TcpWire, TlsWire, Wire, clock, dial, shorter

_T = TypeVar("_T")


async def drive(
    steps: Steps[_T], call: CallClock, timeout: float | None, error: type[Exception]
) -> _T:
    """Run the steps, awaiting each need; see `streams.drive`."""
    try:
        need = next(steps)
        while True:
            try:
                call.check()
                await _await(need, call, shorter(timeout, need.share), error)
            except BaseException as failure:  # noqa: BLE001 - raised again inside the steps
                need = steps.throw(failure)
            else:
                need = next(steps)
    except StopIteration as done:
        return done.value


async def _await(
    need: Need, call: CallClock, timeout: float | None, error: type[Exception]
) -> None:
    seconds, limit = call.window(timeout)
    if need.lookup is not None:
        ready = await waits_async.called(call.scope, need.lookup.on_answer, seconds)
    elif need.mask == select.POLLIN:
        ready = await waits_async.readable(call.scope, need.fd, seconds)
    else:
        ready = await waits_async.writable(call.scope, need.fd, seconds)
    if not ready:
        raise call.expired(limit, error)


class AsyncStream(httpcore2.AsyncNetworkStream):
    """A wire as httpcore wants it; see `guard.Stream`."""

    def __init__(self, wire: Wire, scope: Scope) -> None:
        self._wire = wire
        self._scope = scope

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Bytes as they come, b"" at the end of the stream."""
        call = clock(self._scope)
        call.check()
        data = await drive(self._wire.pull(max_bytes), call, timeout, httpcore2.ReadTimeout)
        call.received(len(data))
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send everything; a server that never reads is bounded by the call's limits."""
        if not buffer:  # the end of a request without a body, CONNECT among them
            return
        call = clock(self._scope)
        call.check()
        call.writing(buffer)
        await drive(self._wire.push(buffer), call, timeout, httpcore2.WriteTimeout)
        call.written()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """TLS on top of this stream; part of the connect limit."""
        call = clock(self._scope)
        call.connecting("agreeing on TLS")
        tls = TlsWire(self._wire, ssl_context, server_hostname)
        await drive(tls.handshake(), call, timeout, httpcore2.ConnectTimeout)
        return AsyncStream(tls, call.scope)

    async def aclose(self) -> None:
        """Close at once: there is nothing to wait for."""
        self._wire.close()

    def get_extra_info(self, info: str) -> Any:
        """The facts that httpcore asks for; None for unknown ones."""
        return self._wire.extra_info(info)


class AsyncBackend(httpcore2.AsyncNetworkBackend):
    """Opens guarded streams and lists their sockets in `owner`."""

    def __init__(self, owner: set[TcpWire]) -> None:
        self._owner = owner

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,  # noqa: ARG002 - httpcore's signature; our pools set none
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,  # noqa: ARG002 - as above
    ) -> httpcore2.AsyncNetworkStream:
        """Connect within the connect limit, the name look-up included."""
        call = clock()
        call.check()
        steps = dial(host, port, call, self._owner)
        wire = await drive(steps, call, timeout, httpcore2.ConnectTimeout)
        return AsyncStream(wire, call.scope)

    async def sleep(self, seconds: float) -> None:
        """Between connection attempts; ends with the scope."""
        await waits_async.sleep(clock().scope, seconds)


class AsyncConnections:
    """The pools of one attempt's event loop; see `guard.Connections`."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self._context = context
        self._wires: set[TcpWire] = set()
        self._backend = AsyncBackend(self._wires)
        self._pools: dict[str, httpcore2.AsyncConnectionPool] = {}

    def pool(self, url: httpx2.URL) -> httpcore2.AsyncConnectionPool:
        """The pool that reaches this URL."""
        proxy = proxy_for(url)
        pool = self._pools.get(proxy)
        if pool is None:
            options = pool_options(proxy, self._context or ssl_context())
            kind = httpcore2.AsyncHTTPProxy if proxy else httpcore2.AsyncConnectionPool
            pool = self._pools[proxy] = kind(network_backend=self._backend, **options)
        return pool

    @property
    def sockets(self) -> int:
        """How many sockets are open."""
        return len(self._wires)

    def close(self) -> None:
        """Close every socket, also those in use; needs no event loop."""
        self._pools = {}
        for wire in tuple(self._wires):
            wire.close()
