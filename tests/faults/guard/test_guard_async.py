"""The asyncio client: the same limits, kills and records as the blocking one."""

import asyncio
import time
from typing import Any

import openai
import pytest

from runner.host import chat
from runner.host.calls import cause_of
from runner.host.scope import Aborted


async def ask(one: Any, stream: bool = False) -> str:
    client: Any = chat.async_openai_client(one.session)  # its overloads want a literal stream
    answer = await client.chat.completions.create(
        model="m", messages=[{"role": "user", "content": "x"}], stream=stream
    )
    if not stream:
        return answer.choices[0].message.content or ""
    return "".join([piece.choices[0].delta.content or "" async for piece in answer])


def silent(peer: Any) -> None:
    peer.request()
    peer.hold()


def comments(peer: Any) -> None:
    peer.request()
    peer.events()
    while not peer.server.stopping.wait(0.02):
        peer.event(": ping\n\n")


def firehose(peer: Any) -> None:
    peer.request()
    peer.send("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
    while not peer.server.stopping.is_set():
        peer.send(b" " * 65536)


@pytest.mark.parametrize(
    ("handler", "stream", "limits", "limit"),
    [
        pytest.param(silent, False, {"call": 0.3}, "call", id="silent"),
        pytest.param(silent, True, {"first_byte": 0.3}, "first_byte", id="silent-streamed"),
        pytest.param(comments, True, {"call": 0.3}, "call", id="only-comments"),
        pytest.param(firehose, False, {"call": 0.3}, "call", id="firehose"),
    ],
)
def test_a_limit_ends_the_attempt_and_is_named(
    serve: Any, attempt: Any, handler: Any, stream: bool, limits: dict[str, float], limit: str
) -> None:
    one = attempt(serve(handler), **limits)

    outcome = one.in_thread(lambda: asyncio.run(ask(one, stream))).wait()

    assert isinstance(outcome.error, Aborted)
    assert outcome.error.reason == f"deadline:{limit}"
    assert limits[limit] <= outcome.took_s < limits[limit] + 0.7
    assert [end.how for end in one.tape.of("ended")] == [limit]


@pytest.mark.parametrize("handler", [silent, comments, firehose], ids=lambda one: one.__name__)
def test_a_kill_frees_the_thread(serve: Any, attempt: Any, handler: Any) -> None:
    server = serve(handler)
    one = attempt(server)
    outcome = one.in_thread(lambda: asyncio.run(ask(one, stream=True)))
    assert server.accepted.acquire(timeout=5)
    killed_at = time.monotonic()

    one.scope.cancel("killed:user")
    outcome.wait()

    assert isinstance(outcome.error, Aborted)
    assert outcome.ended_at - killed_at < 0.7


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_many_tasks_call_at_once(serve: Any, attempt: Any, words: Any, stream: bool) -> None:
    def handler(peer: Any) -> None:
        while peer.request() is not None:
            if stream:
                peer.events()
                peer.event(words.delta("hi") + "data: [DONE]\n\n")
                peer.end()
            else:
                peer.json(words.reply())

    one = attempt(serve(handler))

    async def many() -> list[str]:
        return await asyncio.gather(*(ask(one, stream) for _ in range(10)))

    outcome = one.in_thread(lambda: asyncio.run(many())).wait()

    assert outcome.error is None
    assert outcome.value == ["hi"] * 10
    ends = one.tape.of("ended")
    assert [end.how for end in ends] == ["ok"] * 10
    assert one.permits.taken == 10


def test_failures_are_retried_by_the_same_policy(serve: Any, attempt: Any, words: Any) -> None:
    def handler(peer: Any) -> None:
        while peer.request() is not None:
            peer.json({"error": {"message": str(len(peer.server.requests))}}, 503)

    one = attempt(serve(handler), retries=2, retry_wait=0.01)

    outcome = one.in_thread(lambda: asyncio.run(ask(one))).wait()

    assert isinstance(outcome.error, openai.InternalServerError)
    assert cause_of(outcome.error) == "retries:count"
    assert len(one.tape.of("backed_off")) == 2


def test_tls_is_guarded_too(
    serve: Any, attempt: Any, words: Any, server_tls: Any, client_tls: Any, monkeypatch: Any
) -> None:
    from runner.host import guard_async

    monkeypatch.setattr(guard_async, "ssl_context", lambda: client_tls)

    def handler(peer: Any) -> None:
        peer.request()
        peer.json(words.reply())

    server = serve(handler, server_tls)
    one = attempt(f"https://localhost:{server.port}/v1")

    assert one.in_thread(lambda: asyncio.run(ask(one))).wait().value == "hi"


def test_a_closed_scope_cuts_the_connections(serve: Any, attempt: Any) -> None:
    one = attempt(serve(silent))

    async def leave() -> None:
        task = asyncio.create_task(ask(one))
        while one.scope.phase != "wait":  # noqa: ASYNC110 - the scope knows no events of a loop
            await asyncio.sleep(0.005)
        one.scope.close()
        with pytest.raises(Aborted):
            await task

    outcome = one.in_thread(lambda: asyncio.run(leave())).wait()

    assert outcome.error is None


def test_a_parked_connection_that_ends_with_the_next_request_costs_nothing(
    serve: Any, attempt: Any, words: Any
) -> None:
    """As with the blocking client; see `test_guard_direct`."""

    def once_a_connection(peer: Any) -> None:
        if peer.request() is not None:
            peer.json(words.reply())
            peer.request()

    server = serve(once_a_connection)
    one = attempt(server, retries=0)

    async def thrice() -> list[str]:
        client: Any = chat.async_openai_client(one.session)
        ask = client.chat.completions.create
        told = [{"role": "user", "content": "x"}]
        answers = [await ask(model="m", messages=told) for _ in range(3)]
        return [answer.choices[0].message.content for answer in answers]

    outcome = one.in_thread(lambda: asyncio.run(thrice())).wait()

    assert (outcome.error, outcome.value) == (None, ["hi"] * 3)
    assert server.connections == 3
    assert [end.how for end in one.tape.of("ended")] == ["ok"] * 3
    assert one.tape.of("backed_off") == []
