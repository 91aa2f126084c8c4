"""Call retries as an executor and a person see them: what is sent again, when, and how it ends.

Class D of the hang zoo: retry storms and hidden back-off.
"""

import sys
import time
from pathlib import Path
from typing import Any

import openai
import pytest

from runner.core.plan import Endpoint
from runner.host.calls import PLACEHOLDER_KEY, cause_of
from runner.host.scope import Aborted

KEY = "sk-very-secret-0123456789"


def statuses(words: Any, *answers: int | None, headers: str = "", body: object = None) -> Any:
    """Answers with these statuses in turn (None: hangs up), then with a reply."""
    left = list(answers)

    def handler(peer: Any) -> None:
        while peer.request() is not None:
            if not left:
                peer.json(words.reply())
                continue
            status = left.pop(0)
            if status is None:
                return
            said = {"error": {"message": f"no {len(left)}"}} if body is None else body
            peer.json(said, status, headers)

    return handler


@pytest.mark.parametrize(
    ("status", "why"),
    [(429, "rate_limit"), (500, "server"), (503, "server"), (529, "server"), (None, "connection")],
    ids=str,
)
def test_a_passing_failure_is_sent_again_by_us(
    serve: Any, attempt: Any, words: Any, status: int | None, why: str
) -> None:
    server = serve(statuses(words, status))
    one = attempt(server, retry_wait=0.05)

    assert one.ask() == "hi"

    (backoff,) = one.tape.of("backed_off")
    assert (backoff.why, backoff.status, backoff.try_no, backoff.tries) == (why, status or 0, 1, 6)
    assert 0 < backoff.wait_s <= 0.05
    assert [one[0] for one in one.tape.said].count("started") == 2  # each try has its own limits
    (end,) = one.tape.of("ended")
    assert (end.how, end.status, end.tokens_in, end.tokens_out) == ("ok", 200, 11, 7)
    assert len(server.requests) == 2
    assert one.session.spent_s == backoff.wait_s
    assert one.permits.taken == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_a_refusal_is_not_sent_again(serve: Any, attempt: Any, words: Any, status: int) -> None:
    server = serve(statuses(words, status))
    one = attempt(server)

    with pytest.raises(openai.APIStatusError) as caught:
        one.ask()

    assert caught.value.status_code == status
    assert cause_of(caught.value) is None
    assert len(server.requests) == 1
    assert [end.how for end in one.tape.of("ended")] == [f"status:{status}"]


def test_an_exhausted_quota_is_not_sent_again(serve: Any, attempt: Any, words: Any) -> None:
    body = {"error": {"code": "insufficient_quota", "message": "pay"}}
    one = attempt(serve(statuses(words, 429, body=body)))

    with pytest.raises(openai.RateLimitError):
        one.ask()

    assert one.tape.of("backed_off") == []


def test_retries_run_out_by_count(serve: Any, attempt: Any, words: Any) -> None:
    server = serve(statuses(words, *[503] * 9))
    one = attempt(server, retries=3, retry_wait=0.01)

    with pytest.raises(openai.InternalServerError) as caught:
        one.ask()

    assert cause_of(caught.value) == "retries:count"
    assert len(server.requests) == 4


def test_retries_run_out_by_total(serve: Any, attempt: Any, words: Any) -> None:
    one = attempt(serve(statuses(words, *[429] * 9, headers="Retry-After: 30\r\n")), retry_total=20)

    with pytest.raises(openai.RateLimitError) as caught:
        one.ask()

    assert cause_of(caught.value) == "retries:total"
    assert one.tape.of("backed_off") == []


def test_an_exception_made_of_the_last_error_is_executor_code_s_own(
    serve: Any, attempt: Any, words: Any
) -> None:
    one = attempt(serve(statuses(words, *[None] * 9)), retries=1, retry_wait=0.01)

    with pytest.raises(openai.APIConnectionError) as caught:
        one.ask()

    assert cause_of(caught.value) == "retries:count"
    assert cause_of(ValueError("mine")) is None


def test_the_same_error_body_three_times_is_an_answer(serve: Any, attempt: Any, words: Any) -> None:
    server = serve(statuses(words, *[500] * 9, body={"error": {"message": "always this"}}))
    one = attempt(server, retry_wait=0.01)

    with pytest.raises(openai.InternalServerError) as caught:
        one.ask()

    assert cause_of(caught.value) == "retries:count"
    assert len(server.requests) == 3


def test_a_retry_after_of_55_hours_is_capped_and_can_be_killed(
    serve: Any, attempt: Any, words: Any
) -> None:
    one = attempt(serve(statuses(words, 429, headers="Retry-After: 198300\r\n")), retry_wait=60)
    outcome = one.in_thread(one.ask)
    deadline = time.monotonic() + 5
    while not one.tape.of("backed_off") and time.monotonic() < deadline:
        time.sleep(0.005)

    (backoff,) = one.tape.of("backed_off")
    assert backoff.wait_s == 60
    assert one.scope.phase == "backoff"
    assert one.scope.backoff_until == backoff.until
    assert one.permits.out == 0, "a permit is not held while backing off"
    killed_at = time.monotonic()
    one.scope.cancel("killed:user")
    outcome.wait()

    assert isinstance(outcome.error, Aborted)
    assert outcome.ended_at - killed_at < 0.5
    assert [end.how for end in one.tape.of("ended")] == ["killed:user"]


def test_a_stream_that_breaks_before_its_first_content_is_sent_again(
    serve: Any, attempt: Any, words: Any
) -> None:
    def handler(peer: Any) -> None:
        peer.request()
        peer.events()
        if peer.number == 1:
            peer.event(": thinking\n\n")
            return
        peer.event(words.delta("hi") + "data: [DONE]\n\n")
        peer.end()

    one = attempt(serve(handler), retry_wait=0.01)

    assert one.ask(stream=True) == "hi"
    assert [backoff.why for backoff in one.tape.of("backed_off")] == ["connection"]


def test_a_stream_that_breaks_after_content_is_the_executors(
    serve: Any, attempt: Any, words: Any
) -> None:
    def handler(peer: Any) -> None:
        peer.request()
        peer.events()
        peer.event(words.delta("half a sent"))

    server = serve(handler)
    one = attempt(server)

    with pytest.raises(openai.APIConnectionError) as caught:
        one.ask(stream=True)

    assert cause_of(caught.value) is None
    assert len(server.requests) == 1
    assert [end.how for end in one.tape.of("ended")] == ["RemoteProtocolError"]


def test_a_json_answer_that_breaks_half_way_is_sent_again(
    serve: Any, attempt: Any, words: Any
) -> None:
    def handler(peer: Any) -> None:
        peer.request()
        if peer.number == 1:
            peer.send("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
            peer.send('Content-Length: 500\r\n\r\n{"id": "1", "choi')
            return
        peer.json(words.reply())

    one = attempt(serve(handler), retry_wait=0.01)

    assert one.ask() == "hi"
    assert len(one.tape.of("backed_off")) == 1


def test_usage_is_read_from_the_last_event(serve: Any, attempt: Any, words: Any) -> None:
    usage = '"usage": {"prompt_tokens": 5, "completion_tokens": 6, "total_tokens": 11}'

    def handler(peer: Any) -> None:
        while peer.request() is not None:
            peer.events()
            peer.event(words.delta('"usage": {"prompt_tokens": 99}'))
            for piece in (f'data: {{"id": "1", "choices": [], {usage[:20]}', f"{usage[20:]}}}\n\n"):
                peer.event(piece)
            peer.event("data: [DONE]\n\n")
            peer.end()

    one = attempt(serve(handler))
    one.ask(stream=True, stream_options={"include_usage": True})

    (end,) = one.tape.of("ended")
    assert (end.tokens_in, end.tokens_out) == (5, 6)


def test_a_stream_without_usage_has_unknown_tokens(serve: Any, attempt: Any, words: Any) -> None:
    def handler(peer: Any) -> None:
        peer.request()
        peer.events()
        peer.event(words.delta("hi") + "data: [DONE]\n\n")
        peer.end()

    one = attempt(serve(handler))
    one.ask(stream=True)

    (end,) = one.tape.of("ended")
    assert (end.tokens_in, end.tokens_out) == (None, None)


# ------------------------------------------------------------------------------------------- keys


@pytest.fixture
def keyed(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("MODEL_KEY", KEY)

    def make(server: Any, **more: Any) -> Endpoint:
        url = f"http://127.0.0.1:{server.port}/v1"
        return Endpoint(name="here", base_url=url, api_key_env="MODEL_KEY", **more)

    return make


def test_the_key_leaves_on_the_wire_and_nowhere_else(
    serve: Any, attempt: Any, words: Any, keyed: Any
) -> None:
    echo = {"error": {"message": f"bad key {KEY}"}}
    server = serve(statuses(words, 500, 401, body=echo))
    one = attempt(server, endpoint=keyed(server), retry_wait=0.01)

    with pytest.raises(openai.AuthenticationError) as caught:
        one.ask()

    assert f"authorization: bearer {KEY}" in server.requests[0].lower()
    assert one.client.api_key == PLACEHOLDER_KEY
    seen = [caught.value, caught.value.body, caught.value.response.text, one.tape.said]
    seen += [dict(caught.value.request.headers), caught.value.response.headers]
    assert KEY not in repr(seen)


def test_azure_gets_its_deployment_path_and_header(
    serve: Any, attempt: Any, words: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL_KEY", KEY)
    server = serve(statuses(words))
    endpoint = Endpoint(
        name="azure",
        base_url=f"http://127.0.0.1:{server.port}",
        kind="azure",
        api_version="2024-10-21",
        api_key_env="MODEL_KEY",
    )
    one = attempt(server, endpoint=endpoint)

    assert one.ask() == "hi"

    head = server.requests[0].lower()
    assert "post /openai/deployments/m/chat/completions?api-version=2024-10-21" in head
    assert f"api-key: {KEY}" in head
    assert one.tape.said[0] == ("started", 1, "m", False)


def test_the_key_does_not_follow_a_redirect_to_another_server(
    serve: Any, attempt: Any, words: Any, keyed: Any
) -> None:
    other = serve(statuses(words))

    def handler(peer: Any) -> None:
        peer.request()
        peer.json({}, 307, f"Location: http://127.0.0.1:{other.port}/v1/chat/completions\r\n")

    server = serve(handler)
    one = attempt(server, endpoint=keyed(server))
    one.ask()

    assert len(other.requests) == 1
    assert KEY not in other.requests[0]


def test_a_token_is_asked_for_once_and_again_after_a_401(
    serve: Any, attempt: Any, words: Any, tmp_path: Path
) -> None:
    count = tmp_path / "count"
    script = (
        "import pathlib, sys; p = pathlib.Path(sys.argv[1]);"
        "n = len(p.read_text()) + 1 if p.exists() else 1; p.write_text('x' * n);"
        "print(f'token-{n}')"
    )

    def handler(peer: Any) -> None:
        while (request := peer.request()) is not None:
            if "token-1" in request[0]:
                peer.json({"error": {"message": "expired"}}, 401)
            else:
                peer.json(words.reply())

    server = serve(handler)
    endpoint = Endpoint(
        name="here",
        base_url=f"http://127.0.0.1:{server.port}/v1",
        api_key_command=(sys.executable, "-c", script, str(count)),
    )
    one = attempt(server, endpoint=endpoint)

    assert [one.ask(), one.ask()] == ["hi", "hi"]
    assert count.read_text() == "xx"
    assert one.tape.of("backed_off") == []


def test_a_key_command_that_hangs_ends_with_the_attempt(
    serve: Any, attempt: Any, words: Any
) -> None:
    server = serve(statuses(words))
    endpoint = Endpoint(
        name="here",
        base_url=f"http://127.0.0.1:{server.port}/v1",
        api_key_command=("sleep", "30"),
    )
    one = attempt(server, endpoint=endpoint)
    outcome = one.in_thread(one.ask)
    time.sleep(0.1)
    one.scope.cancel("killed:user")
    outcome.wait()

    assert isinstance(outcome.error, Aborted)
    assert outcome.took_s < 2


@pytest.mark.parametrize(
    ("command", "says"),
    [(("false",), "exited with 1"), (("true",), "printed nothing"), (("no-such",), "not start")],
    ids=["fails", "silent", "missing"],
)
def test_a_key_command_that_fails_says_so_without_its_output(
    serve: Any, attempt: Any, words: Any, command: tuple[str, ...], says: str
) -> None:
    server = serve(statuses(words))
    url = f"http://127.0.0.1:{server.port}/v1"
    one = attempt(server, endpoint=Endpoint(name="here", base_url=url, api_key_command=command))

    with pytest.raises(RuntimeError, match=says):
        one.ask()

    assert server.requests == []


def test_other_servers_are_guarded_but_neither_recorded_nor_retried(
    serve: Any, attempt: Any, words: Any, keyed: Any
) -> None:
    from runner.host import chat

    model, tool = serve(statuses(words)), serve(statuses(words, 503))
    one = attempt(model, endpoint=keyed(model))
    with chat.http_client(one.session, one.connections) as http:
        assert http.get(f"http://127.0.0.1:{tool.port}/x").status_code == 503

    assert one.tape.said == []
    assert KEY not in tool.requests[0]
