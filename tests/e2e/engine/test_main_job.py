"""The main job on real input: many tasks, many kinds of trouble, every one ended and recorded."""

from collections import Counter

import pytest
from support.running import Project, checked

from runner.core import events as ev
from runner.rehearse import Script

MIX = """
seed = 3
default = "12%silent;8%drip_sse;10%500,times=2;5%429,retry_after=3600;5%slow,latency=1;ok"
"""
LIMITS = """
first_byte = 3
idle = 3
call = 8
attempt = 20
retry_wait = 0.5
retry_total = 2
retries = 2
"""
WANTED = {
    "silent": ("timed_out", "deadline:first_byte"),
    "drip_sse": ("timed_out", "deadline:call"),
    "429": ("errored", "retries:count"),
}


def wanted(script: Script, task_id: str) -> tuple[str, str]:
    """What must become of a task by the behaviour that its calls meet."""
    behaviour = script.behaviour("m", task_id)
    if behaviour.kind == "status":
        return WANTED["429"] if behaviour.status == 429 else ("passed", "")
    return WANTED.get(behaviour.kind, ("passed", ""))


@pytest.mark.timeout(150)
def test_a_rough_run_ends_by_itself_with_every_outcome_right(project: Project) -> None:
    plan = project.write(tasks=200, workers=20, script=MIX, limits=LIMITS)
    run = project.launch(plan)
    state = run.ended(120.0)
    script = Script.decode(MIX.encode(), toml=True)
    assert state.status == "finished"
    assert state.exit_code == 1
    assert len(state.done) == 200
    assert len(state.workers) == 20
    last = {event.task_id: event for event in run.of(ev.AttemptEnded)}
    found = {task: (event.outcome, event.cause) for task, event in last.items()}
    differ = {
        task: (got, wanted(script, task))
        for task, got in found.items()
        if got != wanted(script, task)
    }
    assert not differ
    assert run.rows().height == state.totals.attempts
    assert Counter(state.done.values()) == Counter(run_outcomes(found))
    checked(run)


def run_outcomes(found: dict[str, tuple[str, str]]) -> list[str]:
    """The outcomes alone."""
    return [outcome for outcome, _ in found.values()]
