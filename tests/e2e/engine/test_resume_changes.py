"""A resume over changed files is refused with the difference; two engines never share a folder."""

import json
import os
import re
import signal
import subprocess
import sys

import pytest
from support.running import LONG, PACKAGE, Project, Watched, checked, held, wait_for

from runner.errors import PlanError, RunChanged, RunError, RunLocked
from runner.runs import engine_alive
from runner.start.launching import start_engine

SILENT = 'default = "silent"'


@pytest.fixture
def stopped(project: Project) -> Watched:
    """A run of 8 tasks that was stopped with some of them done."""
    plan = project.write(tasks=8, workers=2, code=held("t007"))
    run = project.launch(plan)
    run.until(lambda state: len(state.done) >= 2)
    run.ask("stop")
    assert run.ended().status == "stopped"
    project.go()
    return run


def refused(project: Project, run: Watched) -> str:
    with pytest.raises(RunChanged) as caught:
        project.resume(run)
    assert not engine_alive(run.dir)
    return str(caught.value)


def test_a_changed_plan_is_refused_key_by_key_and_taken_when_allowed(project, stopped):
    plan = project.folder / "plan.toml"
    text = (
        plan.read_text()
        .replace("workers = 2", "workers = 3")
        .replace("first_byte = 3", "first_byte = 4\nidle = 7")
    )
    plan.write_text(text)
    told = refused(project, stopped)
    assert "run.workers: 2 -> 3" in told
    assert "limits.first_byte: 3" in told
    assert "-> 4" in told
    assert "limits.idle: 30" in told
    assert "--allow-changed" in told
    again = project.resume(stopped, allow_changed=True)
    state = again.ended()
    assert state.status == "finished"
    assert (state.plan.run.workers, state.plan.limits.first_byte) == (3, 4)
    assert (again.dir / "plan.toml").read_text() == text
    assert any("run.workers: 2 -> 3" in note for note in project.started[-1].notes)
    checked(again)


def test_a_changed_plan_with_nothing_but_comments_says_so(project, stopped):
    plan = project.folder / "plan.toml"
    plan.write_text("# a comment\n" + plan.read_text())
    assert "only comments, order or layout" in refused(project, stopped)


def test_a_changed_plan_that_cannot_be_used_is_a_bad_plan(project, stopped):
    plan = project.folder / "plan.toml"
    plan.write_text(plan.read_text().replace("workers = 2", "wokers = 2"))
    with pytest.raises(PlanError, match="wokers"):
        project.resume(stopped, allow_changed=True)
    assert not engine_alive(stopped.dir)


def test_added_and_removed_tasks_are_counted(project, stopped):
    done = sorted(stopped.state().done)
    kept = [f"t{number:03d}" for number in range(8) if f"t{number:03d}" != done[0]]
    lines = [json.dumps({"id": name}) for name in (*kept, "new1", "new2", "new3")]
    (project.folder / "tasks.jsonl").write_text("\n".join(lines) + "\n")
    told = refused(project, stopped)
    assert "source: 3 tasks added, 1 task removed that had run" in told
    state = project.resume(stopped, allow_changed=True).ended()
    assert state.status == "finished"
    assert {"new1", "new2", "new3"} <= set(state.done)


def test_an_edited_entry_is_named(project, stopped):
    agent = project.folder / "agent.py"
    agent.write_text(agent.read_text() + "\n# edited\n")
    assert "entry: its file was edited" in refused(project, stopped)


def test_a_plan_that_is_gone_leaves_the_copy_in_force(project, stopped):
    (project.folder / "plan.toml").unlink()
    run = project.resume(stopped)
    assert run.ended().status == "finished"
    checked(run)


def test_a_run_folder_without_its_plan_says_where_a_copy_may_be(project, stopped):
    plan, copy = project.folder / "plan.toml", stopped.dir / "plan.toml"
    text = copy.read_text()
    copy.unlink()

    def told() -> str:
        with pytest.raises(RunError) as caught:
            project.resume(stopped)
        return str(caught.value)

    lost = f"{copy} is not there: a run without its plan cannot be resumed"
    assert told() == f"{lost}. It was copied from {plan}: copy that back"
    plan.unlink()
    assert told() == f"{lost}. It was copied from {plan}, which is gone too"
    plan.write_text(text + "# edited\n")
    assert told().startswith(f"{lost}. It was copied from {plan}, which has changed since")
    copy.write_text(plan.read_text())
    assert project.resume(stopped, allow_changed=True).ended().status == "finished"
    checked(stopped)


def test_the_second_engine_on_a_folder_is_refused_with_the_firsts_pid_and_start(project):
    run = project.launch(project.write(tasks=2, script=SILENT, workers=1, limits=LONG))
    pid = run.until(lambda state: state.owner).engine_pid
    with pytest.raises(RunLocked, match=rf"pid {pid}, started \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d"):
        start_engine(run.dir)
    said = subprocess.run(
        [sys.executable, "-m", "runner.engine", str(run.dir), "--ready-fd", "1"],
        cwd=PACKAGE,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert f"pid {pid}" in said.stdout
    assert run.ask("stop")["ok"]
    state = run.ended()
    assert (state.epoch, state.status) == (1, "stopped")
    checked(run)


def test_the_transcript_is_sealed_at_the_end_and_bodies_are_read_by_offset(project):
    from runner.core import events as ev
    from runner.past.tail import Bodies

    code = """
def run(task, ctx):
    ctx.say("user", f"hello {task.id} " + "x" * 9000)
    return True
"""
    run = project.launch(project.write(tasks=40, workers=4, code=held("t039", code=code)))
    run.until(lambda state: state.done)
    early = run.of(ev.MessageAdded)[0]
    live = Bodies(run.dir)
    before = live.text(early)
    assert before
    project.go()
    run.ended()
    wait_for(lambda: not (run.dir / "transcript.jsonl").exists())
    assert (run.dir / "transcript.jsonl.zst").exists()
    assert live.text(early) == before  # the reader that was open goes on
    texts = [Bodies(run.dir).text(event) for event in run.of(ev.MessageAdded)]
    assert None not in texts
    whole = "\n".join(text or "" for text in texts)
    asked = set(re.findall(r"hello (t\d+) ", whole))
    assert asked == {f"t{number:03d}" for number in range(40)}
    checked(run)


def test_a_killed_engine_says_nothing_changed_and_goes_on(project):
    run = project.launch(project.write(tasks=6, workers=2, code=held("t005")))
    pid = run.until(lambda state: state.done).engine_pid
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not engine_alive(run.dir))
    project.go()
    again = project.resume(run)
    assert again.ended().status == "finished"
    checked(again)
