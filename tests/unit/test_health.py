"""Slow, stuck and well by progress; what will end an attempt, and what follows."""

import pytest
from support.story import Story, plan_of

from runner.core import events as ev
from runner.core.health import elapsed_s, health, outlook, silent_s, stalled_s, watch_of
from runner.core.plan import Limits, Watch

WATCH = Watch(slow_after=8, stuck_after=15)


def how(story: Story, at: float) -> str:
    return health(story.worker(), watch_of(story.state.plan, "m"), at)


@pytest.fixture
def story() -> Story:
    return Story(plan=plan_of(watch=WATCH))


@pytest.mark.parametrize(
    ("after", "expected"),
    [(0, "ok"), (7.99, "ok"), (8, "slow"), (14.99, "slow"), (15, "stuck"), (9000, "stuck")],
)
def test_thresholds(story: Story, after: float, expected: str) -> None:
    story.calls(story.runs())
    assert how(story, story.at + after) == expected
    assert stalled_s(story.worker(), story.at + after) == pytest.approx(after, abs=1e-6)


def test_keep_alives_are_life_but_no_progress(story: Story) -> None:
    story.calls(story.runs())
    for second in range(1, 21):
        story.now = second
        story.signs("stream", since=second - 0.5, sign=0, progress=second)
    assert silent_s(story.worker(), story.at) == 0
    assert stalled_s(story.worker(), story.at) == 20
    assert how(story, story.at) == "stuck"


def test_content_is_progress(story: Story) -> None:
    story.calls(story.runs())
    story.now = 20
    story.signs("stream", since=19, sign=0, progress=0)
    assert how(story, story.at + 7) == "ok"


def test_an_idle_worker_is_well_for_ever(story: Story) -> None:
    assert how(story, story.at + 10**6) == "ok"
    assert elapsed_s(story.worker(), story.at + 10) == 0
    assert outlook(story.state, story.worker(), story.at) is None


def back_off(story: Story, seconds: float) -> str:
    attempt = story.runs()
    story.calls(attempt)
    story.emit(
        ev.BackedOff(
            attempt_id=attempt,
            worker=0,
            n=1,
            attempt_no=1,
            attempts=6,
            until=story.at + seconds,
            why="rate_limit",
        )
    )
    return attempt


def test_backing_off_is_well_until_a_second_after_its_end(story: Story) -> None:
    back_off(story, 60)
    assert how(story, story.at + 59) == "ok"
    assert how(story, story.at + 60.99) == "ok"
    assert how(story, story.at + 60 + 8) == "slow"
    assert how(story, story.at + 60 + 15) == "stuck"
    assert stalled_s(story.worker(), story.at + 60 + 15) == 15


def test_a_call_that_is_repeated_after_a_long_wait_is_no_hang(story: Story) -> None:
    attempt = back_off(story, 60)
    story.now = 60.01
    story.calls(attempt)
    assert how(story, story.at + 1) == "ok"
    assert how(story, story.at + 15) == "stuck"


def test_thresholds_of_a_model_win_over_those_of_the_plan() -> None:
    story = Story(plan=plan_of(watch=WATCH))
    assert watch_of(story.plan, "m") == WATCH
    assert watch_of(story.plan, "unknown") == story.plan.watch
    assert watch_of(None, "m") == Watch()


@pytest.mark.parametrize(
    ("limits", "expected", "left"),
    [
        (Limits(first_byte=30, call=120, attempt=300), "first_byte", 20),
        (Limits(first_byte=130, call=120, attempt=300), "call", 110),
        (Limits(first_byte=130, call=120, attempt=100), "attempt", 90),
        (Limits(first_byte=130, call=120, attempt=300, run=50), "run", 40),
        (Limits(first_byte=30, call=120, attempt=300, retry_on=("timeout",)), "attempt", 290),
    ],
    ids=["first_byte", "call", "attempt", "run", "timeouts are retried"],
)
def test_outlook_names_the_limit_that_really_ends_it(
    limits: Limits, expected: str, left: float
) -> None:
    story = Story(plan=plan_of(limits=limits))
    story.calls(story.runs())
    look = outlook(story.state, story.worker(), story.at + 10)
    assert look is not None
    assert (look.limit, look.ends_in_s) == (expected, pytest.approx(left))


def test_between_bytes_it_is_the_gap_that_counts(story: Story) -> None:
    attempt = story.runs()
    story.calls(attempt)
    story.now = 5
    story.emit(ev.FirstByte(attempt_id=attempt, worker=0, n=1, wait_s=5))
    look = outlook(story.state, story.worker(), story.at + 4)
    assert look == ("idle", 26.0, "requeued")


def test_a_limit_that_is_past_ends_it_now_and_not_before_now(story: Story) -> None:
    story.starts()
    look = outlook(story.state, story.worker(), story.at + 10**6)
    assert look is not None
    assert look.ends_in_s == 0.0


@pytest.mark.parametrize(
    ("max_attempts", "attempt", "then"), [(2, 1, "requeued"), (2, 2, "final"), (1, 1, "final")]
)
def test_what_follows_goes_by_what_was_charged(max_attempts: int, attempt: int, then: str) -> None:
    story = Story(plan=plan_of(max_attempts=max_attempts))
    for number in range(1, attempt):
        story.ends(story.runs(attempt=number), "errored", "error:X", then="requeued")
    story.runs(attempt=attempt)
    look = outlook(story.state, story.worker(), story.at)
    assert look is not None
    assert look.then == then


@pytest.mark.parametrize(
    ("cause", "retry", "then"),
    [("killed:user", False, "final"), ("killed:retry", True, "requeued")],
)
def test_what_follows_a_kill_goes_by_its_cause(cause: str, retry: bool, then: str) -> None:
    story = Story()
    attempt = story.runs()
    story.emit(ev.KillRequested(attempt_id=attempt, origin="me", retry=retry))
    story.emit(ev.KillOrdered(attempt_id=attempt, worker=0, cause=cause))
    look = outlook(story.state, story.worker(), story.at)
    assert look is not None
    assert look.then == then


def test_the_run_limit_is_requeued_since_a_resume_runs_it_again() -> None:
    story = Story(plan=plan_of(limits=Limits(run=50), max_attempts=1))
    story.runs()
    look = outlook(story.state, story.worker(), story.at)
    assert look == ("run", 50.0, "requeued")
