"""HTTP/1.1 straight to a server: h11 over a guarded stream, one write a request, one piece a read.

Apart from the guard (whose backend opens the streams) because it takes the place of httpcore2's
pool where no proxy is in between. That one locks, queues and traces for many users; here a
connection has one, and what a read brings is handed on at once, not chunk by chunk: a fifth of the
CPU of a streamed call. HTTP itself stays h11's; requests, responses and errors stay httpcore2's.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, cast

import h11
import httpcore2

AT_END: Final = "pilot_tui_at_end"
"""Extension of a response: a function that says whether all of its body has been read."""
KEEP_IDLE_S: Final = 15.0  # an idle connection is not trusted for longer
_READ_BYTES: Final = 64 * 1024
_WRITE_BYTES: Final = 64 * 1024
_MAX_HEAD_BYTES: Final = 128 * 1024

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
        upgrades = b"upgrade" in {name.lower() for name, _ in request.headers}
        if upgrades or url.scheme not in {b"http", b"https"}:
            return super().handle_request(request)
        idle = self._idle.setdefault((url.scheme, url.host, url.port), [])
        link = _fresh(idle) or self._connect(request)
        timeouts = _timeouts(request)
        try:
            link.ask(request, timeouts)
            answer = link.read_head(timeouts)
        except BaseException:
            link.close()
            raise
        return _Response(answer, link, _Body(link, idle, timeouts))

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
    """A connection and the state of HTTP on it."""

    def __init__(self, stream: httpcore2.NetworkStream) -> None:
        self.stream = stream
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEAD_BYTES)
        self._idle_since = 0.0

    def ask(self, request: httpcore2.Request, timeouts: _Timeouts) -> None:
        """Send a request, its head together with its body.

        A server may refuse it before it has read all: then its answer tells more than our error.
        """
        timeout = timeouts.get("write")
        held = bytearray()
        try:
            for part in self._encoded(request):
                held += part
                if len(held) >= _WRITE_BYTES:
                    self.stream.write(bytes(held), timeout)
                    held.clear()
            self.stream.write(bytes(held), timeout)
        except h11.LocalProtocolError as error:
            raise httpcore2.LocalProtocolError(str(error)) from error
        except httpcore2.WriteError:
            return

    def _encoded(self, request: httpcore2.Request) -> Iterator[bytes]:
        head = h11.Request(
            method=request.method, target=request.url.target, headers=request.headers
        )
        yield self._http.send(head) or b""
        for piece in cast("Iterable[bytes]", request.stream):
            yield self._http.send(h11.Data(data=piece)) or b""
        yield self._http.send(h11.EndOfMessage()) or b""

    def read_head(self, timeouts: _Timeouts) -> h11.Response:
        """The head of the answer; those that only announce it are passed over."""
        self.read(timeouts)  # nothing can be here yet: see `give_back`
        while not isinstance(event := self.parsed(), h11.Response):
            if event is h11.NEED_DATA:
                self.read(timeouts)
        return event

    def parsed(self) -> Any:
        """What is here already, else ``h11.NEED_DATA``."""
        try:
            return self._http.next_event()
        except h11.RemoteProtocolError as error:
            raise httpcore2.RemoteProtocolError(str(error)) from error

    def read(self, timeouts: _Timeouts) -> None:
        """Wait for bytes, or for the end of the connection."""
        data = self.stream.read(_READ_BYTES, timeouts.get("read"))
        if not data and self._http.their_state is h11.SEND_RESPONSE:
            raise httpcore2.RemoteProtocolError("Server disconnected without sending a response.")
        self._http.receive_data(data)

    def is_at_end(self) -> bool:
        """Whether the server has sent all of its answer, and all of that was parsed."""
        return self._http.their_state is not h11.SEND_BODY

    def is_usable(self) -> bool:
        """Whether a parked connection may serve again: bytes on it can only be its end."""
        young = time.monotonic() - self._idle_since < KEEP_IDLE_S
        return young and not self.stream.get_extra_info("is_readable")

    def give_back(self, idle: "list[_Link]") -> None:
        """Park for the next request if this one is over on both sides, else close.

        Bytes behind the answer would be taken for the next one.
        """
        over = self._http.our_state is h11.DONE and self._http.their_state is h11.DONE
        if over and not self._http.trailing_data[0]:
            self._http.start_next_cycle()
            self._idle_since = time.monotonic()
            idle.append(self)
        else:
            self.close()

    def close(self) -> None:
        """Close at once."""
        self.stream.close()


class _Response(httpcore2.Response):
    """Spares httpcore2's look at the type of each header, and of the body for each use of it."""

    def __init__(self, answer: h11.Response, link: _Link, body: "_Body") -> None:
        self.status = answer.status_code
        self.headers = answer.headers.raw_items()
        self.stream = self._body = body
        self.extensions = {
            "http_version": b"HTTP/" + answer.http_version,
            "reason_phrase": answer.reason,
            "network_stream": link.stream,
            AT_END: link.is_at_end,
        }

    def iter_stream(self) -> Iterator[bytes]:
        """The body as it comes."""
        return iter(self._body)

    def close(self) -> None:
        """Give the connection back."""
        self._body.close()


class _Body:
    """The body of an answer; closed, it gives its connection back."""

    def __init__(self, link: _Link, idle: list[_Link], timeouts: _Timeouts) -> None:
        self._link = link
        self._idle = idle
        self._timeouts = timeouts
        self._is_closed = False

    def __iter__(self) -> Iterator[bytes]:
        link, pieces = self._link, list[bytes]()
        try:
            while True:
                event = link.parsed()
                if isinstance(event, h11.Data):
                    pieces.append(event.data)
                    continue
                if pieces:
                    yield b"".join(pieces)
                    pieces.clear()
                if event is not h11.NEED_DATA:
                    return
                link.read(self._timeouts)
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
            self._link.give_back(self._idle)
