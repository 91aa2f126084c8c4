"""A lean HTTP/1.1 client under the proxy: one write a request, one piece of body a read.

Apart from the guard, whose streams and limits it uses, because it is the proxy's alone: httpcore2
with h11 costs 1 ms of CPU a streamed call, which is all that a proxied call may cost. What it
leaves out (HTTP proxies, upgrades, other methods of framing) goes by httpcore2 as everywhere else.
"""

import re
import time
from collections.abc import Iterator
from typing import Any, Final

import httpcore2

from runner.host.guard import Connections, pool_options, ssl_context

AT_END: Final = "pilot_tui_at_end"
"""Extension of a response: a function that says whether all of its body has been read."""

_READ_BYTES: Final = 64 * 1024
_MAX_HEAD_BYTES: Final = 128 * 1024
_MAX_LINE_BYTES: Final = 4096
_KEEP_IDLE_S: Final = 15.0  # as the guard's: an idle connection is not trusted for longer
_HEAD_END: Final = re.compile(rb"\r?\n\r?\n")
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.([01]) ([1-9]\d\d)(?: |\Z)")
_SIZE: Final = re.compile(rb"[0-9a-fA-F]{1,15}")
_Headers = list[tuple[bytes, bytes]]


class LeanConnections(Connections):
    """A slot's connections, those to an endpoint without an HTTP proxy in between being lean."""

    def _open(self, proxy: str) -> httpcore2.ConnectionPool:
        if proxy:
            return super()._open(proxy)
        backend = self._backend
        context = self._context or ssl_context()
        return _Pool(network_backend=backend, **pool_options("", context))


class _Pool(httpcore2.ConnectionPool):
    """Connections to any number of servers; an attempt's own, so there is nobody to wait for."""

    def __init__(self, network_backend: httpcore2.NetworkBackend, **options: Any) -> None:
        super().__init__(network_backend=network_backend, **options)
        self._backend = network_backend
        self._context = options["ssl_context"]
        self._idle: dict[tuple[bytes, bytes, int | None], list[_Link]] = {}

    def handle_request(self, request: httpcore2.Request) -> httpcore2.Response:
        """Send; gives the response as soon as its headers are here. Errors are httpcore2's."""
        url = request.url
        idle = self._idle.setdefault((url.scheme, url.host, url.port), [])
        link = _fresh(idle) or self._connect(url)
        try:
            link.ask(request)
            status, headers = link.read_head()
        except BaseException:
            link.close()
            raise
        body = _Body(link, idle, request.method, status, headers)
        extensions = {AT_END: body.is_at_end}
        return httpcore2.Response(status, headers=headers, content=body, extensions=extensions)

    def _connect(self, url: httpcore2.URL) -> "_Link":
        host = url.host.decode("ascii")
        is_tls = url.scheme == b"https"
        stream = self._backend.connect_tcp(host, url.port or (443 if is_tls else 80))
        if is_tls:
            stream = stream.start_tls(self._context, server_hostname=host)
        return _Link(stream)


def _fresh(idle: "list[_Link]") -> "_Link | None":
    while idle:
        link = idle.pop()
        if link.is_usable():
            return link
        link.close()
    return None


class _Link:
    """A connection and what came on it before it was asked for."""

    def __init__(self, stream: httpcore2.NetworkStream) -> None:
        self._stream = stream
        self._idle_since = 0.0
        self.rest = b""

    def ask(self, request: httpcore2.Request) -> None:
        """Send a request whole."""
        lines = [b"%b %b HTTP/1.1" % (request.method, request.url.target)]
        lines += [b"%b: %b" % header for header in request.headers]
        content: Any = request.stream
        self._stream.write(b"\r\n".join([*lines, b"", b"".join(content)]))

    def read(self) -> bytes:
        """What comes next, b"" at the end of the connection."""
        if self.rest:
            data, self.rest = self.rest, b""
            return data
        return self._stream.read(_READ_BYTES)

    def read_head(self) -> tuple[int, _Headers]:
        """Status and headers of the answer; those that only announce it are passed over."""
        data = b""
        while True:
            end = _HEAD_END.search(data)
            if end is None:
                more = self.read() if len(data) <= _MAX_HEAD_BYTES else b""
                if not more:
                    how = "within its headers" if data else "without sending a response"
                    raise httpcore2.RemoteProtocolError(f"the server ended the connection {how}")
                data += more
                continue
            status, headers = _parse_head(data[: end.start()])
            data = data[end.end() :]
            if status >= 200:
                self.rest = data
                return status, headers

    def park(self, idle: "list[_Link]") -> None:
        """Wait for the next request."""
        self._idle_since = time.monotonic()
        idle.append(self)

    def is_usable(self) -> bool:
        """Whether a parked connection may serve again: bytes on it can only be its end."""
        young = time.monotonic() - self._idle_since < _KEEP_IDLE_S
        return young and not self._stream.get_extra_info("is_readable")

    def close(self) -> None:
        """Close at once."""
        self._stream.close()


def _parse_head(head: bytes) -> tuple[int, _Headers]:
    first, *lines = head.split(b"\n")
    found = _STATUS_LINE.match(first.rstrip(b"\r"))
    if found is None:
        raise httpcore2.RemoteProtocolError(f"no HTTP/1.1 answer: {first[:60]!r}")
    headers: _Headers = []
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not name or name[0] in b" \t":
            raise httpcore2.RemoteProtocolError(f"no header line: {line[:60]!r}")
        headers.append((name, value.strip()))
    if found[1] == b"0":
        headers.append((b"Connection", b"close"))
    return int(found[2]), headers


class _Body:
    """The body of an answer; read to its end it gives its connection back."""

    def __init__(
        self, link: _Link, idle: list[_Link], method: bytes, status: int, headers: _Headers
    ) -> None:
        self._link = link
        self._idle = idle
        self._closed = False
        self._chunks: Chunks | None = None
        self._left: int | None = None
        """Bytes that are still to come; None if the end of the connection is that of the body."""
        fields = {name.lower(): value.lower() for name, value in headers}
        self._reusable = b"close" not in fields.get(b"connection", b"")
        if method == b"HEAD" or status in {204, 304}:
            self._left = 0
        elif b"transfer-encoding" in fields:
            self._chunks = Chunks()
        elif b"content-length" in fields:
            self._left = _length(fields[b"content-length"])

    def is_at_end(self) -> bool:
        """Whether everything has been read."""
        return self._left == 0 if self._chunks is None else self._chunks.done

    def __iter__(self) -> Iterator[bytes]:
        while not self.is_at_end():
            data = self._link.read()
            if not data:
                if self._left is None and self._chunks is None:
                    self._left = 0
                    self._reusable = False
                    return
                raise httpcore2.RemoteProtocolError(
                    "the server ended the connection before its answer was complete"
                )
            if piece := self._take(data):
                yield piece

    def _take(self, data: bytes) -> bytes:
        """What of ``data`` is body."""
        if self._chunks is not None:
            piece = self._chunks.feed(data)
            self._link.rest = self._chunks.rest
            return piece
        if self._left is None:
            return data
        piece, self._link.rest = data[: self._left], data[self._left :]
        self._left -= len(piece)
        return piece

    def close(self) -> None:
        """Give the connection back if it can serve again, else close it; again does nothing."""
        if self._closed:
            return
        self._closed = True
        if self._reusable and self.is_at_end() and not self._link.rest:
            self._link.park(self._idle)
        else:
            self._link.close()


def _length(value: bytes) -> int:
    if not value.isdigit():
        raise httpcore2.RemoteProtocolError(f"no content-length: {value[:60]!r}")
    return int(value)


class Chunks:
    """Chunked transfer coding (RFC 9112, 7.1) taken off, in linear time and whatever the cuts.

    ``done`` after the last chunk; ``rest`` then holds what came behind it.
    """

    def __init__(self) -> None:
        self.done = False
        self.rest = b""
        self._left = 0
        self._expects = "size"
        self._line = b""

    def feed(self, data: bytes) -> bytes:
        """The content of ``data``. Raises RemoteProtocolError for what is no chunk."""
        pieces: list[bytes] = []
        at = 0
        while at < len(data) and not self.done:
            if self._left:
                piece = data[at : at + self._left]
                pieces.append(piece)
                self._left -= len(piece)
                at += len(piece)
                continue
            end = data.find(b"\n", at)
            if end < 0:
                self._line += data[at:]
                if len(self._line) > _MAX_LINE_BYTES:
                    raise httpcore2.RemoteProtocolError("a chunk's size has no end")
                return b"".join(pieces)
            line, self._line = self._line + data[at:end], b""
            at = end + 1
            self._read_line(line.rstrip(b"\r"))
        if self.done:
            self.rest = data[at:]
        return b"".join(pieces)

    def _read_line(self, line: bytes) -> None:
        if self._expects == "size":
            size = line.partition(b";")[0].strip()
            if not _SIZE.fullmatch(size):
                raise httpcore2.RemoteProtocolError(f"no size of a chunk: {size[:60]!r}")
            self._left = int(size, 16)
            self._expects = "end" if self._left else "trailer"
        elif self._expects == "trailer":
            self.done = not line
        elif line:
            raise httpcore2.RemoteProtocolError(f"no end of a chunk: {line[:60]!r}")
        else:
            self._expects = "size"
