"""``ctx.base_url``: whatever client an executor brings, its calls are guarded like ours."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from runner.core import messages as m
from runner.core.plan import Endpoint
from runner.rehearse import Rehearsal, Script

CLIENTS = ["urllib", "socket", "openai", "thread", "process"]


@pytest.fixture
def begin(start: Any, make_plan: Any) -> Iterator[Callable[..., Any]]:
    """Start a host whose one attempt calls by this client; the endpoint behaves as told."""
    servers: list[Rehearsal] = []

    def do(client: str, behaviour: str = "ok", **limits: Any) -> Any:
        servers.append(Rehearsal.start(Script(default=behaviour)))
        endpoint = Endpoint(name="e", base_url=servers[0].base_url, api_key_env="ZOO_KEY")
        plan = make_plan(**limits)
        tasks = msgspec.structs.replace(plan.tasks, entry="door_agents:run")
        plan = msgspec.structs.replace(plan, endpoints=(endpoint,), tasks=tasks)
        host = start(plan)
        host.run("a1", client)
        return host

    yield do
    for server in servers:
        server.stop()


@pytest.mark.parametrize("client", CLIENTS)
def test_its_calls_are_recorded(begin: Callable[..., Any], client: str) -> None:
    host = begin(client)
    ended = host.wait(m.Ended)
    assert ended.outcome == "passed", ended.record.error
    assert (ended.record.calls, ended.record.turns) == (1, 1)
    assert ended.record.tokens_out > 0
    told = json.loads(ended.record.extra)
    assert told["said"]
    with pytest.raises(urllib.error.HTTPError, match="401"):  # the door is shut behind it
        urllib.request.urlopen(told["url"] + "/models", timeout=5)


@pytest.mark.parametrize("client", CLIENTS)
def test_its_calls_have_limits(begin: Callable[..., Any], client: str) -> None:
    host = begin(client, "silent", call=0.5)
    ended = host.wait(m.Ended)
    assert (ended.outcome, ended.cause) == ("timed_out", "deadline:call")
    assert ended.elapsed_s < 2.0, "abandoning the thread takes that long"


@pytest.mark.parametrize("client", CLIENTS)
def test_a_kill_ends_its_calls(begin: Callable[..., Any], client: str) -> None:
    host = begin(client, "silent")
    host.wait(m.CallStarted)
    ordered = host.kill("a1")
    came, ended = host.wait_at(m.Ended)
    assert (ended.cause, ended.rung) == ("killed:user", "abort")
    assert came - ordered < 1.0
    assert time.monotonic() - ordered < 5.0


def test_its_calls_are_retried_by_us_alone(begin: Callable[..., Any]) -> None:
    host = begin("openai", "429,retry_after=0", retries=2)
    ended = host.wait(m.Ended)
    assert (ended.outcome, ended.cause) == ("errored", "error:RateLimitError")
    assert (ended.record.calls, ended.record.call_retries) == (1, 2)
