"""The run's own time: it never steps, whatever the wall clock does."""

import pytest

from runner.engine.axis import Axis


class Clocks:
    """A monotonic and a wall clock that a test moves."""

    def __init__(self) -> None:
        self.monotonic = 50.0
        self.wall = 1_700_000_000.0

    def pass_(self, seconds: float) -> None:
        self.monotonic += seconds
        self.wall += seconds


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


def axis_of(clocks: Clocks, not_before: float = 0.0) -> Axis:
    return Axis(not_before, lambda: clocks.monotonic, lambda: clocks.wall)


def test_it_starts_at_the_wall_clock_and_follows_the_monotonic_one(clocks: Clocks) -> None:
    axis = axis_of(clocks)
    assert axis.wall == axis.now() == 1_700_000_000.0
    clocks.pass_(7.5)
    assert axis.now() == 1_700_000_007.5
    assert axis.at(51.0) == 1_700_000_001.0
    assert axis.monotonic() == 57.5
    assert axis.jump() == 0.0


@pytest.mark.parametrize("step", [-3600.0, 3600.0, 1.5])
def test_a_step_of_the_wall_clock_is_told_once_and_moves_nothing(
    clocks: Clocks, step: float
) -> None:
    axis = axis_of(clocks)
    clocks.pass_(10)
    clocks.wall += step
    assert axis.now() == 1_700_000_010.0
    assert axis.jump() == pytest.approx(step)
    clocks.pass_(10)
    assert axis.jump() == 0.0


def test_slewing_below_a_second_is_no_jump(clocks: Clocks) -> None:
    axis = axis_of(clocks)
    clocks.wall += 0.9
    assert axis.jump() == 0.0


def test_slow_drift_is_told_when_it_adds_up_to_a_second(clocks: Clocks) -> None:
    axis = axis_of(clocks)
    told: list[float] = []
    for _ in range(10):
        clocks.pass_(100)
        clocks.wall += 0.3
        told.append(axis.jump())
    assert [round(by, 3) for by in told if by] == [1.2, 1.2]


def test_a_resume_on_a_clock_set_back_goes_on_after_the_last_event(clocks: Clocks) -> None:
    axis = axis_of(clocks, not_before=1_700_009_999.0)
    assert axis.now() == 1_700_009_999.0
    assert axis.wall == 1_700_000_000.0
    assert axis.jump() == 0.0
    clocks.pass_(5)
    assert axis.now() == 1_700_010_004.0
