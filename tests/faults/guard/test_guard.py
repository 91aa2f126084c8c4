"""Every way in which a server can hang: each ends by the right limit, in time, with the right name.

Classes of the hang zoo: A, B, C, D, E, J, K, Q.
"""

import threading
import time
from typing import Any

import httpx2
import openai
import pytest

from runner.host import guard, resolve
from runner.host.callclock import CallTimeout
from runner.host.calls import cause_of
from runner.host.scope import Aborted

LATE_S = 0.5  # a limit may be this late here: two noisy cores


def silent(peer: Any) -> None:
    peer.request()
    peer.hold()


def headers_then_stall(peer: Any) -> None:
    peer.request()
    peer.send("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n")
    peer.hold()


def drip(text: str) -> Any:
    def handler(peer: Any) -> None:
        peer.request()
        while not peer.server.stopping.wait(0.02):
            peer.send(text)

    return handler


def drip_headers(peer: Any) -> None:
    peer.request()
    peer.send("HTTP/1.1 200 OK\r\n")
    n = 0
    while not peer.server.stopping.wait(0.02):
        n += 1
        peer.send(f"X-{n}: 1\r\n")


def drip_json(peer: Any) -> None:
    peer.request()
    peer.send("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
    while not peer.server.stopping.wait(0.02):
        peer.send(" ")


def comments(peer: Any) -> None:
    peer.request()
    peer.events()
    while not peer.server.stopping.wait(0.02):
        peer.event(": ping\n\n")


def stream_then_stall(peer: Any) -> None:
    import json

    peer.request()
    peer.events()
    chunk = {"id": "1", "choices": [{"index": 0, "delta": {"content": "a"}}]}
    peer.event(f"data: {json.dumps(chunk)}\n\n")
    peer.hold()


def firehose(peer: Any) -> None:
    peer.request()
    peer.send("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
    while not peer.server.stopping.is_set():
        peer.send(b" " * 65536)


def accepts_only(peer: Any) -> None:
    peer.hold()


@pytest.mark.parametrize(
    ("handler", "stream", "limits", "limit"),
    [
        pytest.param(silent, False, {"call": 0.3}, "call", id="silent"),
        pytest.param(silent, True, {"first_byte": 0.3}, "first_byte", id="silent-streamed"),
        pytest.param(silent, False, {"first_byte": 0.1, "call": 0.4}, "call", id="plain-is-call"),
        pytest.param(headers_then_stall, False, {"call": 0.3}, "call", id="headers-then-stall"),
        pytest.param(drip_headers, False, {"call": 0.3}, "call", id="drip-headers"),
        pytest.param(drip_headers, True, {"idle": 1, "call": 0.3}, "call", id="drip-headers-sse"),
        pytest.param(drip_json, False, {"call": 0.3}, "call", id="drip-json"),
        pytest.param(comments, True, {"idle": 0.2, "call": 0.4}, "call", id="only-comments"),
        pytest.param(stream_then_stall, True, {"idle": 0.3}, "idle", id="stream-then-stall"),
        pytest.param(firehose, False, {"call": 0.3}, "call", id="firehose"),
    ],
)
def test_a_limit_ends_the_attempt_and_is_named(
    serve: Any, attempt: Any, handler: Any, stream: bool, limits: dict[str, float], limit: str
) -> None:
    one = attempt(serve(handler), **limits)

    outcome = one.in_thread(lambda: one.ask(stream)).wait()

    assert isinstance(outcome.error, Aborted)
    assert outcome.error.reason == one.scope.reason == f"deadline:{limit}"
    assert limits[limit] <= outcome.took_s < limits[limit] + LATE_S
    assert [end.how for end in one.tape.of("ended")] == [limit]


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize(
    "handler",
    [silent, headers_then_stall, drip_headers, drip_json, comments, firehose, accepts_only],
    ids=lambda one: one.__name__,
)
def test_a_kill_frees_the_thread(serve: Any, attempt: Any, handler: Any, stream: bool) -> None:
    server = serve(handler)
    one = attempt(server)
    outcome = one.in_thread(lambda: one.ask(stream))
    assert server.accepted.acquire(timeout=5)

    killed_at = time.monotonic()
    assert one.scope.cancel("killed:user")
    outcome.wait()

    assert isinstance(outcome.error, Aborted)
    assert outcome.error.reason == "killed:user"
    assert outcome.ended_at - killed_at < LATE_S
    assert not one.scope.cancel("deadline:attempt"), "the first reason stays"
    assert one.scope.reason == "killed:user"


def test_the_attempt_limit_ends_a_call_and_is_not_taken_for_the_calls(
    serve: Any, attempt: Any
) -> None:
    one = attempt(serve(silent), call=60)

    def run() -> None:
        with one.scope.limit("attempt", 0.2):
            one.ask()

    outcome = one.in_thread(run).wait()

    assert isinstance(outcome.error, Aborted)
    assert outcome.error.reason == "deadline:attempt"
    assert [end.how for end in one.tape.of("ended")] == ["deadline:attempt"]


def test_an_upload_to_a_server_that_never_reads_is_bounded(serve: Any, attempt: Any) -> None:
    one = attempt(serve(accepts_only), call=0.3)
    content = "x" * 30_000_000

    outcome = one.in_thread(
        lambda: one.client.embeddings.create(model="m", input=content, encoding_format="float")
    ).wait()

    assert isinstance(outcome.error, Aborted)
    assert outcome.error.reason == "deadline:call"


def test_a_connection_that_is_never_accepted_hits_the_connect_limit(attempt: Any) -> None:
    import socket

    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = []
        for _ in range(4):  # the kernel drops further SYNs once the backlog is full
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
            fillers.append(filler)
        try:
            one = attempt(f"http://127.0.0.1:{full.getsockname()[1]}/v1", connect=0.3)
            outcome = one.in_thread(one.ask).wait()
        finally:
            for filler in fillers:
                filler.close()

    assert isinstance(outcome.error, Aborted)
    assert outcome.error.reason == "deadline:connect"
    assert outcome.took_s < 0.3 + LATE_S


def test_a_stalled_resolver_holds_no_slot(
    serve: Any, attempt: Any, words: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()

    def stalled(host: str, port: int) -> list[Any]:
        released.wait(10)
        raise OSError("no such host")

    monkeypatch.setattr(resolve, "_ask", stalled)
    monkeypatch.setattr(resolve, "shared", resolve.Resolver())
    one = attempt("http://stalled.example/v1", connect=0.3)
    two = attempt("http://stalled.example/v1")
    try:
        limited = one.in_thread(one.ask)
        killed = two.in_thread(two.ask)
        limited.wait()
        assert two.scope.phase == "connect"
        assert two.scope.detail == "resolving stalled.example"
        resolvers = [one for one in threading.enumerate() if one.name.startswith("resolve ")]
        assert len(resolvers) == 1, "one question serves all who ask"
        two.scope.cancel("killed:user")
        killed.wait()
    finally:
        released.set()
        for thread in threading.enumerate():
            if thread.name.startswith("resolve "):
                thread.join(5)

    assert isinstance(limited.error, Aborted)
    assert limited.error.reason == "deadline:connect"
    assert isinstance(killed.error, Aborted)
    assert killed.error.reason == "killed:user"


def test_a_name_is_asked_for_once(
    serve: Any, attempt: Any, words: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    asked: list[str] = []

    def answer(host: str, port: int) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, ("127.0.0.1", port))]

    monkeypatch.setattr(resolve, "_ask", answer)
    monkeypatch.setattr(resolve, "shared", resolve.Resolver())

    def handler(peer: Any) -> None:
        peer.request()
        peer.json(words.reply(), extra="Connection: close\r\n")

    server = serve(handler)
    one = attempt(f"http://model.example:{server.port}/v1")
    for _ in range(3):
        assert one.ask() == "hi"

    assert asked == ["model.example"]
    assert server.connections == 3


def test_a_half_open_server_is_ended(serve: Any, attempt: Any, words: Any) -> None:
    """Class K: the peer answered once, then is gone without a word; the connection looks alive."""

    def handler(peer: Any) -> None:
        peer.request()
        peer.json(words.reply())
        peer.hold()

    one = attempt(serve(handler), call=0.3)
    assert one.ask() == "hi"

    outcome = one.in_thread(one.ask).wait()

    assert isinstance(outcome.error, Aborted)
    assert outcome.error.reason == "deadline:call"


def test_with_timeout_in_retry_on_the_sdk_reports_the_limit(serve: Any, attempt: Any) -> None:
    one = attempt(serve(silent), first_byte=0.1, retries=1, retry_on=("rate_limit", "timeout"))

    outcome = one.in_thread(lambda: one.ask(stream=True)).wait()

    assert isinstance(outcome.error, openai.APITimeoutError)
    assert isinstance(outcome.error.__cause__, CallTimeout)
    assert outcome.error.__cause__.limit == "first_byte"
    assert cause_of(outcome.error) == "retries:count"
    assert one.scope.reason is None
    assert [one.why for one in one.tape.of("backed_off")] == ["timeout"]


def test_a_timeout_after_content_is_the_sdks_own_exception_if_timeouts_are_retried(
    serve: Any, attempt: Any
) -> None:
    one = attempt(serve(stream_then_stall), idle=0.2, retry_on=("timeout",))

    outcome = one.in_thread(lambda: one.ask(stream=True)).wait()

    assert isinstance(outcome.error, openai.APITimeoutError)
    assert cause_of(outcome.error) == "deadline:idle"
    assert one.tape.of("backed_off") == []


def test_a_timeout_that_executor_code_asked_for_stays_its_own(serve: Any, attempt: Any) -> None:
    one = attempt(serve(silent))

    outcome = one.in_thread(lambda: one.ask(timeout=0.2)).wait()

    assert isinstance(outcome.error, openai.APITimeoutError)
    assert cause_of(outcome.error) is None
    assert one.scope.reason is None


def test_content_is_progress_and_comments_are_only_life(
    serve: Any, attempt: Any, words: Any
) -> None:
    go = threading.Event()

    def handler(peer: Any) -> None:
        peer.request()
        peer.events()
        peer.event(words.delta("a"))
        go.wait(5)
        for _ in range(5):
            peer.event(": ping\n\n")
        peer.event(words.delta("b") + "data: [DONE]\n\n")
        peer.end()

    one = attempt(serve(handler))
    stream = one.client.chat.completions.create(
        model="m", messages=[{"role": "user", "content": "x"}], stream=True
    )
    next(stream)
    content_at, seen = one.scope.progress_at, one.scope.bytes_in
    assert one.scope.phase == "idle", "executor code runs between the events"
    go.set()
    next(stream)

    assert one.scope.progress_at > content_at
    assert one.scope.bytes_in > seen
    assert list(stream) == []
    assert [end.how for end in one.tape.of("ended")] == ["ok"]


def test_keep_alive_drip_shows_life_without_progress(serve: Any, attempt: Any) -> None:
    one = attempt(serve(comments))
    began = one.scope.progress_at
    outcome = one.in_thread(lambda: one.ask(stream=True))
    deadline = time.monotonic() + 5
    while one.scope.bytes_in < 400 and time.monotonic() < deadline:
        time.sleep(0.01)

    assert one.scope.bytes_in >= 400
    assert one.scope.last_sign > began
    assert one.scope.progress_at == began
    assert one.scope.phase == "stream"
    one.scope.cancel("killed:user")
    outcome.wait()


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_connections_are_used_again(serve: Any, attempt: Any, words: Any, stream: bool) -> None:
    def handler(peer: Any) -> None:
        while peer.request() is not None:
            if stream:
                peer.events()
                peer.event(words.delta("hi") + "data: [DONE]\n\n")
                peer.end()
            else:
                peer.json(words.reply())

    server = serve(handler)
    one = attempt(server)

    assert [one.ask(stream) for _ in range(5)] == ["hi"] * 5
    assert server.connections == 1
    assert [end.how for end in one.tape.of("ended")] == ["ok"] * 5


def test_responses_left_open_never_make_a_call_wait(serve: Any, attempt: Any, words: Any) -> None:
    """Class E: a pool runs dry, and the next request waits for ever."""

    def handler(peer: Any) -> None:
        while peer.request() is not None:
            peer.events()
            peer.event(words.delta("hi"))

    one = attempt(serve(handler))
    client = one.client
    kept = []

    def leak() -> None:
        hello = [{"role": "user", "content": "x"}]
        while len(kept) < 300:
            kept.append(client.chat.completions.create(model="m", messages=hello, stream=True))

    outcome = one.in_thread(leak).wait(30)

    assert isinstance(outcome.error, RuntimeError)
    assert "256 responses are open" in str(outcome.error)
    ended = len(one.tape.of("ended"))
    one.session.end_calls()
    assert len(one.tape.of("ended")) == ended + 256
    client.close()
    assert one.permits.out == 0
    assert {end.how for end in one.tape.of("ended")} == {"closed"}


def test_tls_is_guarded_too(
    serve: Any, attempt: Any, words: Any, server_tls: Any, client_tls: Any
) -> None:
    def handler(peer: Any) -> None:
        peer.request()
        peer.json(words.reply("x" * 200_000))
        peer.request()
        peer.hold()

    server = serve(handler, server_tls)
    one = attempt(f"https://localhost:{server.port}/v1", context=client_tls, call=0.6)
    assert one.ask() == "x" * 200_000

    outcome = one.in_thread(one.ask).wait()

    assert isinstance(outcome.error, Aborted)
    assert outcome.error.reason == "deadline:call"
    assert server.connections == 1, "the second call went over the same connection"


def test_a_handshake_that_stalls_is_part_of_connecting(
    serve: Any, attempt: Any, client_tls: Any
) -> None:
    server = serve(accepts_only)
    one = attempt(f"https://localhost:{server.port}/v1", context=client_tls, connect=0.3)

    outcome = one.in_thread(one.ask).wait()

    assert isinstance(outcome.error, Aborted)
    assert outcome.error.reason == "deadline:connect"


def test_a_certificate_that_is_not_trusted_is_not_tried_again(
    serve: Any, attempt: Any, server_tls: Any
) -> None:
    server = serve(silent, server_tls)
    one = attempt(f"https://localhost:{server.port}/v1")

    outcome = one.in_thread(one.ask).wait()

    assert isinstance(outcome.error, openai.APIConnectionError)
    assert one.tape.of("backed_off") == []
    assert cause_of(outcome.error) is None


def test_the_self_test_passes_and_leaves_nothing_behind() -> None:
    threads = threading.active_count()
    started = time.monotonic()

    guard.self_test()

    assert time.monotonic() - started < 2
    assert threading.active_count() == threads


def test_the_self_test_fails_where_the_guard_is_not_in_use(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import httpcore2

    def plain_pool(self: object, url: httpx2.URL) -> httpcore2.ConnectionPool:
        return httpcore2.ConnectionPool(ssl_context=guard.ssl_context())

    monkeypatch.setattr(guard.Connections, "pool", plain_pool)
    monkeypatch.setattr(guard, "_TEST_PATIENCE_S", 0.2)

    with pytest.raises(guard.GuardBroken, match="not ended by its limit"):
        guard.self_test()
