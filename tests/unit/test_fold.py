"""The fold: slots, tasks, rows and resumes, event by event."""

import pytest
from support.story import BEGAN, Story, plan_of

from runner.core import events as ev
from runner.core.plan import Stop
from runner.core.state import fold
from runner.core.state.fold import tokens_per_s
from runner.core.state.snapshot import copy_state


def counts(story: Story) -> tuple[int, int, int]:
    state = story.state
    done = len(state.done)
    return state.tasks_total - done - state.running_tasks, state.running_tasks, done


def test_a_task_is_done_only_when_its_row_is_durable() -> None:
    story = Story(tasks=2)
    attempt = story.runs()
    row = story.ends(attempt)
    assert counts(story) == (1, 1, 0)
    assert not story.worker().busy
    assert story.state.rows.written == 0
    story.saves(row)
    assert counts(story) == (1, 0, 1)
    assert story.state.outcomes == {"passed": 1}
    assert story.state.rows.written == 1
    assert not story.state.awaited


def test_a_row_of_an_earlier_attempt_does_not_make_the_task_done() -> None:
    story = Story()
    first = story.ends(story.runs(), "errored", "error:X", then="requeued")
    second = story.ends(story.runs(attempt=2), "passed")
    story.saves(first)
    assert counts(story)[1:] == (1, 0)
    story.saves(second)
    assert story.state.done == {"t1": "passed"}
    assert story.state.attempts_of == {"t1": 2}


def test_the_first_scored_row_stays_the_result_whatever_a_retry_brings() -> None:
    story = Story()
    story.saves(story.ends(story.runs(), "failed"))
    story.emit(ev.TaskQueued(task_id="t1", origin="me"))
    assert story.state.outcomes == {"failed": 0}
    assert counts(story)[1:] == (0, 0)
    assert story.task().attempts == 1
    story.saves(story.ends(story.runs(attempt=2), "passed"))
    assert story.state.done == {"t1": "failed"}
    assert story.state.outcomes == {"failed": 1}


def test_without_a_scored_row_the_last_one_is_the_result() -> None:
    story = Story()
    story.saves(story.ends(story.runs(), "errored", "error:X", then="requeued"))
    story.saves(story.ends(story.runs(attempt=2), "timed_out", "deadline:call"))
    assert story.state.done == {"t1": "timed_out"}


def test_requeued_attempts_are_charged_by_the_contract() -> None:
    story = Story()
    for attempt, (outcome, cause) in enumerate(
        [
            ("timed_out", "deadline:idle"),
            ("errored", "retries:count"),
            ("killed", "killed:memory"),
            ("lost", "host_lost"),
            ("killed", "killed:stop"),
            ("timed_out", "deadline:run"),
        ],
        1,
    ):
        story.ends(story.runs(attempt=attempt), outcome, cause, then="requeued")
    assert story.task().charged == 3
    assert story.task().attempts == 6


def test_what_was_charged_for_a_row_that_a_crash_took_is_given_back() -> None:
    story = Story()
    attempt = story.runs()
    row = story.ends(attempt, "errored", "error:FrozeHost", then="alone")
    assert (story.task().charged, story.task().froze) == (1, 1)
    story.starts_engine(epoch=2)
    story.ends(attempt, "lost", "engine_lost", then="requeued", row=row)
    assert (story.task().charged, story.task().froze) == (0, 0)
    assert list(story.state.awaited) == [row]


def test_a_slot_that_is_given_away_twice_has_one_owner() -> None:
    story = Story()
    first = story.runs("t1")
    second = story.runs("t2")
    assert story.state.owner == {second: 0}
    assert story.state.endpoints["m\x1fe\x1fd"].busy == 1
    story.ends(first)
    assert story.worker().attempt_id == second


def test_an_attempt_that_is_started_twice_has_one_slot() -> None:
    story = Story()
    story.starts("t1", worker=0)
    story.starts("t1", worker=1)
    assert not story.worker(0).busy
    assert story.state.owner == {"t1.1": 1}
    assert story.state.endpoints["m\x1fe\x1fd"].busy == 1


@pytest.mark.parametrize("worker", [-1, 4096, 10**12])
def test_a_worker_beyond_all_bounds_costs_nothing(worker: int) -> None:
    story = Story(tasks=1)
    attempt = story.starts("t1", worker=worker)
    story.emit(ev.WorkersChanged(target=10**12, origin="x"))
    assert len(story.state.workers) == 4096
    row = story.ends(attempt, worker=worker)
    story.saves(row)
    assert counts(story) == (0, 0, 1)


def test_a_range_of_rows_beyond_all_bounds_is_taken_at_once() -> None:
    story = Story()
    story.ends(story.runs())
    story.saves(1, 10**15)
    assert story.state.done == {"t1": "passed"}


def test_a_second_end_of_a_recorded_attempt_changes_no_counter() -> None:
    story = Story(tasks=1)
    attempt = story.runs()
    story.saves(story.ends(attempt))
    story.ends(attempt, "errored", "error:X", row=1)
    assert counts(story) == (0, 0, 1)
    assert story.state.outcomes == {"passed": 1}


def test_fewer_workers_go_from_the_end_and_busy_ones_stay_until_they_are_free() -> None:
    story = Story()
    attempt = story.runs(worker=3)
    story.emit(ev.WorkersChanged(target=2, origin="x"))
    assert [worker.worker for worker in story.state.workers] == [0, 1, 2, 3]
    story.ends(attempt, worker=3)
    assert [worker.worker for worker in story.state.workers] == [0, 1]


def test_a_pulse_of_an_earlier_attempt_is_no_sign_of_this_one() -> None:
    story = Story()
    story.now = 10
    story.runs()
    story.now = 12
    story.signs("stream", since=5, sign=1, progress=1)
    assert story.worker().progress_at == story.at - 2
    assert story.worker().phase == "code"


def test_a_phase_that_rounding_puts_just_before_the_start_still_counts() -> None:
    story = Story()
    story.now = 10.0004
    story.starts()
    story.now = 14
    story.signs("prepare", since=4.0, sign=0.5, progress=1)
    assert story.worker().sign_at == story.at - 0.5


def test_the_shown_phase_stays_killing_whatever_a_pulse_says() -> None:
    story = Story()
    attempt = story.runs()
    story.now = 2
    story.emit(ev.KillOrdered(attempt_id=attempt, worker=0, cause="killed:user"))
    story.now = 3
    story.signs("stream")
    assert story.worker().phase == "killing"
    assert story.worker().killing_cause == "killed:user"


def test_latencies_are_the_last_twelve() -> None:
    story = Story()
    attempt = story.runs()
    for n in range(1, 21):
        story.now = n
        story.calls(attempt, n=n)
        story.emit(
            ev.CallEnded(
                attempt_id=attempt, worker=0, n=n, latency_s=n / 10, bytes=1, how="ok", tokens_in=2
            )
        )
    assert story.worker().latencies == [n / 10 for n in range(9, 21)]
    assert story.worker().last_latency_s == 2.0
    assert story.state.totals.calls == 20
    assert story.state.totals.tokens_in == 40
    assert story.state.totals.tokens_out == 0


def test_an_attempt_begins_on_a_worker_without_a_trace_of_the_one_before() -> None:
    story, fresh = Story(), Story()
    first = story.runs("t0")
    who = {"attempt_id": first, "worker": 0}
    story.calls(first)
    story.answers(first, 1, wait_s=0.1, latency_s=0.5)
    for event in (
        ev.TurnStarted(**who, turn=3, max_turns=9),
        ev.ToolStarted(**who, tool="run_tests", detail="-x"),
        ev.ChildChanged(**who, pid=7, born=1.0, command="sleep", running=True),
        ev.Sampled(**who, cpu=99.0, state="R", frame="a.py:1", waits_for="lock"),
        ev.LoopSeen(**who, rule="repeat", action="warn", turns=[1], advice="stop"),
        ev.BackedOff(**who, n=2, attempt_no=1, attempts=6, until=BEGAN + 9, why="server"),
        ev.AttemptScoring(**who),
        ev.KillOrdered(**who, cause="killed:user"),
        ev.RungReached(**who, rung="cancel"),
    ):
        story.emit(event)
    story.signs("score")
    story.ends(first)
    for told in (story, fresh):
        told.now = 5.0
        told.starts("t1", worker=0)
    assert story.worker() == fresh.worker()


def test_windows_of_an_endpoint_stay_small_in_a_long_run() -> None:
    story = Story()
    attempt = story.runs()
    for n in range(3000):
        story.now = float(n)
        story.emit(
            ev.BackedOff(
                attempt_id=attempt,
                worker=0,
                n=n,
                attempt_no=1,
                attempts=6,
                until=story.at + 1,
                why="rate_limit",
            )
        )
        story.emit(
            ev.CallEnded(
                attempt_id=attempt, worker=0, n=n, latency_s=1, bytes=1, how="ok", tokens_out=5
            )
        )
    endpoint = story.state.endpoints["m\x1fe\x1fd"]
    assert 512 <= len(endpoint.latencies) <= 576
    assert len(endpoint.limited_at) <= 122
    assert len(endpoint.tokens) <= 122
    assert sum(1 for at in endpoint.limited_at if at >= story.at - 60) == 61


def test_tokens_are_kept_by_the_second_and_the_last_minute_is_whole() -> None:
    story = Story()
    attempt = story.runs()
    for n in range(4 * 300):
        story.now = n / 4
        story.emit(
            ev.CallEnded(
                attempt_id=attempt, worker=0, n=n, latency_s=1, bytes=1, how="ok", tokens_out=5
            )
        )
    endpoint = story.state.endpoints["m\x1fe\x1fd"]
    assert endpoint.tokens[-3:] == [(BEGAN + second, 20) for second in (297, 298, 299)]
    assert 61 <= len(endpoint.tokens) <= 122
    assert tokens_per_s(endpoint, BEGAN + 299) == pytest.approx(20, rel=0.05)
    assert tokens_per_s(endpoint, BEGAN + 299 + 30) == pytest.approx(10, rel=0.05)


def test_a_replaced_host_knows_how_many_died_before_it() -> None:
    story = Story()
    story.starts_host(0)
    story.emit(ev.HostGone(host=0, why="exit"))
    story.starts_host(1)
    assert story.state.hosts[1].restarts == 1
    assert story.state.totals.host_restarts == 1
    story.emit(ev.HostDraining(host=1, why="replaced"))
    story.emit(ev.HostFroze(host=1, silent_s=1.5))
    story.emit(ev.HostRecovered(host=1))
    assert story.state.hosts[1].status == "draining"
    story.emit(ev.HostGone(host=1, why="replaced"))
    assert story.state.totals.host_restarts == 1


def test_only_the_time_that_engines_worked_counts_as_the_run() -> None:
    story = Story()
    story.now = 100
    story.emit(ev.Pulse(slots=[], hosts=[]))
    story.now = 5000
    story.starts_engine(epoch=2)
    assert story.state.ran_before_s == 100
    assert story.state.status == "running"


def test_pauses_are_lifted_one_by_one() -> None:
    story = Story()
    story.emit(ev.RunPaused(cause="user", text="by me", origin="me"))
    story.emit(ev.RunPaused(cause="disk", text="full"))
    story.emit(ev.RunUnpaused(cause="user"))
    assert story.state.status == "paused"
    story.emit(ev.RunUnpaused(cause="disk"))
    assert story.state.status == "running"


@pytest.mark.parametrize("over", [1, 2, 30])
def test_the_brake_looks_at_the_last_attempts_that_count(over: int) -> None:
    story = Story(tasks=100, plan=plan_of(stop=Stop(over=over)))
    for number in range(40):
        outcome = "lost" if number % 2 else "errored"
        story.saves(story.ends(story.runs(f"t{number}"), outcome, ""))
    assert story.state.recent == ["errored"] * min(over, 20)


def test_found_rows_are_counted_and_those_of_a_merger_are_not_counted_twice() -> None:
    story = Story()
    story.saves(story.ends(story.runs("t1")))
    story.ends(story.runs("t2"))
    story.emit(ev.RowsFound(first=1, last=2, rows=2, bytes=9, part="r-1-2", digest="d"))
    assert story.state.rows.written == 2
    assert story.state.done == {"t1": "passed", "t2": "passed"}


def test_a_snapshot_folds_on_as_the_state_would() -> None:
    story = Story()
    attempt = story.runs()
    copy = copy_state(story.state)
    assert copy == story.state
    story.calls(attempt)
    assert fold(story.events[-1:], copy) == story.state


def test_events_of_a_newer_version_are_counted_and_change_nothing_else() -> None:
    story = Story()
    before = copy_state(story.state)
    story.emit(ev.Unknown(name="NotYetInvented"))
    assert story.state.unknown_events == 1
    story.state.unknown_events, story.state.seq, story.state.at = 0, before.seq, before.at
    assert story.state == before
