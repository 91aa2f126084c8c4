"""Screen 5: every error and everything that was put aside, grouped by cause."""

from typing import ClassVar

from runner import Mishap, Mishaps
from tui.actions import Actions
from tui.runview import RunView
from tui.screens.listing import ListScreen
from tui.view.line import Line
from tui.view.pages.errors import BY, COLUMNS, error_cells, error_detail, matches
from tui.view.table import ListOf


class ErrorsScreen(ListScreen):
    """Causes, most frequent first. Enter opens the last attempt that was hit."""

    columns = COLUMNS
    by = BY
    title_words: ClassVar[str] = "errors"
    empty_words: ClassVar[str] = "none so far"
    detail_lines: ClassVar[int] = 3

    def __init__(self, view: RunView, act: Actions) -> None:
        super().__init__(view, act)
        self._source = Mishaps(view.run_dir)
        self._all: list[Mishap] = []
        self._found: list[Mishap] = []

    def renew(self) -> None:
        """Read what is new in the log; in a replay what had happened by then."""
        until = self.view.now if self.view.kind == "replay" else None
        self.read(lambda: self._source.refresh(until), self._arrived)

    def _arrived(self, found: list[Mishap]) -> None:
        self._all = found
        self.relist()

    def relist(self) -> None:
        """Those that were asked for, in the order asked for."""
        self._found = self.in_order([item for item in self._all if matches(item, self.look_for)])
        self.table.show(ListOf([error_cells(item) for item in self._found]))
        self.redraw()

    def detail(self, place: int, cells: int) -> list[Line]:
        """The last one's own words."""
        return error_detail(self._found[place], cells) if place < len(self._found) else []

    def open_row(self, place: int) -> None:
        """The last attempt of that cause."""
        if self._found[place].attempts:
            self.act.open_attempt(self._found[place].attempts[-1])
