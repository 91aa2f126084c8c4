"""What a newcomer does: the demo, a stuck worker, a kill, leave, attach, replay."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.running import Project, Watched, wait_for
from support.terminal import Terminal, needs_tmux

from runner.core import events as ev
from runner.runs import about, engine_alive

PROGRAM = (sys.executable, "-m", "tui")
pytestmark = [needs_tmux, pytest.mark.timeout(150)]


def the_run(project: Project) -> Watched:
    """The one run of the folder, noted for the clean-up."""
    folder = next(path for path in project.runs.iterdir() if path.name.startswith("demo"))
    info = about(folder)
    assert info is not None
    project.started.append(info)
    return Watched(folder)


def test_demo_kill_leave_attach_replay(
    project: Project, terminal: Callable[..., Terminal], tmp_path: Path
) -> None:
    runs = ("--runs-dir", str(project.runs))
    screen = terminal("demo")
    screen.run(*PROGRAM, *runs, "demo")
    screen.until("STUCK", 30.0)
    run = the_run(project)
    screen.until(lambda text: "backing off" in text and "saved" in text)
    screen.type("n")
    screen.type("x")
    screen.until("End this attempt?")
    screen.type("x")
    screen.until("killed in", 10.0)
    asked = wait_for(lambda: run.of(ev.KillRequested))[0]
    ended = wait_for(
        lambda: [e for e in run.of(ev.AttemptEnded) if e.attempt_id == asked.attempt_id]
    )
    assert [(e.outcome, e.cause) for e in ended] == [("killed", "killed:user")]

    screen.type("q")
    screen.until("The run goes on without this screen")
    screen.type("l")
    screen.until("pilot-tui attach")
    wait_for(lambda: screen.dead)
    assert engine_alive(run.dir)

    small = terminal("attach", (80, 24))
    small.run(*PROGRAM, *runs, "attach")
    small.until("RUNNING")
    assert run.ask("stop")["ok"]
    small.until(lambda text: "stopped" in text.lower())
    run.ended()

    past = terminal("replay")
    before = ("--at", f"{asked.at - 0.5:.2f}", "--speed", "0.1")
    past.run(*PROGRAM, *runs, "replay", run.dir.name, *before)
    past.until("REPLAY")
    past.until("STUCK")
    past.type("space")
    past.type("x")
    past.until(lambda text: "End this attempt?" not in text)
