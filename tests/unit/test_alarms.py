"""When a person is called, and how often: conditions and spacing, with a clock that jumps."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.commands import BEGAN, plan

from runner.core import events as ev
from runner.core.policy.alarms import APART_S, CALM_S, Calls, Reason, alarms, due
from runner.core.state import State, WorkerState, apply, fold
from runner.core.state.model import EndpointState
from runner.engine.notify import message_of

NOW = 100_000.0


def state(*, workers: int = 20, busy: int = 0) -> State:
    """A run that began long ago; its busy workers got on just now, and a row was just saved."""
    found = State(
        run_id="r",
        name="night",
        plan=plan(),
        epoch=1,
        status="running",
        engine_started_at=NOW - 7200,
        tasks_total=100,
        workers=[WorkerState(worker=number) for number in range(workers)],
    )
    found.rows.last_write_at = NOW - 5
    for worker in found.workers[:busy]:
        worker.attempt_id = worker.task_id = f"a{worker.worker}"
        worker.model, worker.phase = "m", "wait"
        worker.started_at = worker.running_at = NOW - 20
        worker.progress_at = worker.sign_at = NOW - 1
    return found


def kinds(found: State, now: float = NOW) -> list[str]:
    return [reason.kind for reason in alarms(found, now)]


def test_a_run_that_gets_on_calls_nobody():
    assert kinds(state(busy=20)) == []
    assert kinds(state()) == []


@pytest.mark.parametrize(("stuck", "expected"), [(2, []), (3, ["stuck"])], ids=["10%", "15%"])
def test_more_than_a_tenth_of_the_workers_stuck(stuck: int, expected: list[str]):
    found = state(busy=20)
    for worker in found.workers[:stuck]:
        worker.progress_at = NOW - 10  # stuck_after is 5
    assert kinds(found) == expected


@pytest.mark.parametrize(
    ("past_s", "expected"), [(299, []), (301, ["beyond_limit"])], ids=["4m59s", "5m01s"]
)
def test_one_worker_far_beyond_its_limit(past_s: float, expected: list[str]):
    found = state(workers=200, busy=1)
    found.workers[0].running_at = NOW - 300 - past_s  # the attempt limit is 300
    assert kinds(found) == expected


def test_an_order_to_end_that_nothing_obeys():
    found = state(workers=200, busy=1)
    found.workers[0].killing_at = NOW - 301
    assert kinds(found) == ["beyond_limit"]


def test_nothing_ended_for_a_quarter_of_an_hour():
    found = state(busy=1)
    found.rows.last_write_at = NOW - 901
    assert kinds(found) == ["quiet"]
    found.pauses["user"] = ""
    found.paused_at = NOW
    assert kinds(found) == []


def test_quiet_is_not_told_of_attempts_that_may_take_longer():
    found = state(busy=1)
    found.rows.last_write_at = NOW - 901
    assert found.plan is not None
    model = found.plan.models[0]
    patient = msgspec.structs.replace(
        model, limits=msgspec.structs.replace(model.limits, attempt=3600)
    )
    found.plan = msgspec.structs.replace(found.plan, models=(patient,))
    assert kinds(found) == []


def test_an_endpoint_that_rests():
    found = state()
    found.endpoints["x"] = EndpointState(
        model="m", endpoint="here", deployment="m", paused_why="401: the key is not accepted"
    )
    (reason,) = alarms(found, NOW)
    assert reason == ("endpoint", "m on here rests: 401: the key is not accepted")


@pytest.mark.parametrize("where", ["rows", "pause", "room"])
def test_a_disk_in_trouble(where: str):
    found = state()
    if where == "rows":
        found.rows.error = "No space left on device"
    elif where == "pause":
        found.pauses["disk"] = "3 results wait for the disk"
        found.paused_at = NOW
    else:
        found.free_bytes = 5_000_000
    assert kinds(found) == ["disk"]


def test_a_log_that_was_behind_and_is_not_any_more_calls_nobody():
    found = state()
    apply(found, ev.LogFailed(seq=1, at=NOW, error="No space left on device", for_s=3.0))
    assert kinds(found) == []


def test_an_engine_that_took_over_from_a_dead_one():
    found = state()
    found.restarted_at = NOW - 59
    assert kinds(found) == ["restarted"]
    assert kinds(found, NOW + 2) == []


def test_a_planned_resume_is_no_restart():
    def engine(epoch: int, at: float) -> ev.EngineStarted:
        return ev.EngineStarted(
            at=BEGAN + at,
            epoch=epoch,
            wall=BEGAN + at,
            boot_id="",
            pid=1,
            run_id="r",
            version="1",
            tasks_total=2,
            plan=plan(),
        )

    ended = ev.RunEnded(at=BEGAN + 5, status="stopped", why="", exit_code=3)
    assert fold([engine(1, 0), ended, engine(2, 10)]).restarted_at == 0.0
    assert fold([engine(1, 0), engine(2, 10)]).restarted_at == BEGAN + 10


def test_a_pause_of_ten_minutes():
    found = state()
    found.pauses["brake"] = "31 of the last 60 attempts failed"
    found.paused_at = NOW - 599
    assert kinds(found) == []
    assert kinds(found, NOW + 1) == ["paused"]


def test_a_run_that_is_over_calls_nobody():
    found = state(busy=20)
    found.rows.error = "full"
    found.status = "finished"
    assert kinds(found) == []


# ----------------------------------------------------------------------------------------- spacing


STUCK = [Reason("stuck", "3 of 20 workers are stuck")]
BOTH = [*STUCK, Reason("disk", "full")]


def test_what_lasts_is_told_once():
    calls = Calls()
    assert due(calls, STUCK, 0.0) == "trouble"
    assert {due(calls, STUCK, float(at)) for at in range(1, 5000)} == {""}


def test_it_is_over_when_it_was_away_for_a_minute():
    calls = Calls()
    due(calls, STUCK, 0.0)
    assert due(calls, [], 30.0) == ""
    assert due(calls, STUCK, 50.0) == ""
    assert due(calls, [], 50.0 + CALM_S - 1) == ""
    assert due(calls, [], 50.0 + CALM_S) == "resolved"
    assert due(calls, [], 1000.0) == ""


def test_another_kind_is_told_when_ten_minutes_have_passed():
    calls = Calls()
    due(calls, STUCK, 0.0)
    assert due(calls, BOTH, 30.0) == ""
    assert due(calls, BOTH, APART_S) == "trouble"


def story() -> st.SearchStrategy[list[bool]]:
    return st.lists(st.booleans(), min_size=1, max_size=400)


@given(story(), st.sampled_from([1.0, 7.0, 61.0]))
def test_calls_are_apart_and_resolved_follows_trouble(ill: list[bool], step_s: float):
    calls = Calls()

    def told() -> Iterator[tuple[float, str]]:
        for number, bad in enumerate(ill):
            now = number * step_s
            if what := due(calls, STUCK if bad else [], now):
                yield now, what

    heard = list(told())
    troubles = [at for at, what in heard if what == "trouble"]
    assert all(b - a >= APART_S for a, b in itertools.pairwise(troubles))
    words = [what for _, what in heard]
    assert all(a == "trouble" for a, b in itertools.pairwise(words) if b == "resolved")
    assert "resolved" not in words[:1]


def test_the_message_has_a_text_for_people_and_fields_for_programs(tmp_path: Path):
    found = json.loads(message_of(state(), NOW, "trouble", STUCK, tmp_path))
    assert found["event"] == "trouble"
    assert found["text"].startswith("night: 3 of 20 workers are stuck. ")
    assert found["reasons"] == [{"kind": "stuck", "text": "3 of 20 workers are stuck"}]
    assert found["attach"] == "pilot-tui attach r"
