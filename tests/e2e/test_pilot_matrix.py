"""Phase 5.3 as its users run it: the flaw matrix, and every tenth call hangs.

What is right for a row is worked out again from the conversation in it, by rules written out here.
"""

import json
import re
from typing import Any

import pytest
from support.running import PACKAGE, Project, Watched, checked

from runner.core import events as ev
from runner.core.outcomes import is_scored
from runner.rehearse import Rehearsal, Script

HANG_S = 2.0
SCRIPT = """
seed = 5
default = "6%silent;50%silent,turn=2,times=1;ok,agent=competent,latency=0.02"
"""
PLAN = """
[run]
name = "flawed-5.3"
workers = {workers}
seed = 11
start_interval = 0
[limits]
first_byte = {hang_s}
idle = {hang_s}
call = 20
attempt = 60
run = 300
[watch]
slow_after = 0.5
stuck_after = 1
[stop]
error_rate = 0
[[endpoints]]
name = "here"
base_url = "{base_url}"
task_header = "x-pilot-task"
[[models]]
name = "qwen-a"
endpoint = "here"
[[models]]
name = "qwen-b"
endpoint = "here"
[tasks]
executor = "interactive"
[tasks.matrix]
difficulty = ["easy"]
tool_success_rate = [0.8]
prompt_type = [
    "flawed_sequence_disorder", "flawed_tool_misuse", "flawed_parameter_error",
    "flawed_missing_step", "flawed_redundant_operations", "flawed_logical_inconsistency",
    "flawed_semantic_drift",
]
"""
TIMES = {"run_id", "attempt_id", "started_at", "elapsed_s", "api_s", "backoff_s", "tool_s"}
PLACES = {"worker", "host"}


@pytest.fixture
def script() -> Script:
    return Script.decode(SCRIPT.encode(), toml=True)


def play(project: Project, script: Script, *, workers: int, limit: int | None) -> Watched:
    """One run of the plan against an endpoint of its own, to its end."""
    with Rehearsal.start(script) as server:
        plan = project.folder / "plan.toml"
        plan.write_text(PLAN.format(workers=workers, hang_s=HANG_S, base_url=server.base_url))
        run = project.launch(plan, limit=limit)
        run.ended(200.0)
    return run


def required_tools() -> dict[str, list[str]]:
    """Required tools by source id, straight from the shipped file."""
    lines = (PACKAGE / "runner/host/bench/data/tasks.jsonl").read_text().splitlines()
    return {task["id"]: task["required_tools"] for task in map(json.loads, lines)}


def tools_that_worked(messages: list[dict[str, str]]) -> list[str]:
    """What the simulated tools answered in the conversation, successes only, in order."""
    said = [m["content"] for m in messages if m["role"] == "user"]
    replies = re.findall(r'"ok": true, "tool": "(\w+)"', "\n".join(said))
    return list(replies)


def in_order(wanted: list[str], happened: list[str]) -> bool:
    rest = iter(happened)
    return all(name in rest for name in wanted)


def check_outcomes(run: Watched, script: Script) -> None:
    """Each attempt ended as the script and the conversation say it must."""
    required = required_tools()
    wrong: list[tuple[Any, ...]] = []
    for row in run.rows().to_dicts():
        behaviour = script.behaviour(row["model"], row["task_id"])
        hangs = behaviour.kind == "silent" and (behaviour.times == 0 or row["attempt"] == 1)
        if hangs:
            right = (row["outcome"], row["cause"]) == ("timed_out", "deadline:first_byte")
            right = right and row["turns"] == (behaviour.turn or 1)
        else:
            wanted = required[row["task_id"].partition("@")[0]]
            worked = tools_that_worked(json.loads(row["messages"]))
            coverage = len(set(wanted) & set(worked)) / len(wanted)
            full = in_order(wanted, worked)
            right = (row["outcome"] == "passed") == full == row["in_order"]
            right = right and abs(row["required_coverage"] - coverage) < 1e-3
            right = right and (row["cause"] == "loop:done") == (coverage == 1.0)
            right = right and (is_scored(row["outcome"]) or row["cause"].startswith("loop:"))
        if not right:
            wrong.append((row["task_id"], row["attempt"], row["outcome"], row["cause"]))
    assert not wrong


def check_slots(run: Watched, workers: int) -> None:
    """Every slot is still there at the end, and each was used."""
    state = run.state()
    assert len(state.workers) == state.target_workers == workers
    assert {event.worker for event in run.of(ev.AttemptStarted)} == set(range(workers))
    assert not any(worker.busy for worker in state.workers)


def hang_share(run: Watched) -> float:
    """Calls that never answered, of all calls."""
    calls = run.of(ev.CallEnded)
    return sum(event.how != "ok" for event in calls) / len(calls)


def comparable(run: Watched) -> list[dict[str, Any]]:
    """The rows without what only time and placement decide."""
    rows = run.rows().drop([*TIMES, *PLACES]).sort("task_id", "attempt").to_dicts()
    for row in rows:
        for call in row["tool_calls"]:
            del call["elapsed_s"]
    return rows


@pytest.mark.timeout(120)
def test_the_same_plan_gives_the_same_rows_but_for_times(project: Project, script: Script) -> None:
    first = play(project, script, workers=20, limit=42)
    check_outcomes(first, script)
    check_slots(first, 20)
    checked(first)
    second = play(project, script, workers=9, limit=42)
    assert comparable(second) == comparable(first)
    outcomes = set(first.rows()["outcome"])
    assert {"passed", "timed_out"} <= outcomes, "else this proves little"
    assert hang_share(first) > 0.08


@pytest.mark.drill
@pytest.mark.timeout(400)
def test_a_full_phase_with_a_hundred_workers(project: Project, script: Script) -> None:
    run = play(project, script, workers=100, limit=None)
    state = run.state()
    assert (state.status, len(state.done)) == ("finished", 7 * 20 * 2)
    check_outcomes(run, script)
    check_slots(run, 100)
    checked(run)
    assert hang_share(run) > 0.08
    again = play(project, script, workers=100, limit=None)
    assert comparable(again) == comparable(run)
