"""The built-in benchmark in a real host against the rehearsal endpoint: all but the engine."""

import json

import msgspec
import pytest

from runner.core import messages as m
from runner.core.plan import Endpoint
from runner.rehearse import Rehearsal, Script, demo


@pytest.fixture(scope="module")
def rehearsal():
    with Rehearsal.start(Script(default="ok,latency=0.02")) as one:
        yield one


@pytest.fixture
def start_bench(start, make_plan, rehearsal):
    """Start a host for the interactive executor whose endpoint behaves as told."""

    def begin(behaviour, **options):
        plan = make_plan(executor="interactive", **options)
        endpoint = Endpoint(name="e", base_url=rehearsal.url_for(behaviour))
        return start(msgspec.structs.replace(plan, endpoints=(endpoint,)))

    return begin


def demo_task(number):
    """A task of the demo, as the fields of an order."""
    task = json.loads(demo.demo_tasks().splitlines()[number - 1])
    return {key: value for key, value in task.items() if key != "id"}


def test_a_competent_agent_passes_and_everything_is_told(start_bench):
    host = start_bench("ok,latency=0,agent=competent")
    host.run("a1", "", **demo_task(19))
    ended = host.wait(m.Ended, 20.0)
    assert (ended.outcome, ended.cause) == ("passed", "loop:done"), ended.record
    record = ended.record
    assert record.success_level == "full"
    assert record.turns == record.calls == len(host.all(m.TurnEnded, "a1"))
    assert all(one.features is not None for one in host.all(m.TurnEnded, "a1"))
    assert record.tokens_out > 0
    assert record.tool_calls
    assert {one.role for one in host.all(m.Said, "a1")} >= {"assistant"}
    assert [one.how for one in host.all(m.CallEnded, "a1")] == ["ok"] * record.calls


def test_ten_slots_share_a_host(start_bench):
    host = start_bench("ok,latency=0.02,agent=competent", workers=10)
    for number in range(30):
        if number >= 10:
            host.wait_until(
                lambda one: isinstance(one, m.Ended) and one.attempt_id == f"a{number - 10}",  # noqa: B023
                20.0,
            )
        host.run(f"a{number}", "", worker=number % 10, **demo_task(19))
    for number in range(30):
        assert host.wait(m.Ended, 20.0, attempt_id=f"a{number}").outcome == "passed"


@pytest.mark.parametrize(
    ("behaviour", "limits", "cause"),
    [
        ("silent", {"first_byte": 0.5}, "deadline:first_byte"),
        ("drip_sse", {"call": 0.7}, "deadline:call"),
    ],
)
def test_a_call_that_hangs_ends_by_its_own_limit(start_bench, behaviour, limits, cause):
    host = start_bench(behaviour, **limits)
    host.run("a1", "", **demo_task(19))
    ended = host.wait(m.Ended)
    assert (ended.outcome, ended.cause) == ("timed_out", cause)
    assert ended.elapsed_s < next(iter(limits.values())) + 1.0


def test_refusals_run_out_of_retries(start_bench):
    host = start_bench("429", retries=2, retry_wait=0.05)
    host.run("a1", "", **demo_task(19))
    ended = host.wait(m.Ended)
    assert (ended.outcome, ended.cause) == ("errored", "retries:count")
    assert ended.record.call_retries == len(host.all(m.BackedOff, "a1")) == 2
    assert 0.0 < ended.record.backoff_s < 1.0
