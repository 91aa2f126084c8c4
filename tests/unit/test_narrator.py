"""A run told in lines: hangs with beginning and end, each class of errors once, nothing hostile."""

import pytest
from support.commands import BEGAN, ended, plan, started

from runner import EngineSeen, State, apply, ev
from tui.narrator import Narrator


def running(*more: ev.Event) -> State:
    """Two workers at work since second 0."""
    head = ev.EngineStarted(
        at=BEGAN,
        epoch=1,
        wall=BEGAN,
        boot_id="",
        pid=1,
        run_id="r1",
        version="1",
        tasks_total=2,
        plan=plan(),
    )
    state = State()
    for event in (head, started(0, 0), started(0, 1), *more):
        apply(state, event)
    return state


def test_a_hang_is_told_once_when_it_begins():
    state, narrator = running(), Narrator()
    assert narrator.look(state, BEGAN + 3) == []
    told = narrator.look(state, BEGAN + 6)
    assert [" hang " in line and "ends by itself within" in line for line in told] == [True, True]
    assert narrator.look(state, BEGAN + 7) == []


def test_a_hang_that_ends_by_a_limit_says_how_and_what_comes_then():
    state, narrator = running(), Narrator()
    narrator.look(state, BEGAN + 6)
    over = ended(30, 1, "timed_out", "deadline:first_byte")
    over.then = "requeued"
    lines = narrator.hear(over)
    assert lines[0].endswith(
        "worker 1, t1: ended after 30s, timed_out deadline:first_byte, runs again"
    )
    assert "deadline:first_byte, for the first time: t1" in lines[1]
    apply(state, over)
    assert not any("t1" in line for line in narrator.look(state, BEGAN + 31))


def test_a_hang_that_ends_by_itself_is_told_too():
    state, narrator = running(), Narrator()
    narrator.look(state, BEGAN + 6)
    apply(state, ev.TurnStarted(at=BEGAN + 8, attempt_id="a0", worker=0, turn=1))
    (line,) = narrator.look(state, BEGAN + 8.2)
    assert line.endswith("worker 0, t0: goes on after 8s")


def test_errors_are_told_once_and_counted_at_the_end():
    state, narrator = running(), Narrator()
    told = [narrator.hear(ended(n, 1, "errored", "error:Boom")) for n in (1, 2, 3)]
    assert [len(lines) for lines in told] == [1, 0, 0]
    lines = narrator.ending(state, BEGAN + 5, EngineSeen())
    assert "3 x error:Boom" in lines[0]


def test_of_a_traceback_the_last_line_is_told():
    failed = ended(1, 1, "errored", "error:Boom")
    failed.error = "Traceback (most recent call last):\n  File x\nBoom: no \x1b[31mluck"
    (line,) = Narrator().hear(failed)
    assert "Boom: no" in line
    assert "Traceback" not in line
    assert "\x1b" not in line


@pytest.mark.parametrize("outcome", ["passed", "partial", "failed"])
def test_a_wrong_answer_is_no_error(outcome: str):
    assert Narrator().hear(ended(1, 1, outcome)) == []


def test_progress_has_the_verdict():
    state = running()
    line = Narrator().progress(state, BEGAN + 1, EngineSeen())
    assert "0 of 2 done | 2 workers busy, all well." in line
    lost = Narrator().progress(state, BEGAN + 1, EngineSeen(alive=False))
    assert "ENGINE GONE" in lost
