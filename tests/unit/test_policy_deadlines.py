"""The engine's own deadlines, a second after the host's, on a clock that jumps."""

from collections.abc import Callable

import pytest
from support.story import Story, plan_of

from runner.core import events as ev
from runner.core.plan import Limits
from runner.core.policy.deadlines import DEFIED_S, GRACE_S, defied, overdue

LIMITS = Limits(
    connect=5,
    first_byte=30,
    idle=31,
    call=120,
    prepare=40,
    score=50,
    attempt=300,
    run=8000,
)


def _prepares(story: Story) -> None:
    story.starts()


def _runs(story: Story) -> None:
    story.runs()


def _connects(story: Story) -> None:
    story.calls(story.runs())
    story.now += 0.1
    story.signs("connect")


def _waits(story: Story) -> None:
    story.calls(story.runs())


def _streams(story: Story) -> None:
    attempt = story.runs()
    story.calls(attempt)
    story.emit(ev.FirstByte(attempt_id=attempt, worker=0, n=1, wait_s=0.1))


def _calls_plain(story: Story) -> None:
    story.calls(story.runs(), stream=False)


def _scores(story: Story) -> None:
    story.runs()
    story.now += 290
    story.signs("score")


CASES: dict[str, tuple[Callable[[Story], None], float]] = {
    "prepare": (_prepares, LIMITS.prepare),
    "attempt": (_runs, LIMITS.attempt),
    "connect": (_connects, LIMITS.connect),
    "first_byte": (_waits, LIMITS.first_byte),
    "idle": (_streams, LIMITS.idle),
    "call": (_calls_plain, LIMITS.call),
    "score": (_scores, LIMITS.score),
}


def told(limits: Limits = LIMITS) -> Story:
    story = Story(plan=plan_of(limits=limits))
    story.starts_host()
    return story


@pytest.mark.parametrize("limit", CASES)
def test_each_limit_is_acted_on_a_second_after_it_and_not_before(limit: str) -> None:
    story = told()
    begin, seconds = CASES[limit]
    begin(story)
    since = story.at
    assert list(overdue(story.state, since + seconds + GRACE_S - 0.01)) == []
    late = list(overdue(story.state, since + seconds + GRACE_S))
    assert [(one.worker.worker, one.cause) for one in late] == [(0, f"deadline:{limit}")]


def test_the_run_ends_all_attempts_that_are_under_way() -> None:
    story = told(Limits(run=100))
    story.now = 50
    story.runs("t1", worker=0)
    story.runs("t2", worker=1)
    late = list(overdue(story.state, story.at + 51))
    assert [one.cause for one in late] == ["deadline:run"] * 2


@pytest.mark.parametrize("limit", CASES)
def test_attempts_of_a_frozen_host_wait_for_the_verdict_on_it(limit: str) -> None:
    story = told()
    CASES[limit][0](story)
    story.emit(ev.HostFroze(host=0, silent_s=1.5))
    assert list(overdue(story.state, story.at + 7000)) == []
    story.emit(ev.HostRecovered(host=0))
    assert len(list(overdue(story.state, story.at + 7000))) == 1


def test_attempts_of_a_dead_host_are_nobodys_deadline() -> None:
    story = told()
    story.runs()
    story.emit(ev.HostGone(host=0, why="exit"))
    assert list(overdue(story.state, story.at + 7000)) == []


def test_an_attempt_that_was_told_to_end_is_not_told_again() -> None:
    story = told()
    attempt = story.runs()
    story.emit(ev.KillOrdered(attempt_id=attempt, worker=0, cause="deadline:attempt"))
    assert list(overdue(story.state, story.at + 7000)) == []


def test_who_does_not_end_when_told_has_a_broken_host() -> None:
    story = told()
    attempt = story.runs()
    story.emit(ev.KillOrdered(attempt_id=attempt, worker=0, cause="killed:user"))
    assert list(defied(story.state, story.at + DEFIED_S - 0.01)) == []
    assert [w.attempt_id for w in defied(story.state, story.at + DEFIED_S)] == [attempt]
    story.emit(ev.HostFroze(host=0, silent_s=1.5))
    assert list(defied(story.state, story.at + 60)) == []


def test_a_call_that_may_be_repeated_on_timeout_does_not_end_the_attempt() -> None:
    story = told(Limits(call=10, attempt=300, retry_on=("timeout",)))
    story.calls(story.runs())
    assert list(overdue(story.state, story.at + 290)) == []


def test_first_byte_counts_from_the_request_and_not_from_the_connection() -> None:
    story = told()
    story.calls(story.runs())
    story.now = 4.9
    story.signs("connect", since=4.8)
    story.signs("wait")
    assert list(overdue(story.state, story.at + LIMITS.first_byte)) == []
    assert len(list(overdue(story.state, story.at + LIMITS.first_byte + GRACE_S))) == 1


def test_a_judge_that_is_called_while_scoring_is_bound_by_score_not_by_attempt() -> None:
    story = told()
    _scores(story)
    story.calls("t1.1", stream=False)
    assert list(overdue(story.state, story.at + 40)) == []
    assert [o.cause for o in overdue(story.state, story.at + 51)] == ["deadline:score"]


def test_a_drip_of_bytes_passes_idle_but_not_call() -> None:
    story = told()
    _streams(story)
    for second in range(10, 121, 10):
        story.now = second
        story.signs("stream", since=second, sign=0, progress=second)
    assert [o.cause for o in overdue(story.state, story.at + GRACE_S)] == ["deadline:call"]
