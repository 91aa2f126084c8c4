"""The dashboard when its terminal goes, stalls, or somebody signals it. The run never notices."""

import signal
import time
from collections.abc import Callable, Sequence

import pytest
from support.running import Watched, wait_for
from support.viewer import Desk, cpu_s, gone_within

from runner.core import events as ev
from runner.runs import engine_alive

Begin = Callable[[Sequence[str]], Desk]


@pytest.fixture
def viewer(run: Watched, desk: Begin, pilot_words: list[str]) -> Desk:
    """A dashboard on the run, drawn."""
    found = desk([*pilot_words, "attach", run.dir.name])
    found.until("of 4000 tasks")
    return found


@pytest.fixture(autouse=True)
def _unharmed(run: Watched):
    """Whatever befell the viewer: one engine, which goes on, and nothing but passed attempts."""
    yield
    assert engine_alive(run.dir)
    done = len(run.state().done)
    wait_for(lambda: len(run.state().done) > done)
    assert {(e.outcome, e.cause, e.error) for e in run.of(ev.AttemptEnded)} == {("passed", "", "")}
    assert len(run.of(ev.EngineStarted)) == 1


def test_it_leaves_within_a_second_when_the_terminal_is_gone(viewer: Desk):
    viewer.hang_up()
    took_s, _ = gone_within(viewer.process.pid, 10)
    assert took_s < 1.0


def test_it_leaves_though_hang_ups_are_ignored(run: Watched, desk: Begin, pilot_words: list[str]):
    found = desk(["sh", "-c", 'trap "" HUP; exec "$@"', "sh", *pilot_words, "attach", "steady"])
    found.until("of 4000 tasks")
    found.hang_up()
    took_s, _ = gone_within(found.process.pid, 10)
    assert took_s < 1.0


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT])
def test_a_signal_leaves_the_terminal_as_it_was(viewer: Desk, number: signal.Signals):
    assert viewer.attributes_now() != viewer.attributes
    viewer.process.send_signal(number)
    code = viewer.process.wait(5)
    assert code == 128 + number, bytes(viewer.raw[-700:])
    viewer.until("the run goes on; watch it: pilot-tui attach steady")
    assert viewer.attributes_now() == viewer.attributes
    drawn = bytes(viewer.raw)
    for on, off in ((b"?1049h", b"?1049l"), (b"?1000h", b"?1000l"), (b"?25l", b"?25h")):
        assert drawn.rindex(off) > drawn.rindex(on), off


def test_a_terminal_that_nobody_reads_costs_nothing_and_a_signal_still_ends_it(viewer: Desk):
    viewer.stop_reading()
    pid = viewer.process.pid
    began, before = time.monotonic(), cpu_s(pid) or 0.0
    wait_for(lambda: time.monotonic() - began > 5.0)
    used = ((cpu_s(pid) or 0.0) - before) / (time.monotonic() - began)
    assert used < 0.05 + 0.03, f"{used:.1%} of a core"
    viewer.process.send_signal(signal.SIGTERM)
    took_s, _ = gone_within(pid, 10)
    assert took_s < 2.5
    assert viewer.attributes_now() == viewer.attributes
