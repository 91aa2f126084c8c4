"""``at`` never steps, whatever the wall clock does: an axis under a journal, on clocks we move."""

import itertools
from collections.abc import Callable

import pytest

from runner.core import events as ev
from runner.core.state import State
from runner.engine.axis import Axis
from runner.engine.journal import Journal

BEGAN = 1_800_000_000.0


class Clocks:
    """A machine's two clocks."""

    def __init__(self) -> None:
        self.steady = 5_000.0
        self.wall = BEGAN

    def passes(self, seconds: float) -> None:
        """Time goes on as it should."""
        self.steady += seconds
        self.wall += seconds

    def set_wall(self, by_s: float) -> None:
        """Somebody, or NTP, sets the clock."""
        self.wall += by_s

    def suspend(self, seconds: float) -> None:
        """The lid is closed: Linux's monotonic clock stands still, the wall clock goes on."""
        self.wall += seconds


class Lines:
    """The log, in memory."""

    def __init__(self) -> None:
        self.data = b""

    def place(self, body: bytes) -> tuple[int, int]:
        return 0, len(body)

    def append(self, events: bytes, *, sync: bool = False) -> bool:
        self.data += events
        return True


class Engine:
    """The part of an engine that knows the time: a second of its loop is `second`."""

    def __init__(self) -> None:
        self.clocks = Clocks()
        self.lines = Lines()
        self.axis = Axis(0.0, lambda: self.clocks.steady, lambda: self.clocks.wall)
        self.journal = Journal(State(), self.axis, self.lines)

    def second(self) -> None:
        self.clocks.passes(1.0)
        if moved := self.axis.jump():
            self.journal.emit(ev.ClockJumped(by_s=round(moved, 3)))
        # A host reports a moment of its own clock, which is the same monotonic one.
        self.journal.emit(
            ev.TurnStarted(attempt_id="a", worker=0, turn=1), self.clocks.steady - 0.2
        )
        self.journal.emit(ev.Pulse(slots=[], hosts=[]))
        self.journal.flush()

    def events(self) -> list[ev.Event]:
        return ev.decode_lines(self.lines.data)[0]


@pytest.mark.parametrize(
    ("change", "told_s"),
    [
        pytest.param(lambda clocks: clocks.set_wall(-10.0), -10.0, id="back 10 s"),
        pytest.param(lambda clocks: clocks.set_wall(3600.0), 3600.0, id="forward 1 h"),
        pytest.param(lambda clocks: clocks.suspend(1800.0), 1800.0, id="suspended 30 min"),
    ],
)
def test_at_never_steps_and_the_jump_is_told_once(
    change: Callable[[Clocks], None], told_s: float
) -> None:
    engine = Engine()
    for _ in range(5):
        engine.second()
    change(engine.clocks)
    for _ in range(5):
        engine.second()
    events = engine.events()
    assert all(a.at <= b.at for a, b in itertools.pairwise(events))
    assert max(b.at - a.at for a, b in itertools.pairwise(events)) <= 1.0
    assert events[-1].at == pytest.approx(BEGAN + 10.0)
    jumps = [event for event in events if isinstance(event, ev.ClockJumped)]
    assert [jump.by_s for jump in jumps] == [told_s]
    assert [event.seq for event in events] == list(range(1, len(events) + 1))


def test_an_engine_that_resumes_on_a_clock_set_back_goes_on_after_the_last_event() -> None:
    first = Engine()
    for _ in range(5):
        first.second()
    second = Engine()
    second.clocks.set_wall(-3600.0)
    second.axis = Axis(
        first.journal.state.at, lambda: second.clocks.steady, lambda: second.clocks.wall
    )
    second.journal = Journal(first.journal.state, second.axis, second.lines)
    second.second()
    events = [*first.events(), *second.events()]
    assert all(a.at <= b.at for a, b in itertools.pairwise(events))
    assert not [event for event in events if isinstance(event, ev.ClockJumped)]


def test_a_host_that_reports_late_is_not_put_before_what_is_written() -> None:
    engine = Engine()
    engine.second()
    last = engine.events()[-1].at
    engine.journal.emit(ev.TurnStarted(attempt_id="a", worker=0, turn=2), engine.clocks.steady - 9)
    engine.journal.flush()
    assert engine.events()[-1].at == last
