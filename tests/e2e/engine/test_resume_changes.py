"""A resume over changed files is refused with the difference; two engines never share a folder."""

import json
import os
import re
import signal
import subprocess
import sys

import pytest
from support.running import PACKAGE, Project, Watched, checked, wait_for

from runner.errors import PlanError, RunChanged, RunLocked
from runner.runs import engine_alive
from runner.start.launching import start_engine

SLOW = 'default = "ok,latency=0.3"'


@pytest.fixture
def stopped(project: Project) -> Watched:
    """A run of 8 tasks that was stopped with some of them done."""
    plan = project.write(tasks=8, workers=2)
    run = project.launch(plan)
    run.until(lambda state: len(state.done) >= 2)
    run.ask("stop")
    run.ended()
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


def test_the_second_engine_on_a_folder_is_refused_with_the_firsts_pid_and_start(project):
    run = project.launch(project.write(tasks=4, script=SLOW, workers=1))
    pid = run.until(lambda state: state.engine_pid).engine_pid
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
    state = run.ended()
    assert (state.epoch, state.status) == (1, "finished")
    checked(run)


def test_the_transcript_is_sealed_at_the_end_and_bodies_are_read_by_offset(project):
    from runner.core import events as ev
    from runner.past.tail import Bodies

    code = """
def run(task, ctx):
    ctx.say("user", f"hello {task.id} " + "x" * 9000)
    ctx.sleep(0.2)
    return True
"""
    run = project.launch(project.write(tasks=40, workers=4, code=code))
    run.until(lambda state: state.done)
    early = run.of(ev.MessageAdded)[0]
    live = Bodies(run.dir)
    before = live.text(early)
    assert before
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
    run = project.launch(project.write(tasks=6, workers=2, script=SLOW))
    pid = run.until(lambda state: state.done).engine_pid
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not engine_alive(run.dir))
    again = project.resume(run)
    assert again.ended().status == "finished"
    checked(again)
