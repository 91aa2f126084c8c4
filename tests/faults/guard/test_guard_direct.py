"""HTTP/1.1 as servers really write it, over the connections that the guarded clients use."""

import gc
import threading
from typing import Any

import httpx2
import pytest

from runner.host import chat
from runner.host.callclock import CallClock
from runner.host.calls import Tries
from runner.host.plain import outgoing
from runner.host.reply import Reply
from runner.host.transport import GuardTransport

OK = "HTTP/1.1 200 OK\r\n"


def server_that(serve: Any, *answers: str | bytes) -> Any:
    """Gives each request of a connection the next answer, then ends the connection."""

    def handler(peer: Any) -> None:
        for answer in answers:
            if peer.request() is None:
                return
            peer.send(answer)

    return serve(handler)


def get(server: Any, attempt: Any, **more: Any) -> httpx2.Response:
    one = attempt(server)
    with chat.http_client(one.session, one.connections) as client:
        return client.request("GET", f"http://127.0.0.1:{server.port}/elsewhere", **more)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(f"{OK}Content-Length: 5\r\n\r\nhello", id="length"),
        pytest.param(
            f"{OK}Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nX: 1\r\n\r\n",
            id="chunked",
        ),
        pytest.param(f"{OK}\r\nhello", id="until-the-end"),
        pytest.param("HTTP/1.0 200 OK\r\n\r\nhello", id="http-1.0"),
        pytest.param(
            f"{OK}Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n5  \r\nhello\r\n0\r\n\r\n",
            id="both",
        ),
        pytest.param("HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", id="lone-line-feeds"),
        pytest.param(f"HTTP/1.1 103 Early\r\n\r\n{OK}Content-Length: 5\r\n\r\nhello", id="early"),
    ],
)
def test_a_body_is_read_whatever_frames_it(serve: Any, attempt: Any, answer: str) -> None:
    assert get(server_that(serve, answer), attempt).text == "hello"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        pytest.param(f"{OK}Content-Length: 50\r\n\r\nhello", "peer closed", id="too-short"),
        pytest.param(f"{OK}Transfer-Encoding: chunked\r\n\r\nzz\r\n", "illegal", id="no-chunk"),
        pytest.param("SMTP ready\r\n\r\n", "illegal", id="no-http"),
        pytest.param(f"{OK}X: {'y' * 400_000}", "too long", id="endless-head"),
        pytest.param("", "without sending a response", id="nothing"),
    ],
)
def test_what_is_no_answer_is_an_error_of_httpx(
    serve: Any, attempt: Any, answer: str, words: str
) -> None:
    with pytest.raises(httpx2.RemoteProtocolError, match=words):
        get(server_that(serve, answer), attempt)


def test_no_header_can_be_smuggled_in(serve: Any, attempt: Any) -> None:
    server = server_that(serve, f"{OK}Content-Length: 0\r\n\r\n")
    with pytest.raises(httpx2.TransportError):
        get(server, attempt, headers={"x": "1\r\ny: 2"})
    assert server.requests == []


def test_an_upload_of_unknown_length_goes_out_in_chunks(serve: Any, attempt: Any) -> None:
    came: list[bytes] = []

    def handler(peer: Any) -> None:
        data = b""
        while not data.endswith(b"0\r\n\r\n"):
            data += peer.sock.recv(65536)
        came.append(data.partition(b"\r\n\r\n")[2])
        peer.send(f"{OK}Content-Length: 0\r\n\r\n")

    get(serve(handler), attempt, content=iter([b"one", b"", b"two, and more"]))
    assert came == [b"3\r\none\r\nd\r\ntwo, and more\r\n0\r\n\r\n"]


def test_nothing_leaves_beyond_the_length_that_was_announced(serve: Any, attempt: Any) -> None:
    """A server would take it for the next request."""
    came: list[bytes] = []
    ended = threading.Event()

    def handler(peer: Any) -> None:
        try:
            while data := peer.sock.recv(1 << 20):
                came.append(data)
        finally:
            ended.set()

    one = attempt(serve(handler))
    pieces = iter([b"x" * 100_000, b"GET /smuggled HTTP/1.1\r\n\r\n" * 5_000])
    headers = {"Content-Length": "100000"}
    with chat.http_client(one.session, one.connections) as client:
        url = one.endpoint.base_url.replace("/v1", "/x")
        with pytest.raises(httpx2.LocalProtocolError, match="announced"):
            client.post(url, content=pieces, headers=headers)
    assert ended.wait(10)
    assert b"smuggled" not in b"".join(came)


@pytest.mark.parametrize("length", ["2", "200"])
def test_an_upload_is_as_long_as_it_says(serve: Any, attempt: Any, length: str) -> None:
    server = server_that(serve, f"{OK}Content-Length: 0\r\n\r\n")
    one = attempt(server)
    with chat.http_client(one.session, one.connections) as client:
        headers = {"Content-Length": length}
        with pytest.raises(httpx2.LocalProtocolError, match="announced"):
            client.post(
                f"http://127.0.0.1:{server.port}/x", content=iter([b"text"]), headers=headers
            )
    assert one.connections.sockets == 0


def test_a_call_leaves_nothing_to_the_garbage_collector(
    serve: Any, attempt: Any, words: Any
) -> None:
    """Collections were a twelfth of the CPU of a host with twenty wrapped calls at a time."""
    one = attempt(serve(lambda peer: [peer.json(words.reply()) for _ in iter(peer.request, None)]))
    transport = GuardTransport(one.session, one.connections)
    request = httpx2.Request("POST", f"{one.endpoint.base_url}/chat/completions", json={})
    gc.collect()
    gc.disable()
    try:
        assert transport.ask(outgoing(request)).status == 200
        left = [kept for kept in gc.get_objects() if isinstance(kept, Reply | Tries | CallClock)]
    finally:
        gc.enable()
    assert not left


def test_a_refusal_that_comes_before_the_upload_is_over_is_read(serve: Any, attempt: Any) -> None:
    def handler(peer: Any) -> None:
        peer.sock.recv(1024)
        peer.send("HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\nConnection: close\r\n\r\nless")
        while peer.sock.recv(1 << 20):  # else the kernel's RST would overtake the answer
            pass

    pieces = (b"x" * 50_000 for _ in range(20))
    assert get(serve(handler), attempt, content=pieces).status_code == 413


def test_a_connection_that_its_server_ends_is_not_used_again(serve: Any, attempt: Any) -> None:
    server = server_that(serve, f"{OK}Content-Length: 1\r\nConnection: close\r\n\r\na")
    one = attempt(server)
    with chat.http_client(one.session, one.connections) as client:
        for _ in range(3):
            assert client.get(f"http://127.0.0.1:{server.port}/x").text == "a"
    assert server.connections == 3
    assert one.connections.sockets == 0


def test_a_request_is_one_packet(serve: Any, attempt: Any, words: Any) -> None:
    """Head and body apart would wake the server twice and cost each of us a system call."""
    first: list[bytes] = []

    def handler(peer: Any) -> None:
        first.append(peer.sock.recv(65536))
        peer.json(words.reply())

    assert attempt(serve(handler)).ask() == "hi"
    assert b"hello" in first[0].partition(b"\r\n\r\n")[2]


def once_a_connection(peer: Any) -> None:
    """Answers, keeps the connection, and then ends it instead of answering once more."""
    if peer.request() is not None:
        peer.server.phases.append(peer.server.scope.phase)
        peer.send(f"{OK}Content-Length: 2\r\n\r\nok")
        peer.request()


def watched(server: Any, one: Any) -> list[str]:
    """The phases in which the attempt is when its requests have arrived."""
    server.scope, server.phases = one.scope, []
    return server.phases


def test_a_parked_connection_that_ends_with_the_next_request_costs_nothing(
    serve: Any, attempt: Any
) -> None:
    """Some servers end it after a stream, others after 5 s: it may be just as we send."""
    server = serve(once_a_connection)
    one = attempt(server, retries=0)
    phases = watched(server, one)
    with chat.http_client(one.session, one.connections) as client:
        url = f"{one.endpoint.base_url}/chat/completions"
        for _ in range(3):
            assert client.post(url, json={"stream": False}).text == "ok"
    assert server.connections == 3
    assert phases == ["wait"] * 3
    assert [end.how for end in one.tape.of("ended")] == ["ok"] * 3
    assert one.tape.of("backed_off") == []


def test_what_cannot_be_sent_again_is_not(serve: Any, attempt: Any) -> None:
    server = serve(once_a_connection)
    one = attempt(server)
    watched(server, one)
    with chat.http_client(one.session, one.connections) as client:
        url = f"http://127.0.0.1:{server.port}/x"
        client.post(url, content=b"first")
        headers = {"Content-Length": "4"}
        with pytest.raises(httpx2.RemoteProtocolError, match="without sending"):
            client.post(url, content=iter([b"once"]), headers=headers)
    assert server.connections == 1


def test_a_new_connection_that_ends_at_once_is_an_error(serve: Any, attempt: Any) -> None:
    server = serve(lambda peer: peer.request())
    with pytest.raises(httpx2.RemoteProtocolError, match="without sending"):
        get(server, attempt)
    assert server.connections == 1
