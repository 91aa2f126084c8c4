"""When a run should pause by itself, and how fast dead hosts are started again."""

import pytest
from support.story import Story, plan_of

from runner.core import events as ev
from runner.core.plan import Stop
from runner.core.policy.brakes import brake, memory_pressure, start_wait, storm


def recorded(stop: Stop, outcomes: list[str]) -> Story:
    story = Story(tasks=len(outcomes) + 1, plan=plan_of(stop=stop))
    for number, outcome in enumerate(outcomes):
        story.saves(story.ends(story.runs(f"t{number}"), outcome))
    return story


@pytest.mark.parametrize(
    ("bad", "good", "pauses"),
    [(5, 5, False), (6, 4, True), (6, 3, False), (10, 0, True)],
    ids=["half is not more than half", "more", "too few to judge", "all"],
)
def test_error_rate(bad: int, good: int, pauses: bool) -> None:
    story = recorded(
        Stop(error_rate=0.5, over=10),
        ["passed"] * good + ["errored", "timed_out"] * (bad // 2) + ["errored"] * (bad % 2),
    )
    assert bool(brake(story.state)) is pauses


def test_only_the_last_ones_count() -> None:
    assert not brake(recorded(Stop(over=5), ["errored"] * 20 + ["passed"] * 5).state)


@pytest.mark.parametrize("outcome", ["lost", "looped", "killed"])
def test_what_is_nobodys_error_does_not_brake(outcome: str) -> None:
    assert not brake(recorded(Stop(over=5), [outcome] * 20).state)


def test_zero_switches_a_brake_off() -> None:
    assert not brake(recorded(Stop(error_rate=0, over=5), ["errored"] * 20).state)


@pytest.mark.parametrize("stop", [Stop(tokens=100), Stop(cost=2.0)], ids=["tokens", "cost"])
def test_budgets(stop: Stop) -> None:
    story = Story(plan=plan_of(stop=stop))
    attempt = story.runs()
    for n in (1, 2):
        assert not brake(story.state)
        story.emit(
            ev.CallEnded(
                attempt_id=attempt,
                worker=0,
                n=n,
                latency_s=1,
                bytes=1,
                how="ok",
                tokens_in=30,
                tokens_out=20,
                cost=1.0,
            )
        )
    assert "used up" in brake(story.state)


def test_memory() -> None:
    story = Story()
    story.emit(ev.Pulse(slots=[], hosts=[], memory_percent=84.9))
    assert not memory_pressure(story.state)
    story.emit(ev.Pulse(slots=[], hosts=[], memory_percent=85.0))
    assert "max_memory_percent = 85" in memory_pressure(story.state)


@pytest.mark.parametrize(
    ("deaths", "scored", "is_storm"),
    [
        ([90, 92, 94, 96, 98], 0, True),
        ([92, 94, 96, 98], 0, False),
        ([39, 92, 94, 96, 98], 0, False),
        ([90, 92, 94, 96, 98], 91, False),
        ([90, 92, 94, 96, 98], 89, True),
    ],
    ids=["five", "four", "one is too old", "of use meanwhile", "of use only before"],
)
def test_storm(deaths: list[float], scored: float, is_storm: bool) -> None:
    assert storm(deaths, scored, 100) is is_storm


def test_a_host_is_started_again_at_once_then_after_half_a_second_doubling_to_thirty() -> None:
    waits = [start_wait([100.0] * count, 101.0) for count in range(10)]
    assert waits == [0, 0, 0.5, 1, 2, 4, 8, 16, 30, 30]
    assert start_wait([100.0] * 9, 161.0) == 0
