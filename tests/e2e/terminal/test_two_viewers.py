"""Two people at one run: both kill the same worker, one kill happens, both are told."""

import sys
from collections.abc import Callable

import pytest
from support.running import LONG, Project, Watched, wait_for
from support.terminal import Terminal, needs_tmux

from runner.core import events as ev

PROGRAM = (sys.executable, "-m", "tui")
pytestmark = [needs_tmux, pytest.mark.timeout(120)]


def lived_until_now(run: Watched, attempt_id: str) -> None:
    """Nobody had ended this attempt, nor ordered it: the first kill of it is this one."""
    answer = run.ask("kill", worker=0, attempt_id=attempt_id)
    assert (answer["ok"], answer["outcome"], "already" in answer) == (True, "killed", False)
    asked = [event for event in run.of(ev.KillRequested) if event.attempt_id == attempt_id]
    assert len(asked) == 1


def test_two_viewers_kill_the_same_worker_and_a_stale_kill_harms_nobody(
    project: Project, terminal: Callable[..., Terminal]
) -> None:
    plan = project.write(tasks=9, workers=3, script='default = "silent"', limits=LONG)
    run = project.launch(plan)
    first = run.until(lambda state: len(state.owner) == 3).workers[0].attempt_id
    screens = [terminal("one"), terminal("two", (80, 24))]
    for screen in screens:
        screen.run(*PROGRAM, "attach", str(run.dir))
        screen.until("3 STUCK")
    for screen in screens:
        screen.type("Home", "x")
        screen.until("End this attempt?")
    for screen in screens:
        screen.type("x")
    told = [screen.until(lambda text: "killed" in text, 10) for screen in screens]
    assert sum(" killed in " in text for text in told) == 1
    assert sum(" already killed by " in text for text in told) == 1
    ended = wait_for(lambda: run.of(ev.AttemptEnded))
    assert [(event.attempt_id, event.cause) for event in ended] == [(first, "killed:user")]
    assert len(run.of(ev.KillOrdered)) == 1
    assert {event.attempt_id for event in run.of(ev.KillRequested)} == {first}

    second = run.until(lambda state: state.workers[0].busy).workers[0].attempt_id
    assert second != first
    stale = run.ask("kill", worker=0, attempt_id=first)
    assert (stale["ok"], stale["already"], stale["attempt_id"]) == (True, True, first)
    lived_until_now(run, second)
    assert [event.attempt_id for event in run.of(ev.AttemptEnded)] == [first, second]


def test_a_dialog_left_open_kills_nobody_who_came_later(
    project: Project, terminal: Callable[..., Terminal]
) -> None:
    plan = project.write(tasks=3, workers=1, script='default = "silent"', limits=LONG)
    run = project.launch(plan)
    first = run.until(lambda state: state.owner).workers[0].attempt_id
    screen = terminal("late")
    screen.run(*PROGRAM, "attach", str(run.dir))
    screen.until("1 STUCK")
    screen.type("x")
    screen.until("End this attempt?")
    assert run.ask("retry", worker=0, attempt_id=first)["ok"]
    second = run.until(lambda state: state.workers[0].busy and state.workers[0].attempt_id != first)
    screen.until("Nothing to end any more: it has ended already.")
    screen.type("x")
    said = screen.until("already killed by ")
    assert ", runs again in " in said
    later = second.workers[0].attempt_id
    lived_until_now(run, later)
    assert [event.attempt_id for event in run.of(ev.AttemptEnded)] == [first, later]
