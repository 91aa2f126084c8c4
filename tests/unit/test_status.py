"""The ``status`` JSON: every name of the contract is there, of its type, at any time of a run."""

import json
from typing import Any

import pytest
from support.story import BEGAN, Story, plan_of

from runner.core import events as ev
from runner.core.outcomes import OUTCOMES
from runner.core.plan import Limits
from runner.core.state import State
from runner.core.status import eta_s, run_elapsed_s, status
from runner.core.verdict import EngineSeen

NUMBER = (int, float)
MAYBE = (int, float, type(None))
WORD = (str, type(None))

RUN: dict[str, Any] = {
    "run_id": str,
    "name": str,
    "state": str,
    "elapsed_s": NUMBER,
    "eta_s": MAYBE,
    "verdict": str,
    "tasks": dict,
    "outcomes": dict,
    "not_scored": int,
    "rows": dict,
    "endpoints": list,
    "runner": dict,
    "api": dict,
    "workers": list,
}
TASKS: dict[str, Any] = {"total": int, "pending": int, "running": int, "done": int}
ROWS: dict[str, Any] = {
    "written": int,
    "waiting": int,
    "parts": int,
    "bytes": int,
    "last_write_age_s": MAYBE,
    "error": str,
}
ENDPOINT: dict[str, Any] = {
    "model": str,
    "endpoint": str,
    "deployment": str,
    "busy": int,
    "limit": int,
    "why": str,
    "p50_s": MAYBE,
    "p95_s": MAYBE,
    "rate_limited_per_min": int,
    "backing_off": int,
    "tokens_per_s": NUMBER,
}
RUNNER: dict[str, Any] = {
    "pid": (int, type(None)),
    "heartbeat_age_s": NUMBER,
    "cpu_percent": NUMBER,
    "cpu_s": NUMBER,
    "rss_bytes": int,
    "threads": int,
    "zombies": int,
    "workers": int,
    "target_workers": int,
    "productive": int,
    "hosts": list,
}
HOST: dict[str, Any] = {
    "host": int,
    "pid": int,
    "state": str,
    "slots": int,
    "heartbeat_age_s": NUMBER,
    "cpu_percent": NUMBER,
    "rss_bytes": int,
    "threads": int,
    "zombies": int,
    "restarts": int,
}
API: dict[str, Any] = {
    "calls": int,
    "in_flight": int,
    "call_retries": int,
    "rate_limited": int,
    "errors": int,
    "p50_s": MAYBE,
    "p95_s": MAYBE,
    "tokens_in": int,
    "tokens_out": int,
    "cost": NUMBER,
}
WORKER: dict[str, Any] = {
    "worker": int,
    "host": int,
    "phase": str,
    "health": str,
    "task_id": WORD,
    "attempt": int,
    "attempt_id": WORD,
    "model": WORD,
    "turn": int,
    "max_turns": int,
    "elapsed_s": NUMBER,
    "limit_s": NUMBER,
    "silent_s": NUMBER,
    "stalled_s": NUMBER,
    "last_latency_s": MAYBE,
    "call_retries": int,
    "backoff_until": MAYBE,
    "next_limit": WORD,
    "ends_in_s": MAYBE,
    "then": WORD,
    "rung": WORD,
    "why": str,
}


def told(state: State, now: float, engine: EngineSeen | None = None) -> dict[str, Any]:
    return json.loads(json.dumps(status(state, now, engine or EngineSeen()), allow_nan=False))


def check(found: dict[str, Any], names: dict[str, Any]) -> None:
    for name, kind in names.items():
        assert name in found, name
        assert isinstance(found[name], kind), (name, found[name])
        assert kind is not int or not isinstance(found[name], bool), name


def check_all(found: dict[str, Any]) -> None:
    check(found, RUN)
    check(found["tasks"], TASKS)
    assert list(found["outcomes"]) == list(OUTCOMES)
    check(found["rows"], ROWS)
    check(found["runner"], RUNNER)
    check(found["api"], API)
    for part, names in (("endpoints", ENDPOINT), ("workers", WORKER)):
        for item in found[part]:
            check(item, names)
    for host in found["runner"]["hosts"]:
        check(host, HOST)


def busy() -> Story:
    story = Story(tasks=9)
    story.starts_host()
    story.saves(story.ends(story.runs("t0")))
    attempt = story.runs()
    story.emit(ev.CallEnded(attempt_id=attempt, worker=0, n=1, latency_s=0.5, bytes=9, how="ok"))
    story.calls(attempt, n=2)
    story.now = 20
    story.emit(
        ev.Pulse(
            slots=[],
            hosts=[ev.HostPulse(0, story.at, 12.5, 1000, 7, 0, 1.5)],
            engine_cpu_percent=2.5,
            engine_cpu_s=0.5,
            engine_rss_bytes=500,
        )
    )
    return story


def test_every_name_of_a_busy_run() -> None:
    story = busy()
    found = told(story.state, story.at)
    check_all(found)
    assert found["state"] == "running"
    assert found["tasks"] == {"total": 9, "pending": 7, "running": 1, "done": 1}
    assert found["runner"]["pid"] == 41
    assert found["runner"]["cpu_s"] == 2.0
    assert found["runner"]["rss_bytes"] == 1500
    assert found["api"]["in_flight"] == 1
    worker = found["workers"][0]
    assert (worker["health"], worker["next_limit"], worker["then"]) == (
        "stuck",
        "first_byte",
        "requeued",
    )
    assert (worker["stalled_s"], worker["ends_in_s"], worker["last_latency_s"]) == (20, 10, 0.5)
    assert len(found["workers"]) == 4
    assert found["workers"][1]["task_id"] is None


def test_an_empty_state() -> None:
    found = told(State(), BEGAN)
    check_all(found)
    assert found["tasks"]["total"] == 0
    assert found["elapsed_s"] == 0


@pytest.mark.parametrize("end", ["finished", "stopped"])
def test_after_the_end_there_are_no_workers_and_no_pid(end: str) -> None:
    story = busy()
    story.ends("t1.1", "killed", "killed:stop", then="requeued")
    story.emit(ev.HostGone(host=0, why="the run is over"))
    story.now = 60
    story.emit(ev.RunEnded(status=end, why="", exit_code=0))
    found = told(story.state, story.at + 5000)
    check_all(found)
    assert found["state"] == end
    assert found["workers"] == []
    assert found["runner"]["pid"] is None
    assert found["runner"]["cpu_s"] == 2.0
    assert found["elapsed_s"] == 60
    assert found["eta_s"] == 0


def test_an_engine_that_is_gone_or_silent_is_the_readers_judgement() -> None:
    story = busy()
    gone = told(story.state, story.at, EngineSeen(alive=False))
    check_all(gone)
    assert (gone["state"], gone["runner"]["pid"], gone["runner"]["hosts"]) == ("lost", None, [])
    assert told(story.state, story.at, EngineSeen(silent_s=2))["state"] == "frozen"


def test_a_gap_between_two_engines_is_no_working_time() -> None:
    story = busy()
    story.now = 1000
    story.starts_engine(epoch=2)
    assert run_elapsed_s(story.state, story.at + 5) == 25


def test_latencies_of_the_last_five_minutes_only() -> None:
    story = busy()
    assert told(story.state, story.at)["api"]["p95_s"] == 0.5
    later = told(story.state, story.at + 301)
    assert later["api"]["p95_s"] is None
    assert later["endpoints"][0]["p95_s"] is None


def test_the_estimate_goes_by_the_present_rate() -> None:
    story = Story(tasks=20)
    for number in range(10):
        story.now = number * 10 + 10
        story.saves(story.ends(story.runs(f"t{number}")))
    assert eta_s(story.state, story.at) == pytest.approx(100, rel=0.15)
    assert eta_s(Story().state, BEGAN) is None


def test_not_scored_are_done_tasks_without_a_scored_row() -> None:
    story = Story(tasks=5)
    for number, outcome in enumerate(("passed", "failed", "timed_out", "lost")):
        story.saves(story.ends(story.runs(f"t{number}"), outcome))
    assert told(story.state, story.at)["not_scored"] == 2


def test_limits_shown_are_those_in_force() -> None:
    story = Story(plan=plan_of(limits=Limits(attempt=77)))
    story.runs()
    worker = told(story.state, story.at)["workers"][0]
    assert worker["limit_s"] == 77
    assert worker["max_turns"] == 10
