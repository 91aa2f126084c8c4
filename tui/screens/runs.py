"""Screen 0, and the first one of ``pilot-tui`` without a command: the user's runs."""

from typing import ClassVar

from runner import Glance, glances
from tui.actions import Actions
from tui.runview import RunView
from tui.screens.listing import ListScreen
from tui.view.line import Line
from tui.view.pages.runs import BY, COLUMNS, matches, run_cells, run_detail
from tui.view.table import ListOf


class RunsScreen(ListScreen):
    """Runs of this user, live first. Enter attaches to a live one and replays the others."""

    columns = COLUMNS
    by = BY
    title_words: ClassVar[str] = "runs"
    empty_words: ClassVar[str] = "no run yet: pilot-tui demo makes one"
    detail_lines: ClassVar[int] = 2
    has_verdict: ClassVar[bool] = False  # of many runs there is none

    def __init__(self, view: RunView, act: Actions) -> None:
        super().__init__(view, act)
        self._folder = view.run_dir if view.kind == "home" else view.run_dir.parent
        self._all: list[Glance] = []
        self._found: list[Glance] = []

    def renew(self) -> None:
        """Look at all of them."""
        self.read(lambda: glances(self._folder), self._arrived)

    def _arrived(self, found: list[Glance]) -> None:
        self._all = found
        self.relist()

    def relist(self) -> None:
        """Those that were asked for, in the order asked for."""
        self._found = self.in_order([item for item in self._all if matches(item, self.look_for)])
        self.table.show(ListOf([run_cells(item) for item in self._found]))
        self.redraw()

    def detail(self, place: int, cells: int) -> list[Line]:
        """Where it lies."""
        return run_detail(self._found[place], cells) if place < len(self._found) else []

    def action_back(self) -> None:
        """Take the filter away; at home there is nothing below, so it leaves the program."""
        if self.view.kind == "home" and not self.look_for:
            self.press("leave")
        else:
            super().action_back()

    def open_row(self, place: int) -> None:
        """Watch that run."""
        self.act.open_run(self._found[place].info.run_dir)
