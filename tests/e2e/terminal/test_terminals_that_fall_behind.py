"""A terminal that stops reading, or is dragged about: the viewer lives on, the run notices nothing.

What is on the terminal afterwards is compared with a redraw of everything, by a terminal emulator.
"""

import random
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.running import Project, Watched, checked, wait_for
from support.viewer import Desk, cpu_s
from textual.drivers._writer_thread import MAX_QUEUED_WRITES as FRAMES_QUEUED

from tui.cells import RESET

FROZEN_S = 5.0
LOOK_S = 0.6
"""Between two looks at the viewer's loop, which turns at least twice in this time."""
REDRAW = "\x0c"
HELP = "the mouse works for all of this"
STORM_S = 2.0
RESIZES = 200

pytestmark = pytest.mark.timeout(90)
Cells = list[list[tuple[object, ...]]]


@pytest.fixture
def desk() -> Iterator[Callable[[Watched], Desk]]:
    """Opens a terminal with a viewer on a run."""
    opened: list[Desk] = []

    def attach(run: Watched) -> Desk:
        opened.append(Desk([sys.executable, "-m", "tui", "attach", str(run.dir)]))
        return opened[-1]

    yield attach
    for found in opened:
        found.close()


def loop_turns(pid: int) -> int:
    """How often the main thread went to sleep of itself: it grows while the event loop turns."""
    status = Path(f"/proc/{pid}/task/{pid}/status").read_text()
    return int(status.rsplit("voluntary_ctxt_switches:", 2)[1].split()[0])


def rss_bytes(pid: int) -> int:
    return 1024 * int(Path(f"/proc/{pid}/status").read_text().split("VmRSS:")[1].split()[0])


def still(cells: Cells) -> list[list[object]]:
    """Cells without their digits: ages count on while one looks."""
    return [[("0", *c[1:]) if re.match(r"\d", str(c[0])) else c for c in row] for row in cells]


def as_redrawn(desk: Desk) -> None:
    """What is shown is what a redraw of everything shows."""

    def compared() -> bool:
        shown, seen = still(desk.cells()), len(desk.raw)

        def drawn() -> bool:
            """A whole frame: from the first cell down to the bottom line, and its end."""
            data = bytes(desk.raw[seen:])
            top = data.find(b"\x1b[1;1H")
            bottom = data.find(b"\x1b[%d;1H" % len(shown), top)
            return 0 <= top < bottom and RESET.encode() in data[bottom:]

        desk.press(REDRAW)
        wait_for(drawn)
        return still(desk.cells()) == shown

    # A frame may be under way, and a minute may turn over between the two: 59s becomes 1m00s.
    assert any(compared() for _ in range(3))


def test_a_reader_that_stops_holds_up_neither_viewer_nor_run(
    project: Project, desk: Callable[[Watched], Desk]
) -> None:
    plan = project.write(tasks=16, workers=4, script='default = "ok,latency=0.4"')
    run = project.launch(plan)
    terminal = desk(run)
    terminal.until("RUNNING")
    pid = terminal.process.pid
    terminal.stop_reading()
    for _ in range(FRAMES_QUEUED + 10):  # more than the kernel and Textual's writer thread hold
        terminal.press(REDRAW)
        time.sleep(0.05)
    used, rss = cpu_s(pid) or 0.0, rss_bytes(pid)
    until = time.monotonic() + FROZEN_S
    while time.monotonic() < until:
        turns = loop_turns(pid)
        wait_for(lambda turns=turns: loop_turns(pid) > turns)  # else the viewer's loop stands still
        time.sleep(LOOK_S)
    assert (cpu_s(pid) or 0.0) - used < 0.5 * FROZEN_S, "it spins"
    assert rss_bytes(pid) - rss < 10_000_000, "what is not read piles up"
    assert run.ended().rows.written == 16
    checked(run)
    terminal.read_again()
    terminal.until("FINISHED")
    as_redrawn(terminal)


def test_a_storm_of_resizes_ends_in_the_right_picture(
    project: Project, desk: Callable[[Watched], Desk]
) -> None:
    plan = project.write(tasks=3, workers=3, script='default = "silent"', limits="first_byte = 60")
    run = project.launch(plan)
    terminal = desk(run)
    terminal.until("3 STUCK")
    sizes = random.Random(7)
    for _ in range(RESIZES):
        terminal.resize(sizes.randrange(30, 220), sizes.randrange(8, 70))
        time.sleep(STORM_S / RESIZES)
    terminal.resize(100, 30)
    wait_for(lambda: "q leave" in terminal.text().splitlines()[-1])
    terminal.press("?")
    terminal.until(HELP)
    terminal.press("\x1b")
    wait_for(lambda: "3 STUCK" in terminal.text() and HELP not in terminal.text())
    as_redrawn(terminal)
