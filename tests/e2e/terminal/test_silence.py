"""Silence is on the screen within its second: of an endpoint, a host, the engine, a dead engine."""

import os
import signal
import sys
from collections.abc import Callable

import pytest
from support.running import LONG, Project, checked, held, wait_for
from support.terminal import Terminal, needs_tmux

from runner.runs import engine_alive

PROGRAM = (sys.executable, "-m", "tui")
pytestmark = [needs_tmux, pytest.mark.timeout(120)]


def test_a_silent_engine_is_told_and_a_dead_one_too(
    project: Project, terminal: Callable[..., Terminal]
) -> None:
    run = project.launch(
        project.write(tasks=3, workers=3, script='default = "silent"', limits=LONG)
    )
    screen = terminal("watch")
    screen.run(*PROGRAM, "attach", str(run.dir))
    engine = run.until(lambda state: len(state.owner) == 3).engine_pid
    screen.until("3 STUCK")
    os.kill(engine, signal.SIGSTOP)
    assert screen.seconds_until("ENGINE SILENT") < 4.0
    os.kill(engine, signal.SIGCONT)
    screen.until(lambda text: "ENGINE SILENT" not in text and "STUCK" in text)
    assert run.state().totals.attempts == 3
    os.kill(engine, signal.SIGKILL)
    assert screen.seconds_until("ENGINE GONE") < 4.0
    wait_for(lambda: not engine_alive(run.dir))
    wait_for(lambda: not run.pids(), 2.0)


def test_a_frozen_host_is_told_and_its_workers_work_again(
    project: Project, terminal: Callable[..., Terminal]
) -> None:
    code = held("t000", "t001", "t002", "t003")
    plan = project.write(tasks=4, workers=2, code=code, more="[resources]\nhosts = 2")
    run = project.launch(plan)
    screen = terminal("watch", (80, 24))
    screen.run(*PROGRAM, "attach", str(run.dir))
    state = run.until(lambda state: len(state.owner) == 2)
    screen.until("RUNNING")
    os.kill(state.hosts[0].pid, signal.SIGSTOP)
    assert screen.seconds_until("does not answer") < 4.0
    screen.until(lambda text: "does not answer" not in text)
    project.go()
    assert run.ended().exit_code == 0
    checked(run)
