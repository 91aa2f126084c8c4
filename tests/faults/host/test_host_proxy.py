"""The proxy's own HTTP/1.1, on real sockets: what programs send, what servers answer."""

import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpcore2
import httpx2
import pytest

from runner.core.plan import Endpoint
from runner.host import proxy, proxy_http, scope
from runner.host.chunked import Chunks, NotChunkedError
from runner.host.direct import AT_END
from runner.host.guard import Connections
from runner.host.proxy_http import BadRequest, Program
from runner.host.scope import Aborted, Scope

CHUNKED = b"5;ext=1\r\nhello\r\n1\r\n \r\n00A\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n"
CONTENT = b"hello 0123456789"
OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_chunks_come_off_however_they_are_cut(size: int) -> None:
    chunks = Chunks()
    data = CHUNKED + b"NEXT"
    taken = b""
    fed = 0
    while not chunks.done:
        taken += chunks.feed(data[fed : fed + size])
        fed += size
    assert taken == CONTENT
    assert chunks.rest == data[len(CHUNKED) : fed]


@pytest.mark.parametrize(
    "data",
    [
        b"x\r\n",
        b"-1\r\n",
        b"0x5\r\nhello\r\n",
        b"\r\n",
        b"5\r\nhelloXX\r\n",
        b"1" * 5000,
        b"1_0\r\n",
    ],
    ids=["no-number", "negative", "prefix", "empty", "no-end", "endless", "underscore"],
)
def test_what_is_no_chunk_is_refused(data: bytes) -> None:
    with pytest.raises(NotChunkedError):
        Chunks().feed(data)


# -------------------------------------------------------------------------------------- programs


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, Program]]:
    theirs, ours = socket.socketpair()
    theirs.settimeout(5)
    ours.settimeout(5)
    with theirs, ours:
        yield theirs, Program(ours)


HEAD = b"POST /v1/x HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer tok\r\n"


def test_bodies_of_known_and_of_unknown_length_follow_each_other(
    pair: tuple[socket.socket, Program],
) -> None:
    theirs, program = pair
    theirs.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKED)
    theirs.sendall(HEAD + b"Content-Length: 3\r\n\r\nabc" + b"GET /v1/models HTTP/1.1\r\n\r\n")
    asked = [program.read() for _ in range(3)]
    assert [one and (one.method, one.path, one.body) for one in asked] == [
        ("POST", "/v1/x", CONTENT),
        ("POST", "/v1/x", b"abc"),
        ("GET", "/v1/models", b""),
    ]
    assert asked[0] is not None
    assert asked[0].token == "tok"
    theirs.close()
    assert program.read() is None


def test_a_body_is_asked_for_where_the_program_waits(pair: tuple[socket.socket, Program]) -> None:
    theirs, program = pair
    theirs.sendall(HEAD + b"Expect: 100-continue\r\nContent-Length: 4\r\n\r\n")
    found: list[object] = []
    reader = threading.Thread(target=lambda: found.append(program.read()))
    reader.start()
    assert theirs.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
    theirs.sendall(b"body")
    reader.join(5)
    assert [getattr(one, "body", None) for one in found] == [b"body"]


def test_an_offer_of_another_protocol_is_passed_over(pair: tuple[socket.socket, Program]) -> None:
    """Java's HttpClient makes one with each request."""
    theirs, program = pair
    offer = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAQ\r\n"
    theirs.sendall(HEAD + offer + b"Content-Length: 2\r\n\r\n{}")
    request = program.read()
    assert request is not None
    assert request.body == b"{}"
    sent = proxy._outgoing(request, Endpoint(name="e", base_url="http://host/v1"))
    assert not {b"connection", b"upgrade"} & set(dict(sent.headers))


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (HEAD + b"Content-Length: 11\r\n\r\n", 413),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nb\r\n01234567890\r\n", 413),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (HEAD + b"Content-Length: many\r\n\r\n", 400),
        (HEAD + b"X: a\nAuthorization: b\r\n\r\n", 400),
        (b"GET http://elsewhere/ HTTP/1.1\r\n\r\n", 400),
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nX: " + b"y" * 140_000, 431),
    ],
    ids=["long", "long-chunks", "no-chunk", "no-length", "two-in-one", "proxy", "nonsense", "head"],
)
def test_what_cannot_be_passed_on_is_said(
    pair: tuple[socket.socket, Program],
    sent: bytes,
    status: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(proxy_http, "MAX_BODY_BYTES", 10)
    theirs, program = pair
    theirs.sendall(sent)
    with pytest.raises(BadRequest) as caught:
        program.read()
    assert caught.value.status == status


# --------------------------------------------------------------------------------------- servers


class Answers:
    """A server that gives each request the next of its answers, whatever was asked."""

    def __init__(self, answers: list[bytes], *, close: bool = False) -> None:
        self.connections = 0
        self.asked: list[bytes] = []
        self._answers = itertools.chain(answers)
        self._close = close
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            with connection:
                while data := connection.recv(65536):
                    self.asked.append(data)
                    connection.sendall(next(self._answers))
                    if self._close:
                        break

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)


@pytest.fixture
def serve() -> Iterator[Callable[..., Answers]]:
    started: list[Answers] = []

    def begin(*answers: bytes, close: bool = False) -> Answers:
        started.append(Answers(list(answers), close=close))
        return started[-1]

    yield begin
    for one in started:
        one.stop()


@contextmanager
def connections() -> Iterator[tuple[Connections, Scope]]:
    mine, current = Connections(), Scope()
    try:
        with scope.use(current):
            yield mine, current
    finally:
        mine.close()
        current.close()


def ask(mine: Connections, url: str, method: str = "POST") -> tuple[int, bytes]:
    answer = mine.pool(httpx2.URL(url)).request(method, url, content=b"{}")
    return answer.status, answer.content


@pytest.mark.parametrize(
    ("answer", "close", "content"),
    [
        (OK + b"Content-Length: 3\r\n\r\nabc", False, b"abc"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKED, False, CONTENT),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 1\r\n\r\na", False, b"a"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", False, b""),
        (OK + b"\r\nto the end", True, b"to the end"),
        (OK + b"Connection: close\r\nContent-Length: 1\r\n\r\na", True, b"a"),
        (b"HTTP/1.0 200 OK\nContent-Length: 1\n\na", True, b"a"),
    ],
    ids=["length", "chunks", "continue", "no-content", "to-the-end", "close", "http-1.0"],
)
def test_every_framing_is_read_and_connections_serve_again(
    serve: Callable[..., Answers], answer: bytes, close: bool, content: bytes
) -> None:
    server = serve(answer, answer, answer, close=close)
    with connections() as (mine, _):
        got = [ask(mine, server.url)[1] for _ in range(3)]
    assert got == [content] * 3
    assert server.connections == (3 if close else 1)
    assert all(one.startswith(b"POST /v1 HTTP/1.1\r\n") for one in server.asked)


def test_an_answer_to_head_has_no_body(serve: Callable[..., Answers]) -> None:
    server = serve(*[OK + b"Content-Length: 5\r\n\r\n"] * 2)
    with connections() as (mine, _):
        assert [ask(mine, server.url, "HEAD") for _ in range(2)] == [(200, b"")] * 2
    assert server.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"Content-Length: 10\r\n\r\nshort",
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhel",
        OK + b"Content-Length: lots\r\n\r\n",
        OK + b"No header",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"",
    ],
    ids=["length", "chunk", "no-length", "head", "no-http", "nothing"],
)
def test_half_an_answer_is_no_answer(serve: Callable[..., Answers], answer: bytes) -> None:
    server = serve(answer, close=True)
    with connections() as (mine, _), pytest.raises(httpcore2.RemoteProtocolError):
        ask(mine, server.url)
    assert server.connections == 1


def test_a_connection_with_bytes_to_spare_does_not_serve_again(
    serve: Callable[..., Answers],
) -> None:
    server = serve(OK + b"Content-Length: 1\r\n\r\naHTTP/1.1 200 OK\r\n", OK + b"\r\n", close=False)
    with connections() as (mine, _):
        assert ask(mine, server.url) == (200, b"a")
        mine.pool(httpx2.URL(server.url)).handle_request(
            httpcore2.Request("GET", server.url, headers=[("Host", "h")])
        ).close()
    assert server.connections == 2


def test_the_end_is_known_with_the_last_piece(serve: Callable[..., Answers]) -> None:
    server = serve(OK + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKED)
    with connections() as (mine, _):
        pool = mine.pool(httpx2.URL(server.url))
        answer = pool.handle_request(httpcore2.Request("GET", server.url, headers=[("Host", "h")]))
        pieces = [(piece, answer.extensions[AT_END]()) for piece in answer.iter_stream()]
        answer.close()
    assert pieces == [(CONTENT, True)]


@pytest.mark.parametrize("part", [b"", OK, OK + b"Content-Length: 10\r\n\r\nhalf"])
def test_a_kill_ends_a_wait_for_any_part(serve: Callable[..., Answers], part: bytes) -> None:
    server = serve(part)
    with connections() as (mine, current):
        threading.Timer(0.1, current.cancel, ["killed:user"]).start()
        began = time.monotonic()
        with pytest.raises(Aborted):
            ask(mine, server.url)
        assert time.monotonic() - began < 2.0
        assert mine.sockets == 0, "what saw an abort is closed"
