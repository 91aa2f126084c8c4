"""Screen 4: what went wrong, as episodes; enter replays one from ten seconds before it."""

from typing import ClassVar

from runner import Incident, IncidentsUntil
from tui.actions import Actions
from tui.runview import RunView
from tui.screens.listing import ListScreen
from tui.view.line import Line
from tui.view.pages.incidents import BY, COLUMNS, LEAD_S, incident_cells, incident_detail, matches
from tui.view.table import ListOf


class IncidentsScreen(ListScreen):
    """Episodes, newest first."""

    columns = COLUMNS
    by = BY
    title_words: ClassVar[str] = "incidents"
    empty_words: ClassVar[str] = "none so far"
    detail_lines: ClassVar[int] = 4

    def __init__(self, view: RunView, act: Actions) -> None:
        super().__init__(view, act)
        self._past = IncidentsUntil(view.run_dir)
        self._all: list[Incident] = []
        self._found: list[Incident] = []

    def renew(self) -> None:
        """Read what is new in the log; in a replay what was known by then."""
        until = self.view.now if self.view.kind == "replay" else None
        self.read(lambda: self._past.at(until), self._arrived)

    def _arrived(self, found: list[Incident]) -> None:
        self._all = found[::-1]
        self.relist()

    def relist(self) -> None:
        """Those that were asked for, in the order asked for."""
        self._found = self.in_order([item for item in self._all if matches(item, self.look_for)])
        self.table.show(ListOf([incident_cells(item) for item in self._found]))
        self.redraw()

    def detail(self, place: int, cells: int) -> list[Line]:
        """The whole sentence."""
        return incident_detail(self._found[place], cells) if place < len(self._found) else []

    def open_row(self, place: int) -> None:
        """Replay it, on the fleet: this list would not know of it yet."""
        self.act.replay(self._found[place].began_at - LEAD_S)
        self.act.open_screen("1")
