"""TCP and TLS without waiting: each operation is a generator that yields what it needs to go on.

Apart from the backends because these are the only lines that touch a socket, and because blocking
and asyncio clients drive the very same ones: a driver waits for each `Need` in its own way (always
under the call's limits and the scope) and then resumes the generator.
"""

import errno
import os
import select
import socket
import ssl
import threading
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, TypeVar

import httpcore2

from runner.host import callclock, resolve
from runner.host.callclock import CallClock
from runner.host.scope import Scope
from runner.host.scope import current as current_scope

_READ_BYTES: Final = 65536
_IN_PROGRESS: Final = {0, errno.EINPROGRESS, errno.EALREADY, errno.EWOULDBLOCK}


@dataclass(slots=True)
class Need:
    """A descriptor that must become ready (`mask`), or a name that must be looked up.

    `share` bounds this wait where there is something else to try afterwards.
    """

    fd: int = -1
    mask: int = 0
    lookup: resolve.Lookup | None = None
    share: float | None = None


_T = TypeVar("_T")
Steps: TypeAlias = Generator[Need, None, _T]


class Wire:
    """A byte stream that never waits by itself. Errors are httpcore2's."""

    def pull(self, max_bytes: int) -> Steps[bytes]:
        """Bytes as they come, b"" at the end."""
        raise NotImplementedError

    def push(self, data: bytes) -> Steps[None]:
        """Send all of `data`."""
        raise NotImplementedError

    def close(self) -> None:
        """Close at once; from any thread, any number of times."""
        raise NotImplementedError

    def extra_info(self, info: str) -> Any:
        """The facts that httpcore asks for; None for unknown ones."""
        raise NotImplementedError


class TcpWire(Wire):
    """A non-blocking socket, listed with its owner until it is closed."""

    def __init__(self, family: socket.AddressFamily, owner: set["TcpWire"]) -> None:
        self._sock = socket.socket(family, socket.SOCK_STREAM)
        self._owner = owner
        owner.add(self)
        self._sock.setblocking(False)
        self._has_asked = False
        """Whether the last thing done was to send: then the answer cannot be here yet."""

    def connect(self, address: Any, share: float | None) -> Steps[None]:
        """Connect, within `share` seconds."""
        _keep_alive(self._sock)
        code = self._sock.connect_ex(address)
        if code in _IN_PROGRESS:
            yield Need(self._sock.fileno(), select.POLLOUT, share=share)
            code = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise httpcore2.ConnectError(os.strerror(code))

    def pull(self, max_bytes: int) -> Steps[bytes]:
        """Bytes as they come, b"" at the end."""
        if self._has_asked:
            self._has_asked = False
            yield Need(self._sock.fileno(), select.POLLIN)
        while True:
            try:
                return self._sock.recv(max_bytes)
            except BlockingIOError:
                pass
            except OSError as failure:
                raise httpcore2.ReadError(str(failure)) from failure
            yield Need(self._sock.fileno(), select.POLLIN)

    def push(self, data: bytes) -> Steps[None]:
        """Send all of `data`."""
        self._has_asked = True
        sent = 0
        while sent < len(data):
            try:
                # The kernel takes what fits; the slice bounds what is copied for it.
                sent += self._sock.send(data[sent : sent + 4 * _READ_BYTES])
                continue
            except BlockingIOError:
                pass
            except OSError as failure:
                raise httpcore2.WriteError(str(failure)) from failure
            yield Need(self._sock.fileno(), select.POLLOUT)

    def close(self) -> None:
        """Close at once; from any thread, any number of times."""
        self._owner.discard(self)
        self._sock.close()

    def extra_info(self, info: str) -> Any:
        """The facts that httpcore asks for; None for unknown ones."""
        if info == "socket":
            return self._sock
        if info == "is_readable":
            return _is_readable(self._sock)
        if info == "client_addr":
            return self._sock.getsockname()
        if info == "server_addr":
            return self._sock.getpeername()
        return None


class TlsWire(Wire):
    """TLS in memory over any wire (over TLS too: an HTTPS proxy), so its waits are that wire's."""

    def __init__(self, inner: Wire, context: ssl.SSLContext, hostname: str | None) -> None:
        self._inner = inner
        self._came = ssl.MemoryBIO()
        self._goes = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._came, self._goes, server_hostname=hostname)

    def handshake(self) -> Steps[None]:
        """Agree on keys; closes the wire if that fails."""
        try:
            while True:
                try:
                    self._tls.do_handshake()
                except ssl.SSLWantReadError:
                    yield from self._flush()
                    yield from self._feed()
                else:
                    break
            yield from self._flush()
        except ssl.SSLError as failure:
            self.close()
            raise httpcore2.ConnectError(str(failure)) from failure
        except BaseException:
            self.close()
            raise

    def pull(self, max_bytes: int) -> Steps[bytes]:
        """Bytes as they come, b"" at the end (whether it came too early is for HTTP to say)."""
        while True:
            try:
                return self._tls.read(max_bytes)
            except ssl.SSLWantReadError:
                yield from self._flush()
                yield from self._feed()
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return b""
            except ssl.SSLError as failure:
                raise httpcore2.ReadError(str(failure)) from failure

    def push(self, data: bytes) -> Steps[None]:
        """Send all of `data`."""
        for start in range(0, len(data), _READ_BYTES):  # bounds what waits in memory
            try:
                self._tls.write(data[start : start + _READ_BYTES])
            except ssl.SSLError as failure:
                raise httpcore2.WriteError(str(failure)) from failure
            yield from self._flush()

    def _flush(self) -> Steps[None]:
        if self._goes.pending:
            yield from self._inner.push(self._goes.read())

    def _feed(self) -> Steps[None]:
        data = yield from self._inner.pull(_READ_BYTES)
        if data:
            self._came.write(data)
        else:
            self._came.write_eof()

    def close(self) -> None:
        """Close the wire below."""
        self._inner.close()

    def extra_info(self, info: str) -> Any:
        """The facts that httpcore asks for; None for unknown ones."""
        return self._tls if info == "ssl_object" else self._inner.extra_info(info)


def dial(host: str, port: int, call: CallClock, owner: set[TcpWire]) -> Steps[TcpWire]:
    """Look the name up and connect to the first address that answers.

    An address that swallows packets may use up its share of the connect limit, the last the rest.
    """
    call.connecting(f"resolving {host}")
    lookup = resolve.shared.lookup(host, port)
    if lookup.answered_at is None:
        yield Need(lookup=lookup)
    if lookup.error is not None:
        raise httpcore2.ConnectError(f"cannot resolve {host}: {lookup.error}")
    call.connecting(f"connecting to {host}")
    failure = "no address"
    for tried, (family, address) in enumerate(lookup.addresses, start=1):
        left, _ = call.window(None)
        rest = len(lookup.addresses) - tried + 1
        wire = TcpWire(family, owner)
        try:
            yield from wire.connect(address, None if rest == 1 or left is None else left / rest)
        except (httpcore2.ConnectError, httpcore2.ConnectTimeout, OSError) as error:
            wire.close()
            failure = str(error)
        except BaseException:
            wire.close()
            raise
        else:
            return wire
    raise httpcore2.ConnectError(f"cannot connect to {host}: {failure}")


def drive(steps: Steps[_T], call: CallClock, timeout: float | None, error: type[Exception]) -> _T:
    """Run the steps, blocking for each need; a wait that fails is raised inside of them.

    `timeout` is the caller's own, for each wait, and `error` what is raised after it.
    """
    try:
        need = next(steps)
        while True:
            try:
                call.check()
                _block(need, call, shorter(timeout, need.share), error)
            except BaseException as failure:  # noqa: BLE001 - raised again inside the steps
                need = steps.throw(failure)
            else:
                need = next(steps)
    except StopIteration as done:
        return done.value


def _block(need: Need, call: CallClock, timeout: float | None, error: type[Exception]) -> None:
    seconds, limit = call.window(timeout)
    if need.lookup is None:
        ready = bool(call.scope.wait_fd(need.fd, need.mask, seconds))
    else:
        answered = threading.Event()
        need.lookup.on_answer(answered.set)
        ready = call.scope.wait_event(answered, seconds)
    if not ready:
        raise call.expired(limit, error)


def shorter(one: float | None, other: float | None) -> float | None:
    """The shorter of two timeouts, None being for ever."""
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)


def clock(otherwise: Scope | None = None) -> CallClock:
    """The clock of the call that is being made; outside of our transports the scope alone binds.

    `otherwise` is the scope of who opened the connection: it may be used by a thread without one.
    """
    call = callclock.current.get()
    if call is not None:
        return call
    scope = current_scope.get() or otherwise
    if scope is None:
        raise RuntimeError("a guarded client was used outside of its attempt")
    return CallClock(scope, None, streamed=False)


def _keep_alive(sock: socket.socket) -> None:
    """Send at once, and let the kernel find out about a peer that is gone.

    NAT forgets idle flows (hang zoo 52): probes after 30 s of silence, six of them 10 s apart.
    """
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 6)):
        option: int | None = getattr(socket, name, None)  # macOS spells the first differently
        if option is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)


def _is_readable(sock: socket.socket) -> bool:
    """Whether an idle connection has bytes or its end waiting (it is of no more use then)."""
    if sock.fileno() < 0:
        return True
    poller = select.poll()
    poller.register(sock, select.POLLIN)
    return bool(poller.poll(0))
