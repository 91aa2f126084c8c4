"""A moment of a run as people type it."""

import time

import pytest

from tui.moments import moment

FIRST = time.mktime((2026, 11, 21, 23, 50, 0, 0, 0, -1))
LAST = FIRST + 3 * 3600


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("23:50", 0),
        ("23:51:30", 90),
        ("00:10", 20 * 60),
        ("2:00", 130 * 60),
        ("+2h10m", 7800),
        ("2h", 7200),
        ("+90", 90),
        ("90s", 90),
        ("1.5", 1.5),
        ("+1m30s", 90),
        (f"{FIRST + 60:.0f}", 60),
    ],
)
def test_moments(text: str, seconds: float):
    assert moment(text, FIRST, LAST) == FIRST + seconds


@pytest.mark.parametrize(
    "text", ["", "+", "noon", "25:00", "12:61", "1x", "--1", "1h-2m", "+h", "９:００:x"]
)
def test_what_is_no_time(text: str):
    with pytest.raises(ValueError, match="no time"):
        moment(text, FIRST, LAST)


@pytest.mark.parametrize("text", ["+4h", "23:40", "12:00", "9999999999"])
def test_what_is_not_within_the_run(text: str):
    with pytest.raises(ValueError, match="not within the run"):
        moment(text, FIRST, LAST)


def test_the_minute_in_which_the_run_began_is_its_beginning():
    assert moment("23:50", FIRST + 30, LAST) == FIRST + 30
