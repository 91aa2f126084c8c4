"""What a notebook does: run a plan, then look at results, events and states."""

from pathlib import Path

import pytest
from support.running import Project, Watched, checked

import runner


def test_a_run_from_python_and_all_that_can_be_asked_of_it(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PILOT_RUNS", str(project.runs))
    code = """
def run(task, ctx):
    if task.id == "t001" and not (ctx.dir / "../../again").exists():
        (ctx.dir / "../../again").touch()
        raise ValueError("once")
    return True
"""
    plan = project.write(tasks=5, code=code)
    done = runner.run(plan, run_id="mine", overrides={"run.workers": "2"})
    assert (done.run_id, done.live) == ("mine", False)
    assert runner.results(done)["outcome"].to_list() == ["passed"] * 5
    assert runner.results("mine").equals(runner.results(done.run_dir))
    assert runner.results("mi", attempts=True).height == 6
    state = runner.state("latest")
    assert (state.status, len(state.done)) == ("finished", 5)
    assert state.plan is not None
    assert state.plan.run.workers == 2
    events = list(runner.events(done))
    assert isinstance(events[0], runner.ev.EngineStarted)
    assert isinstance(events[-1], runner.ev.RunEnded)
    for event in (events[0], events[len(events) // 2], events[-1]):
        assert runner.state(done, at=event.at).at == event.at
    assert runner.state(done, at=events[0].at - 1).seq == 0
    checked(Watched(done.run_dir))


def test_a_bad_plan_starts_nothing(project: Project) -> None:
    plan = project.write(tasks=1)
    plan.write_text(plan.read_text().replace("workers", "wokers"))
    with pytest.raises(runner.PlanError, match="wokers"):
        runner.run(plan, runs_dir=project.runs)
    assert not project.runs.exists()


def test_a_log_that_is_not_there_is_told_in_words(tmp_path: Path) -> None:
    assert list(runner.events(tmp_path)) == []
    with pytest.raises(runner.RunError):
        runner.state("no-such-run")
