"""Blocking sockets that a deadline or a kill ends at once, under the HTTP client.

A network backend for httpcore2 (which carries httpx2, which carries openai): sockets never block;
each wait is one poll() on the socket and the scope's wake-up descriptor. Measured against the
alternatives: close() does not wake a blocked recv, shutdown() makes a cut stream look complete, and
the client's own timeout= starts anew at every byte.

Only public hooks are used (ConnectionPool's network_backend), and `self_test` still proves at each
start that they hold: a host whose guard does not work must not start.
"""

import contextlib
import functools
import ipaddress
import socket
import ssl
import threading
import urllib.request
from collections.abc import Iterable
from typing import Any, Final

import httpcore2
import httpx2

from runner.core.plan import Limits
from runner.host import callclock
from runner.host.callclock import CallClock
from runner.host.direct import KEEP_IDLE_S, Direct
from runner.host.scope import Aborted, Scope
from runner.host.streams import TcpWire, TlsWire, Wire, clock, dial, drive


class Stream(httpcore2.NetworkStream):
    """A wire as httpcore wants it: reads and writes that block under the current call's clock."""

    def __init__(self, wire: Wire, scope: Scope) -> None:
        self._wire = wire
        self._scope = scope

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Bytes as they come, b"" at the end of the stream."""
        call = clock(self._scope)
        call.check()
        data = drive(self._wire.pull(max_bytes), call, timeout, httpcore2.ReadTimeout)
        call.received(len(data))
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send everything; a server that never reads is bounded by the call's limits."""
        if not buffer:  # the end of a request without a body, CONNECT among them
            return
        call = clock(self._scope)
        call.check()
        call.writing(buffer)
        drive(self._wire.push(buffer), call, timeout, httpcore2.WriteTimeout)
        call.written()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.NetworkStream:
        """TLS on top of this stream; part of the connect limit."""
        call = clock(self._scope)
        call.connecting("agreeing on TLS")
        tls = TlsWire(self._wire, ssl_context, server_hostname)
        drive(tls.handshake(), call, timeout, httpcore2.ConnectTimeout)
        return Stream(tls, call.scope)

    def close(self) -> None:
        """Close at once."""
        self._wire.close()

    def get_extra_info(self, info: str) -> Any:
        """The facts that httpcore asks for; None for unknown ones."""
        return self._wire.extra_info(info)


class Backend(httpcore2.NetworkBackend):
    """Opens guarded streams and lists their sockets in `owner`."""

    def __init__(self, owner: set[TcpWire]) -> None:
        self._owner = owner

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,  # noqa: ARG002 - httpcore's signature; our pools set none
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,  # noqa: ARG002 - as above
    ) -> httpcore2.NetworkStream:
        """Connect within the connect limit, the name look-up included."""
        call = clock()
        call.check()
        steps = dial(host, port, call, self._owner)
        return Stream(drive(steps, call, timeout, httpcore2.ConnectTimeout), call.scope)

    def sleep(self, seconds: float) -> None:
        """Between connection attempts; ends with the scope."""
        clock().scope.sleep(seconds)


class Connections:
    """The connection pools of one slot (or attempt): direct and by proxy, as the environment says.

    Unbounded, so that no call ever waits for another one's connection (hang zoo 50, 54). A thread
    that was interrupted or abandoned may have left a pool's lock taken: `close` needs none, and
    connections that saw an abort are closed, never used again.
    """

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self._context = context
        self._wires: set[TcpWire] = set()
        self._backend = Backend(self._wires)
        self._pools: dict[str, httpcore2.ConnectionPool] = {}
        self._proxies: dict[tuple[str, bytes], str] = {}

    def pool(self, url: httpx2.URL) -> httpcore2.ConnectionPool:
        """The pool that reaches this URL."""
        origin = (url.scheme, url.netloc)
        proxy = self._proxies.get(origin)
        if proxy is None:
            proxy = self._proxies[origin] = proxy_for(url)
        pool = self._pools.get(proxy)
        if pool is None:
            pool = self._pools[proxy] = self._open(proxy)
        return pool

    def _open(self, proxy: str) -> httpcore2.ConnectionPool:
        options = pool_options(proxy, self._context or ssl_context())
        kind = httpcore2.HTTPProxy if proxy else Direct
        return kind(network_backend=self._backend, **options)

    @property
    def sockets(self) -> int:
        """How many sockets are open."""
        return len(self._wires)

    def close(self) -> None:
        """Close every socket, also those in use; from any thread, any number of times."""
        self._pools = {}
        for wire in tuple(self._wires):
            wire.close()


@functools.cache
def ssl_context() -> ssl.SSLContext:
    """The process's one SSL context: 76 ms and 835 KiB, which is why there is only one."""
    return httpx2.create_ssl_context()


def proxy_for(url: httpx2.URL) -> str:
    """The proxy that the environment names for this URL, "" for none; never one for loopback."""
    if _is_loopback(url.host):
        return ""
    proxies = urllib.request.getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all") or ""
    if not proxy or urllib.request.proxy_bypass(url.netloc.decode("ascii")):
        return ""
    return proxy if "://" in proxy else f"http://{proxy}"


def pool_options(proxy: str, context: ssl.SSLContext) -> dict[str, Any]:
    """What all our pools have in common. HTTP/2 is off: a killed call would take others with it."""
    options: dict[str, Any] = {
        "ssl_context": context,
        "max_connections": None,
        "keepalive_expiry": KEEP_IDLE_S,
        "http2": False,
    }
    if proxy:
        parts = httpx2.Proxy(proxy)
        options |= {"proxy_url": str(parts.url), "proxy_auth": parts.raw_auth}
        if parts.url.scheme == "https":
            options["proxy_ssl_context"] = context
    return options


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


# ------------------------------------------------------------------------------------- self-test


class GuardBroken(RuntimeError):
    """The guard does not end what it must end; a host must not start."""


_TEST_LIMIT_S: Final = 0.05
_TEST_PATIENCE_S: Final = 2.0


def self_test() -> None:
    """Call a local server that never answers; raise GuardBroken if a limit or a kill comes late.

    Takes about 0.1 s and leaves no thread, socket or connection behind.
    """
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as silent:
        url = httpx2.URL("http://127.0.0.1").copy_with(port=silent.getsockname()[1])
        for how in ("limit", "kill"):
            ended = _silent_call(url, how)
            if ended != how:
                raise GuardBroken(
                    f"a call to a silent server was not ended by its {how} within "
                    f"{_TEST_PATIENCE_S:g} s ({ended}): httpcore2 {httpcore2.__version__} does not "
                    "fit this version of pilot-tui"
                )


def _silent_call(url: httpx2.URL, how: str) -> str:
    """Make one call in a thread of its own; what ended it ("limit", "kill", or a description)."""
    result = ["nothing ended it"]
    scope = Scope()
    connections = Connections()

    def call() -> None:
        limits = Limits(call=_TEST_LIMIT_S if how == "limit" else 60)
        token = callclock.current.set(CallClock(scope, limits, streamed=False))
        try:
            connections.pool(url).request("GET", str(url))
        except callclock.CallTimeout:
            result[0] = "limit"
        except Aborted:
            result[0] = "kill"
        except Exception as error:  # noqa: BLE001 - whatever it was, it is the verdict
            result[0] = f"{type(error).__name__}: {error}"
        finally:
            callclock.current.reset(token)

    thread = threading.Thread(target=call, name="guard self-test", daemon=True)
    thread.start()
    if how == "kill":
        thread.join(_TEST_LIMIT_S)
        scope.cancel("killed:user")
    thread.join(_TEST_PATIENCE_S)
    if thread.is_alive():
        return result[0]
    connections.close()
    scope.close()
    return result[0]
