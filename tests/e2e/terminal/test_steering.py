"""A real engine steered from a real terminal: by mouse, by key, one and many, gone and back."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.running import LONG, Project, Watched, wait_for
from support.terminal import Terminal, needs_tmux

from runner.core import events as ev
from runner.runs import engine_alive

PROGRAM = (sys.executable, "-m", "tui")
pytestmark = [needs_tmux, pytest.mark.timeout(120)]


def silent_run(project: Project, workers: int = 4) -> Watched:
    """A run in which every worker waits for an answer that never comes."""
    plan = project.write(tasks=12, workers=workers, script='default = "silent"', limits=LONG)
    run = project.launch(plan)
    run.until(lambda state: len(state.owner) == workers)
    return run


def causes(run: Watched) -> list[str]:
    """How attempts ended so far."""
    return [event.cause for event in run.of(ev.AttemptEnded)]


def test_kill_by_mouse_retry_by_key_and_many_by_marks(
    project: Project, terminal: Callable[..., Terminal]
) -> None:
    run = silent_run(project)
    screen = terminal("steer")
    screen.run(*PROGRAM, "attach", str(run.dir))
    screen.until("4 STUCK")
    worker = run.state().workers[0]
    screen.click(" x kill ")
    screen.until("End this attempt?")
    screen.click("x Kill, do not run again")
    screen.until("killed in")
    ended = wait_for(lambda: run.of(ev.AttemptEnded))
    assert [(event.attempt_id, event.cause) for event in ended] == [
        (worker.attempt_id, "killed:user")
    ]

    screen.type("End", "r")
    screen.until("r Kill + run again")
    screen.type("r")
    wait_for(lambda: len(causes(run)) == 2)
    last = run.of(ev.AttemptEnded)[1]
    assert (last.worker, last.cause) == (3, "killed:retry")
    wait_for(lambda: [e.task_id for e in run.of(ev.AttemptStarted)].count(last.task_id) == 2)

    screen.until(lambda text: "killed in" not in text)  # the notice has gone: the footer is back
    screen.type("Home", "Space", "Right", "Space")
    screen.until("2 marked")
    screen.type("x")
    screen.until("End 2 attempts?")
    assert "x Kill 2, do not run again" in screen.text()
    screen.type("x")
    wait_for(lambda: len(causes(run)) == 4)
    assert {event.worker for event in run.of(ev.AttemptEnded)[2:]} == {0, 1}
    assert causes(run)[2:] == ["killed:user", "killed:user"]

    screen.type("q")
    screen.until("The run goes on without this screen")
    screen.type("q")
    screen.until("pilot-tui attach")
    wait_for(lambda: screen.dead)


def test_one_endpoint_is_paused_changed_and_goes_on(
    project: Project, terminal: Callable[..., Terminal]
) -> None:
    run = silent_run(project, workers=2)
    screen = terminal("endpoints")
    screen.run(*PROGRAM, "attach", str(run.dir))
    screen.until("2 STUCK")
    screen.type("2")
    screen.until("max_in_flight none")
    screen.type("p")
    screen.until("Start no new tasks on m on here?")
    screen.type("p")
    screen.until("paused by")
    assert wait_for(lambda: run.of(ev.EndpointPaused))[0].model == "m"
    screen.type("p")
    screen.until("p Go on")
    screen.type("p")
    screen.until(lambda text: "paused by" not in text)
    screen.type("e")
    screen.until("m on here: qps")
    screen.type("5", "Enter")
    screen.until("max_in_flight 5")
    change = wait_for(lambda: run.of(ev.PlanChanged))[0]
    assert (change.key, change.new) == ("endpoints.here.max_in_flight", "5")


def test_resized_while_it_runs(project: Project, terminal: Callable[..., Terminal]) -> None:
    run = silent_run(project)
    screen = terminal("sizes", (120, 40))
    screen.run(*PROGRAM, "attach", str(run.dir))
    screen.until("4 STUCK")
    for columns, lines in ((80, 24), (200, 60), (40, 12), (120, 40)):
        screen.resize(columns, lines)
        found = screen.until(lambda text, n=lines: _is_drawn(text, n)).splitlines()
        assert all(len(line) <= columns for line in found)
    assert not screen.dead


def _is_drawn(text: str, lines: int) -> bool:
    """Whether the pane has that many lines, and verdict and keys stand where they belong."""
    found = text.split("\n")
    return len(found) >= lines and "STUCK" in found[1] and "q leave" in found[lines - 1]


def test_a_gone_engine_is_started_again_by_key(
    project: Project, terminal: Callable[..., Terminal]
) -> None:
    run = silent_run(project, workers=2)
    screen = terminal("back")
    screen.run(*PROGRAM, "attach", str(run.dir))
    screen.until("2 STUCK")
    first = run.state().engine_pid
    os.kill(first, signal.SIGKILL)
    screen.until("ENGINE GONE")
    wait_for(lambda: not engine_alive(run.dir))
    screen.type("x")
    screen.until("R starts it again")
    screen.type("R")
    screen.until("the engine is back", 30.0)
    state = run.until(lambda state: state.epoch == 2 and len(state.owner) == 2)
    assert state.engine_pid != first
    screen.until(lambda text: "ENGINE GONE" not in text and "RUNNING" in text)
    assert run.ask("stop")["ok"]
    screen.until(lambda text: "stopped" in text.lower())
    run.ended()
    screen.type("q")
    screen.until("the run is stopped; look at it again")
    assert "the run goes on" not in screen.text()


def test_home_lists_the_runs_and_enter_watches_the_live_one(
    project: Project, terminal: Callable[..., Terminal]
) -> None:
    run = silent_run(project, workers=2)
    screen = terminal("home", (80, 24))
    screen.run(*PROGRAM, "--runs-dir", str(project.runs), "--ascii")
    screen.until(lambda text: "RUNS" in text and run.dir.name[:20] in text)
    screen.type("3")
    screen.until("open a run first")
    screen.type("Enter")
    screen.until("2 STUCK")
    assert screen.text().isascii()
    screen.type("q", "q")
    screen.until("pilot-tui attach")

    again = terminal("again")
    again.run(*PROGRAM, "attach", str(run.dir))
    again.until(lambda text: "Since you left at" in text and "+0 ended" in text)


def test_a_closed_pipe_ends_a_command_quietly(project: Project, tmp_path: Path) -> None:
    run = silent_run(project, workers=2)
    command = [*PROGRAM, "status", str(run.dir), "--follow", "--json"]
    reader = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert reader.stdout is not None
    assert reader.stderr is not None
    assert reader.stdout.readline().startswith(b"{")
    reader.stdout.close()
    began = time.monotonic()
    assert reader.wait(20) == 128 + signal.SIGPIPE
    assert time.monotonic() - began < 15
    assert reader.stderr.read() == b""
    reader.stderr.close()
    assert engine_alive(run.dir)
