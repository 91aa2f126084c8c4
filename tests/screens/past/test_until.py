"""The lists of a replay know of nothing that came later than where it stands."""

import random

import pytest
from rows_on_disk import row, write
from runmaker import RunMaker
from stage import Stage, on_stage

from runner import IncidentsUntil, Mishaps, ev, figures, result_list
from runner.core.incidents import Incidents
from runner.core.state import State, fold


@pytest.fixture
def rough(make_run) -> RunMaker:
    """A random run in which calls are refused, attempts fail and one process dies."""
    maker = make_run("rough", workers=6, tasks=100)
    maker.engine()
    for seed in range(6):
        maker.chatter(700, seed=seed)
        maker.wait(7).emit(ev.HostGone(host=0, why="froze"))
        maker.emit(ev.EngineLagged(gap_s=2.0))
        maker.made = [event for event in maker.made if event.seq]
    return maker


def moments(maker: RunMaker) -> list[float]:
    """On, back, on again; between events and exactly at one."""
    rng = random.Random(5)
    first, last = maker.made[0].at, maker.made[-1].at
    found = [first + rng.random() * (last - first) for _ in range(6)]
    return [*sorted(found[:3]), *found[3:], maker.made[777].at, last, first - 1, last + 5]


def told_until(maker: RunMaker, at: float, name: str, tmp_path) -> RunMaker:
    """The run as its folder was at that moment."""
    early = RunMaker(tmp_path / name)
    for event in maker.made:
        if event.at <= at:
            early._log.write(ev.encode(event))
    early.close()
    return early


def test_errors_are_those_of_the_log_as_it_was_then(rough, tmp_path):
    walked = Mishaps(rough.run_dir)
    for n, at in enumerate(moments(rough)):
        early = told_until(rough, at, f"early-{n}", tmp_path)
        assert walked.refresh(at) == Mishaps(early.run_dir).refresh()
    assert walked.refresh() == Mishaps(rough.run_dir).refresh()


def test_incidents_are_those_that_were_known_then(rough):
    walked = IncidentsUntil(rough.run_dir)
    counts = set()
    for at in moments(rough):
        state, seen = State(), Incidents()
        for event in rough.made:
            if event.at <= at:
                fold(seen.observed([event], state), state)
        assert walked.at(at) == seen.episodes(state, at)
        counts.add(len(walked.at(at)))
    assert len(counts) > 2, "the moments tell the same"


def test_a_log_that_grows_is_taken_up(rough):
    walked = Mishaps(rough.run_dir)
    before = sum(item.count for item in walked.refresh(rough.at + 100))
    rough.wait(5).emit(ev.EngineLagged(gap_s=3.0))
    after = walked.refresh(rough.at + 200)
    assert sum(item.count for item in after) == before + 1


@pytest.fixture
def saved(make_run) -> RunMaker:
    """Ten tasks end, one each ten seconds; the first is tried twice."""
    maker = make_run("saved", workers=2, tasks=10)
    maker.engine()
    tasks = ["t0", *(f"t{n}" for n in range(9))]
    rows = []
    for number, task in enumerate(tasks, 1):
        attempt = 2 if number == 2 else 1
        then = "requeued" if number == 1 else "final"
        outcome = "timed_out" if number == 1 else "passed"
        attempt_id = maker.begin(0, task, attempt)
        maker.wait(10).end(0, attempt_id, outcome, "deadline:call" * (number == 1), then=then)
        rows.append(row(number, task, outcome, attempt=attempt, attempt_id=attempt_id))
    write(maker.run_dir, rows)
    maker.finish()
    return maker


def test_results_and_report_count_rows_as_they_were_committed(saved):
    assert len(result_list(saved.run_dir)) == 9
    assert len(result_list(saved.run_dir, rows=3)) == 2
    assert len(result_list(saved.run_dir, attempts=True, rows=3)) == 3
    assert result_list(saved.run_dir, rows=1).row(0).outcome == "timed_out"
    assert result_list(saved.run_dir, rows=2).row(0).outcome == "passed"
    assert figures(saved.run_dir, rows=1).tasks == 1
    assert figures(saved.run_dir).tasks == 9
    found = result_list(saved.run_dir)
    by_end = found.select("", "ended_at", descending=True)
    assert [by_end.row(n).task_id for n in (0, 8)] == ["t8", "t0"]
    assert found.select("", descending=True).row(0).task_id == "t8"


def test_each_list_of_a_replay_says_up_to_when_and_follows_it(saved):
    start = saved.made[0].at

    async def play(stage: Stage) -> None:
        stage.app.orders.replay(start + 35)
        await stage.until("REPLAY", "space play")
        for key, words in (
            ("3", "RESULTS 2"),
            ("5", "ERRORS 1"),
            ("4", "INCIDENTS 2"),
            ("6", "REPORT 2 tasks"),
        ):
            await stage.press(key)
            await stage.until(words, "up to")
            assert "up to" in stage.lines[1]
        await stage.press("3")
        await stage.until("RESULTS 2")
        stage.app.orders.replay(start + 75)
        await stage.until("RESULTS 6")
        stage.app.orders.replay(start + 15)
        await stage.until("RESULTS 1", "timed_out")
        await stage.press("4")
        stage.app.orders.replay(start + 1)
        await stage.until("INCIDENTS 0", "none so far")
        await stage.press("escape", "end")
        await stage.until("finished")
        await stage.press("3")
        await stage.until("RESULTS 9")
        assert "up to" not in stage.text

    on_stage(saved.run_dir, (120, 40), play)


def test_home_and_end_are_the_run_s_own_in_a_replay(saved):
    start = saved.made[0].at

    async def play(stage: Stage) -> None:
        stage.app.orders.replay(start + 35)
        await stage.until("REPLAY", "space play")
        await stage.press("home")
        while stage.app.view.now != start:
            await stage.pilot.pause(0.02)
        stage.app.orders._from_live = False
        await stage.press("end")
        while stage.app.view.now != saved.made[-1].at:
            await stage.pilot.pause(0.02)
        await stage.press("home", "escape")
        while stage.app.view.now != saved.made[-1].at:
            await stage.pilot.pause(0.02)

    on_stage(saved.run_dir, (80, 24), play)
