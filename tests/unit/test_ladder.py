"""The ladder by numbers: which rung at which second, and when to look again."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.host.ladder import PROCESS, REPEAT_S, THREAD, Rung, next_due, next_rung, steps_for


@pytest.mark.parametrize(
    ("steps", "elapsed_s", "rung", "due"),
    [
        (THREAD, 0.0, Rung.ABORT, 0.5),
        (THREAD, 0.49, Rung.ABORT, 0.5),
        (THREAD, 0.5, Rung.EXCEPTION, 0.6),
        (THREAD, 1.45, Rung.EXCEPTION, 1.5),
        (THREAD, 1.5, Rung.ABANDON, inf),
        (THREAD, 99.0, Rung.ABANDON, inf),
        (PROCESS, 0.0, Rung.ABORT, 0.05),
        (PROCESS, 0.05, Rung.SIGNAL, 0.15),
        (PROCESS, 0.45, Rung.SIGNAL, 0.5),
        (PROCESS, 0.5, Rung.END, inf),
    ],
)
def test_rung_and_next_look(steps, elapsed_s, rung, due):
    assert next_rung(elapsed_s, steps) is rung
    assert next_due(elapsed_s, steps) == pytest.approx(due)


@given(st.floats(0, 100), st.floats(0, 100), st.sampled_from(["thread", "process"]))
def test_it_only_goes_up(first, second, isolation):
    steps = steps_for(isolation)
    order = [rung for _, rung in steps]
    earlier, later = sorted((first, second))
    assert order.index(next_rung(earlier, steps)) <= order.index(next_rung(later, steps))


@given(st.floats(0, 100), st.sampled_from(["thread", "process"]))
def test_the_next_look_is_later_and_misses_no_rung(elapsed_s, isolation):
    steps = steps_for(isolation)
    due = next_due(elapsed_s, steps)
    assert due > elapsed_s
    assert not any(elapsed_s < at_s < due for at_s, _ in steps)
    if next_rung(elapsed_s, steps) in (Rung.EXCEPTION, Rung.SIGNAL):
        assert due <= elapsed_s + REPEAT_S
