"""Screen 6: what came out: success as a heat table, time taken, outcomes over the run."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from tui.actions import Actions
from tui.keys import BY_ID
from tui.runview import RunView
from tui.screens.base import PageScreen
from tui.screens.some import Some
from tui.view.header import verdict_line
from tui.view.line import DIM, HI, Ink, Line, rule
from tui.view.pages.report import report_lines
from tui.view.words import until_words
from tui.widgets.footer import Footer
from tui.widgets.lines import Clicked, painter
from tui.widgets.replaybar import ReplayBar
from tui.widgets.scroll import ScrollLines

if TYPE_CHECKING:  # polars takes a quarter of a second to load, which the screen must not wait for
    from runner import Figures, Format

LOOK_S: Final = 1.0
EVERY_S: Final = 5.0
"""Of a live run the figures are made anew at most this often."""


class ReportScreen(PageScreen):
    """One page to be scrolled; ``y`` copies the groups as Markdown."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "scroll(-1)", show=False),
        Binding("down", "scroll(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("home", "edge(0)", show=False),
        Binding("end", "edge(1)", show=False),
        Binding(BY_ID["copy"].keys, "copy", show=False, id="copy"),
        Binding(BY_ID["copy_csv"].keys, "copy_csv", show=False, id="copy_csv"),
        Binding("escape", "back", show=False),
    ]

    def __init__(self, view: RunView, act: Actions) -> None:
        super().__init__(view, act)
        self._found: Figures | None = None
        self._read_rows: int | None = None
        self._read_at = 0.0
        self._reading = False
        self._problem = ""
        self._kept: tuple[object, Sequence[Line]] = ((), ())
        self._head = Some("head", self._draw_head, 2)
        self._page = ScrollLines("page", self._make)
        self._page.following = False
        self._bar = ReplayBar(view)
        self._footer = Footer(view, ("all", "report"))

    def compose(self) -> ComposeResult:
        """Heading and page."""
        yield self._head
        yield self._page
        yield self._bar
        yield self._footer

    def on_mount(self) -> None:
        """Read, and again now and then while results come in."""
        self.renew()
        self.set_interval(LOOK_S, self.renew)

    def renew(self) -> None:
        """Make the figures of what is saved by now; in a replay of what was by then."""
        rows = self._rows()
        if rows is None:
            due = time.monotonic() - self._read_at >= EVERY_S
        else:
            due = rows != self._read_rows
        if self._reading or not (due or self._found is None):
            return
        self._reading = True
        run_dir = self.view.run_dir

        def arrived(found: "Figures | None", error: str) -> None:
            self._reading = False
            self._problem = error
            if found is not None:
                self._found, self._read_rows = found, rows
                self._read_at = time.monotonic()
            if self.is_attached:
                self.redraw()

        def read() -> "Figures":
            from runner import figures

            return figures(run_dir, rows=rows)

        self.act.fetch(read, arrived)

    def _rows(self) -> int | None:
        """Rows that a replay knows of; None in a live run, which takes what there is."""
        return self.view.state.rows.written if self.view.kind == "replay" else None

    def redraw(self) -> None:
        """Draw what changed."""
        for widget in (self._head, self._page, self._bar, self._footer):
            if widget.is_attached:
                widget.redraw()

    def _draw_head(self, width: int, _height: int) -> list[Line]:
        tasks = self._found.tasks if self._found else 0
        title = Line().add("REPORT ", HI).add(f"{tasks} tasks with a result", DIM)
        if self._problem:
            title.add(f"   {self._problem}", Ink("stuck"))
        until = until_words(self.view)
        if until:
            title.add(f"   {until}", Ink("accent"))
        right = Line().add("y copy Markdown   c copy CSV", DIM)
        head = rule(title, width, painter(self).glyphs.dash, right)
        return [verdict_line(self.view, width).fit(width), head]

    def _make(self, width: int) -> Sequence[Line]:
        if self._found is None:
            return [Line().add("  reading the results", DIM).fit(width)]
        key = (id(self._found), width)
        if self._kept[0] != key:
            self._kept = (key, report_lines(self._found, painter(self).glyphs, width))
        return self._kept[1]

    # -- keys

    def action_copy(self) -> None:
        """The groups as Markdown to the terminal's clipboard."""
        self._copy("md")

    def action_copy_csv(self) -> None:
        """The groups as CSV."""
        self._copy("csv")

    def _copy(self, form: "Format") -> None:
        run_dir, rows = self.view.run_dir, self._rows()

        def arrived(text: str | None, error: str) -> None:
            if text is None:
                self.act.say(error)
            else:
                self.copy(text)
                self.act.say(f"copied: {len(text.splitlines())} lines")

        def write() -> str:
            from runner import results, summary, summary_text

            return summary_text(summary(results(run_dir, rows=rows)), form)

        self.act.fetch(write, arrived)

    def action_back(self) -> None:
        """Leave."""
        self.dismiss()

    def on_clicked(self, message: Clicked) -> None:
        """Keys in the footer, marks of a replay."""
        message.stop()
        kind, _, value = message.target.partition(":")
        if kind == "seek":
            self.act.play("seek", float(value))
        else:
            self.press(value or kind)
