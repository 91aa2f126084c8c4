"""Hosts and engines that freeze or die: seen, ended, replaced; the innocent lose no outcome."""

import os
import signal
import time
from pathlib import Path

from support.running import Project, Watched, checked, held, wait_for

from runner.core import events as ev
from runner.runs import engine_alive

STEADY = """
def run(task, ctx):
    for _ in range(6):
        with ctx.turn():
            ctx.client.chat.completions.create(
                model=ctx.model, messages=[{"role": "user", "content": "go"}]
            )
            ctx.sleep(0.5)
    return True
"""
HOLDS_GIL = """
import re

def run(task, ctx):
    if task.id == "t000":
        re.match(r"(a|a)*b", "a" * 27)
    for _ in range(6):
        with ctx.turn():
            ctx.sleep(1.5)
    return True
"""


def host_pid(run: Watched, host: int) -> int:
    """The pid of a host that is up."""
    return run.until(lambda s: host in s.hosts and s.hosts[host].pid).hosts[host].pid


def test_a_stopped_host_is_frozen_on_every_screen_and_replaced(project: Project) -> None:
    more = "[resources]\nhosts = 2\nfreeze_after = 5"
    run = project.launch(project.write(tasks=8, workers=4, code=STEADY, more=more))
    run.until(lambda state: len(state.owner) == 4)
    pid = host_pid(run, 0)
    stopped = time.time()
    os.kill(pid, signal.SIGSTOP)
    frozen = wait_for(lambda: run.of(ev.HostFroze))[0]
    assert frozen.host == 0
    assert frozen.at - stopped < 2.5
    gone = wait_for(lambda: run.of(ev.HostGone))[0]
    assert gone.at - stopped < 8.0
    assert gone.culprit == ""
    run.until(lambda state: state.workers[0].busy or len(state.done) > 4)
    state = run.ended()
    assert (state.status, state.exit_code) == ("finished", 0)
    lost = [e for e in run.of(ev.AttemptEnded) if e.outcome == "lost"]
    assert {e.worker for e in lost} == {0, 1}
    assert all(e.cause == "host_lost" for e in lost)
    checked(run)


def test_an_executor_that_holds_the_gil_is_named_and_the_others_run_again(
    project: Project,
) -> None:
    more = "[resources]\nhosts = 2\nfreeze_after = 3"
    run = project.launch(project.write(tasks=4, workers=4, code=HOLDS_GIL, more=more))
    gone = wait_for(lambda: run.of(ev.HostGone), 40.0)[0]
    state = run.ended(90.0)
    ends = [(e.task_id, e.outcome, e.cause) for e in run.of(ev.AttemptEnded)]
    assert ("t000", "errored", "error:FrozeHost") in ends
    assert gone.culprit
    assert "agent.py" in gone.stack
    assert {task for task, outcome, _ in ends if outcome == "passed"} == {"t001", "t002", "t003"}
    assert state.done["t000"] == "errored"
    assert state.exit_code == 1
    checked(run)


def test_a_dead_host_is_noticed_at_once(project: Project) -> None:
    run = project.launch(project.write(tasks=4, workers=2, code=STEADY))
    run.until(lambda state: len(state.owner) == 2)
    os.kill(host_pid(run, 0), signal.SIGKILL)
    gone = wait_for(lambda: run.of(ev.HostGone))[0]
    assert "signal 9" in gone.why
    assert not run.of(ev.HostFroze)  # its death was noticed, not its silence
    state = run.ended()
    assert (state.exit_code, len(state.done)) == (0, 4)
    checked(run)


def test_waking_up_after_a_long_pause_kills_nobody(project: Project) -> None:
    run = project.launch(
        project.write(tasks=4, workers=4, code=STEADY, more="[resources]\nhosts=2")
    )
    engine = run.until(lambda state: len(state.owner) == 4).engine_pid
    os.kill(engine, signal.SIGSTOP)
    time.sleep(7.0)  # longer than freeze_after: the fault itself, not a wait for an event
    os.kill(engine, signal.SIGCONT)
    state = run.ended()
    assert (state.status, state.exit_code, state.totals.attempts) == ("finished", 0, 4)
    assert not run.of(ev.HostGone)
    assert run.of(ev.EngineLagged)
    checked(run)


def test_a_killed_engine_takes_its_hosts_along_and_resume_finishes(project: Project) -> None:
    run = project.launch(project.write(tasks=12, workers=3, code=held("t011")))
    state = run.until(lambda state: len(state.done) >= 3)
    os.kill(state.engine_pid, signal.SIGKILL)
    wait_for(lambda: not engine_alive(run.dir))
    wait_for(lambda: not run.pids(), 2.0)  # by the kernel's word: by a pipe's end they took 4 s
    acknowledged = sum(event.rows for event in run.of(ev.RowsWritten))
    assert run.rows().height >= acknowledged
    done = set(run.state().done)
    project.go()
    project.resume(run)
    state = run.ended()
    assert (state.status, state.exit_code, len(state.done)) == ("finished", 0, 12)
    starts = [event.task_id for event in run.of(ev.AttemptStarted)]
    assert all(starts.count(task) == 1 for task in done)
    checked(run)


LEAVES_TOOLS = """
import os, signal, subprocess

def run(task, ctx):
    folder = ctx.dir.parent
    if not (folder / "begun").exists():
        (folder / "begun").touch()
        subprocess.Popen(["sleep", "300"], start_new_session=True)
        while not (folder / "reported").exists():
            ctx.sleep(0.05)
        os.kill(os.getpid(), signal.SIGKILL)
    while not (folder / "seen").exists():
        ctx.sleep(0.05)
    return True
"""


def test_tools_of_a_dead_host_are_ended_though_they_left_its_session(project: Project) -> None:
    run = project.launch(project.write(tasks=2, workers=1, code=LEAVES_TOOLS))
    tools = wait_for(lambda: run.of(ev.ChildChanged))
    (run.dir / "work" / "reported").touch()
    wait_for(lambda: run.of(ev.HostGone))
    wait_for(lambda: not Path(f"/proc/{tools[0].pid}").exists())
    (run.dir / "work" / "seen").touch()  # only now: the end of the run would have ended it too
    assert run.ended().status == "finished"
    checked(run)
