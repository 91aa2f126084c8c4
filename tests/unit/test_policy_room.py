"""Room on the disk: warned below 2 GB, or an hour before it is full at the rate it fills."""

import pytest
from support.story import Story

from runner.core import events as ev
from runner.core.policy.alarms import alarms
from runner.core.policy.room import full_in_s, low_room
from runner.core.status import rows_json
from runner.core.verdict import verdict

GB = 1_000_000_000


def story(*free: int, step_s: float = 60.0) -> Story:
    """A run whose pulses say how much is free, one each ``step_s``."""
    made = Story()
    for number, number_free in enumerate(free):
        made.now = number * step_s
        made.emit(ev.Pulse(slots=[], hosts=[], free_bytes=number_free))
    return made


@pytest.mark.parametrize(
    ("free", "words"),
    [
        ((100 * GB,), ""),
        ((2 * GB,), ""),
        ((2 * GB - 1,), "only 2.0 GB are free on the disk"),
        ((0,), ""),  # not asked yet
        ((50 * GB, 49 * GB), "the disk is full in 49m at this rate, 49.0 GB are free"),
        ((90 * GB, 89 * GB), ""),  # an hour and a half
        ((50 * GB, 60 * GB), ""),  # something was deleted
    ],
)
def test_low_room_is_told_in_words(free, words):
    assert low_room(story(*free).state).replace("00s", "") == words


def test_a_rate_needs_a_minute():
    assert full_in_s(story(50 * GB, 40 * GB, step_s=5.0).state) is None


def test_the_rate_is_of_the_last_ten_minutes():
    falling = story(*((100 - n) * GB for n in range(20)), *([80 * GB] * 12)).state
    assert len(falling.room) == 10
    assert full_in_s(falling) is None


def test_it_stands_in_verdict_status_and_alarms():
    low = story(1 * GB)
    now = low.state.at
    assert verdict(low.state, now).text.startswith("DISK LOW: only 1.0 GB are free on the disk. ")
    assert verdict(low.state, now).alarm == "notice"
    assert rows_json(low.state, now)["low_room"] == "only 1.0 GB are free on the disk"
    assert [reason.kind for reason in alarms(low.state, now)] == ["disk"]
    well = story(100 * GB)
    assert "DISK" not in verdict(well.state, well.state.at).text
    assert rows_json(well.state, well.state.at)["low_room"] == ""


def test_a_new_engine_measures_anew():
    run = story(50 * GB, 49 * GB)
    run.starts_engine(2)
    assert full_in_s(run.state) is None
