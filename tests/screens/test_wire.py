"""The terminal shows what a full redraw would show, whatever the way there.

pyte is the terminal: it gets our bytes after any sequence of updates, resizes and skipped frames,
and a second one gets Textual's own full redraw of the last state.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pyte
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from rig import StillSource, themes, whole_frame
from scene import fleet_log, view_of
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.drivers.headless_driver import HeadlessDriver
from textual.geometry import Region
from textual.strip import Strip

from tui.app import PilotApp
from tui.cells import CellDiff
from tui.options import Options

STYLES = [
    Style(),
    Style(color="#112233"),
    Style(color="#aabbcc", bgcolor="#445566", bold=True),
    Style(bgcolor="red", italic=True),
    Style(color="bright_blue", underline=True, reverse=True),
]
WORDS = st.text(alphabet="ab #│●中文é", min_size=1, max_size=6)
PIECES = st.lists(st.tuples(WORDS, st.sampled_from(STYLES)), min_size=1, max_size=5)


def cells(screen: pyte.Screen) -> list[list[tuple[Any, ...]]]:
    """What each cell shows. Of a blank nothing is seen but its ground and what is drawn on that."""
    found = []
    for y in range(screen.lines):
        row = []
        for x in range(screen.columns):
            char = screen.buffer[y][x]
            drawn = char.underscore, char.strikethrough, char.reverse
            ink = (char.fg, char.bold, char.italics) if char.data.strip() or any(drawn) else ()
            row.append((char.data, char.bg, drawn, ink))
        found.append(row)
    return found


def line_of(pieces: list[tuple[str, Style]], columns: int) -> Strip:
    strip = Strip([Segment(text, style) for text, style in pieces])
    return strip.adjust_cell_length(columns, Style(bgcolor="#000000"))


@dataclass
class Model:
    """The lines that the screen ought to show."""

    columns: int
    lines: list[Strip] = field(default_factory=list)

    def whole(self) -> LayoutUpdate:
        region = Region(0, 0, self.columns, len(self.lines))
        return LayoutUpdate([[line] for line in self.lines], region)

    def part(self, ys: set[int]) -> ChopsUpdate:
        chops = [{0: line} for line in self.lines]
        ends = [[self.columns] for _ in self.lines]
        return ChopsUpdate(chops, [(y, 0, self.columns) for y in sorted(ys)], ends)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("line"), st.integers(0, 7), PIECES),
        st.tuples(st.just("skip"), st.integers(0, 7), PIECES),
        st.tuples(st.just("whole"), st.integers(0, 7), PIECES),
        st.tuples(st.just("size"), st.integers(6, 24), PIECES),
        st.tuples(st.just("forget"), st.integers(0, 7), PIECES),
    ),
    min_size=1,
    max_size=25,
)


@given(steps=STEPS, lines=st.integers(2, 8))
@settings(max_examples=150)
def test_any_way_leads_to_what_a_full_redraw_shows(
    steps: list[tuple[str, int, list[tuple[str, Style]]]], lines: int
) -> None:
    columns = 20
    model = Model(columns, [line_of([("x", STYLES[1])], columns) for _ in range(lines)])
    terminal = pyte.Screen(columns, lines)
    stream = pyte.Stream(terminal)
    diff = CellDiff()
    stream.feed(diff.encode(model.whole(), (columns, lines)))
    owed = False
    for what, number, pieces in steps:
        if what == "size":
            columns = number
            model = Model(columns, [line.adjust_cell_length(columns) for line in model.lines])
            terminal.resize(lines, columns)
            diff.forget()  # as the app does: smaller and back again between two frames loses cells
            owed = True
            continue
        if what == "forget":
            terminal.reset()
            diff.forget()
            owed = True
            continue
        y = number % lines
        model.lines[y] = line_of(pieces, columns)
        if what == "skip":
            owed = True
            continue
        update = model.whole() if owed or what == "whole" else model.part({y})
        owed = False
        stream.feed(diff.encode(update, (columns, lines)))
    stream.feed(diff.encode(model.whole(), (columns, lines)))

    expected = pyte.Screen(columns, lines)
    console = Console(force_terminal=True, color_system="truecolor", width=columns)
    pyte.Stream(expected).feed(model.whole().render_segments(console).replace("\n", "\r\n"))
    assert cells(terminal) == cells(expected)


def test_what_is_shown_already_costs_nothing() -> None:
    model = Model(20, [line_of([("same", STYLES[2])], 20)])
    diff = CellDiff()
    assert diff.encode(model.whole(), (20, 1)) != ""
    assert diff.encode(model.whole(), (20, 1)) == ""


def test_one_changed_digit_costs_few_bytes() -> None:
    diff = CellDiff()
    diff.encode(Model(120, [line_of([("age 41s " * 15, STYLES[1])], 120)]).whole(), (120, 1))
    text = "age 41s " * 14 + "age 42s "
    data = diff.encode(Model(120, [line_of([(text, STYLES[1])], 120)]).whole(), (120, 1))
    assert "2" in data
    assert len(data) < 45


class Terminal(HeadlessDriver):
    """A driver that keeps what is written, and can be too slow to take more."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.written: list[str] = []
        self.slow = False
        self._writer_thread = self
        self._queue = self

    @property
    def is_headless(self) -> bool:
        return False

    def empty(self) -> bool:
        return not self.slow

    def write(self, data: str) -> None:
        self.written.append(data)

    def flush(self) -> None: ...


class TerminalApp(PilotApp):
    """Our app, writing to `Terminal` instead of a tty."""

    @property
    def terminal(self) -> Terminal:
        assert isinstance(self._driver, Terminal)
        return self._driver


def feed(stream: pyte.Stream, app: TerminalApp) -> int:
    data = "".join(app.terminal.written)
    app.terminal.written.clear()
    stream.feed(data)
    return len(data.encode())


def full(app: TerminalApp, size: tuple[int, int]) -> list[list[tuple[Any, ...]]]:
    screen = pyte.Screen(*size)
    update = whole_frame(app)
    data = update.render_segments(app.console)
    pyte.Stream(screen).feed(data.replace("\n", "\r\n"))
    return cells(screen)


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
def test_whole_app_over_keys_slow_terminal_and_time(size: tuple[int, int]) -> None:
    async def run() -> None:
        view = view_of(fleet_log())
        source = StillSource(view)
        app = TerminalApp(view, source, Options(themes=themes()))
        app.driver_class = Terminal
        terminal = pyte.Screen(*size)
        stream = pyte.Stream(terminal)
        async with app.run_test(headless=False, size=size) as pilot:
            await pilot.pause()
            feed(stream, app)
            assert cells(terminal) == full(app, size)
            for key in ("n", "x", "escape", "v", "v", "t", "question_mark", "escape", "v", "v"):
                await pilot.press(key)
                view.now += 1.0
                app.frame()
                await pilot.pause()
                feed(stream, app)
                assert cells(terminal) == full(app, size), key
            app.terminal.slow = True
            for _ in range(5):
                view.now += 3.0
                app.frame()
                await pilot.press("n")
                await pilot.pause()
            assert app.terminal.written == [], "nothing is written to a terminal that is behind"
            assert app.frames_skipped >= 5
            app.terminal.slow = False
            app.wire_catch_up()
            feed(stream, app)
            assert cells(terminal) == full(app, size)

    asyncio.run(run())


def test_a_second_of_100_workers_costs_less_than_4_kb() -> None:
    async def run() -> int:
        view = view_of(fleet_log())
        app = TerminalApp(view, StillSource(view), Options(themes=themes()))
        app.driver_class = Terminal
        stream = pyte.Stream(pyte.Screen(120, 40))
        async with app.run_test(headless=False, size=(120, 40)) as pilot:
            await pilot.pause()
            feed(stream, app)
            for _ in range(5):
                view.now += 1.0
                for worker in view.state.workers[1::4]:
                    worker.progress_at = view.now
                    worker.turn += 1
                    worker.latencies = [*worker.latencies, 3.3]
                app.frame()
                await pilot.pause()
            return feed(stream, app)

    assert asyncio.run(run()) / 5 < 4096
