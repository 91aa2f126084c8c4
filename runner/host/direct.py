"""HTTP/1.1 straight to a server, over a guarded stream: one write a request, one piece a read.

Apart from the guard (whose backend opens the streams) because it takes the place of httpcore2's
pool where no proxy is in between. That one locks, queues and traces for many users, and reads with
h11, which is Python; here a connection has one user, what a read brings is handed on at once, and
llhttp reads it: 4 us for an answer in place of 72. Requests, responses and errors stay httpcore2's.
"""

import re
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, cast

import httpcore2

from runner.host.reply import Reply

AT_END: Final = "pilot_tui_at_end"
"""Extension of a response: a function that says whether all of its body has been read."""
KEEP_IDLE_S: Final = 15.0  # an idle connection is not trusted for longer
_READ_BYTES: Final = 64 * 1024
_WRITE_BYTES: Final = 64 * 1024
_SCHEMES: Final = frozenset({b"http", b"https"})
_TOKEN: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_HEAD: Final = re.compile(rb"%b [!-~]+ HTTP/1\.1\r\n(?:%b: [^\0\r\n]*\r\n)+\r\n" % (_TOKEN, _TOKEN))
"""The head of a request (RFC 9112, 3 and 5)."""
_Timeouts = Mapping[str, float | None]


class Direct(httpcore2.ConnectionPool):
    """The connections of a slot or an attempt. No call ever waits for another one's connection.

    What does not stay HTTP/1.1 (websockets) is left to the pool that this one is made from.
    """

    def __init__(self, network_backend: httpcore2.NetworkBackend, **options: Any) -> None:
        super().__init__(network_backend=network_backend, **options)
        self._backend = network_backend
        self._context = options["ssl_context"]
        self._idle: dict[tuple[bytes, bytes, int | None], list[_Link]] = {}

    def handle_request(self, request: httpcore2.Request) -> httpcore2.Response:
        """Send; gives the response as soon as its headers are here. Errors are httpcore2's."""
        url = request.url
        head = _Head(request)
        if head.upgrades or url.scheme not in _SCHEMES:
            return super().handle_request(request)
        idle = self._idle.setdefault((url.scheme, url.host, url.port), [])
        link = _fresh(idle) or self._connect(request)
        timeouts = _timeouts(request)
        try:
            reply = link.ask(head, request, timeouts)
        except BaseException:
            link.close()
            raise
        return _Response(reply, _Body(reply, link, idle, timeouts), link.stream)

    def _connect(self, request: httpcore2.Request) -> "_Link":
        host, port = request.url.host.decode("ascii"), request.url.port
        is_tls = request.url.scheme == b"https"
        timeout = _timeouts(request).get("connect")
        stream = self._backend.connect_tcp(host, port or (443 if is_tls else 80), timeout)
        if is_tls:
            self._context.set_alpn_protocols(["http/1.1"])
            name = cast(Any, request).extensions.get("sni_hostname")
            stream = stream.start_tls(self._context, name or host, timeout)
        return _Link(stream)


def _timeouts(request: httpcore2.Request) -> _Timeouts:
    """The caller's own timeouts (httpx's ``timeout=``), beside which our limits hold."""
    return cast(Any, request).extensions.get("timeout", {})


def _fresh(idle: "list[_Link]") -> "_Link | None":
    while True:
        try:
            link = idle.pop()
        except IndexError:  # another thread of the attempt may have been faster
            return None
        if link.is_usable():
            return link
        link.close()


class _Link:
    """A connection, and the answer that is awaited or read on it."""

    def __init__(self, stream: httpcore2.NetworkStream) -> None:
        self.stream = stream
        self._is_sent = False
        self._idle_since = 0.0

    def ask(self, head: "_Head", request: httpcore2.Request, timeouts: _Timeouts) -> Reply:
        """Send a request, its head together with its body, and wait for the head of the answer.

        A server may refuse it before it has read all: then its answer tells more than our error.
        """
        timeout = timeouts.get("write")
        reply = Reply(has_body=request.method != b"HEAD")
        held = bytearray()
        self._is_sent = False
        try:
            for part in _encoded(head, request):
                held += part
                if len(held) >= _WRITE_BYTES:
                    self.stream.write(bytes(held), timeout)
                    held.clear()
            self.stream.write(bytes(held), timeout)
            self._is_sent = True
        except httpcore2.WriteError:
            pass
        while not reply.has_head:
            self.read(reply, timeouts)
        return reply

    def read(self, reply: Reply, timeouts: _Timeouts) -> None:
        """Wait for bytes of the answer, or for the end of the connection."""
        reply.feed(self.stream.read(_READ_BYTES, timeouts.get("read")))

    def is_usable(self) -> bool:
        """Whether a parked connection may serve again: bytes on it can only be its end."""
        young = time.monotonic() - self._idle_since < KEEP_IDLE_S
        return young and not self.stream.get_extra_info("is_readable")

    def give_back(self, reply: Reply, idle: "list[_Link]") -> None:
        """Park for the next request if this one is over on both sides, else close.

        Bytes behind the answer would be taken for the next one.
        """
        if reply.is_over and reply.stays and self._is_sent:
            self._idle_since = time.monotonic()
            idle.append(self)
        else:
            self.close()

    def close(self) -> None:
        """Close at once."""
        self.stream.close()


class _Head:
    """The head of a request as it is sent, and what of it decides how to go on.

    ``length`` is that of the body, None if it goes out in chunks. `LocalProtocolError` for a head
    that is none.
    """

    def __init__(self, request: httpcore2.Request) -> None:
        self.length: int | None = 0
        self.upgrades = False
        lines = [b"%b %b HTTP/1.1" % (request.method, request.url.target)]
        for name, value in request.headers:
            lines.append(b"%b: %b" % (name, value))
            match name.lower():
                case b"content-length" if self.length is not None and value.isdigit():
                    self.length = int(value)
                case b"transfer-encoding":
                    self.length = None
                case b"upgrade":
                    self.upgrades = True
                case _:
                    continue
        self.data = b"\r\n".join([*lines, b"", b""])
        # As many lines as headers: no value has brought another one with it.
        if not _HEAD.fullmatch(self.data) or self.data.count(b"\n") != len(lines) + 1:
            raise httpcore2.LocalProtocolError("Illegal header value")


def _encoded(head: _Head, request: httpcore2.Request) -> Iterator[bytes]:
    """The bytes of a request, in pieces.

    `LocalProtocolError` for a body that is not as long as its head says.
    """
    yield head.data
    sent, length = 0, head.length
    for piece in cast("Iterable[bytes]", request.stream):
        sent += len(piece)
        if length is None:
            yield b"%x\r\n%b\r\n" % (len(piece), piece) if piece else b""
        elif sent <= length:
            yield piece
        else:
            break  # a server would take what is too much for the next request
    if length is None:
        yield b"0\r\n\r\n"
    elif sent != length:
        raise httpcore2.LocalProtocolError(f"a body of {length} bytes was announced, not of {sent}")


class _Response(httpcore2.Response):
    """Spares httpcore2's look at the type of each header, and of the body for each use of it."""

    def __init__(self, reply: Reply, body: "_Body", stream: httpcore2.NetworkStream) -> None:
        self.status = reply.status
        self.headers = reply.headers
        self.stream = self._body = body
        self.extensions = {
            "http_version": reply.version,
            "reason_phrase": reply.reason,
            "network_stream": stream,
            AT_END: body.is_at_end,
        }

    def iter_stream(self) -> Iterator[bytes]:
        """The body as it comes."""
        return iter(self._body)

    def close(self) -> None:
        """Give the connection back."""
        self._body.close()


class _Body:
    """The body of an answer; closed, it gives its connection back."""

    def __init__(self, reply: Reply, link: _Link, idle: list[_Link], timeouts: _Timeouts) -> None:
        self._reply = reply
        self._link = link
        self._idle = idle
        self._timeouts = timeouts
        self._is_closed = False

    def is_at_end(self) -> bool:
        """Whether the server has sent all of it."""
        return self._reply.is_over

    def __iter__(self) -> Iterator[bytes]:
        reply, link = self._reply, self._link
        try:
            while True:
                if piece := reply.taken():
                    yield piece
                elif reply.is_over:
                    return
                else:
                    link.read(reply, self._timeouts)
        except GeneratorExit:
            raise
        except BaseException:
            self._is_closed = True
            link.close()
            raise

    def close(self) -> None:
        """Give the connection back if it can serve again; again does nothing."""
        if not self._is_closed:
            self._is_closed = True
            self._link.give_back(self._reply, self._idle)
