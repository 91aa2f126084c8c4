"""Screen 4: what went wrong, as episodes; enter replays one from ten seconds before it."""

from typing import ClassVar

from runner import History, Incident
from tui.actions import Actions
from tui.runview import RunView
from tui.screens.listing import ListScreen
from tui.view.line import Line
from tui.view.pages.incidents import COLUMNS, LEAD_S, incident_cells, incident_detail, matches
from tui.view.table import ListOf


class IncidentsScreen(ListScreen):
    """Episodes, newest first."""

    columns = COLUMNS
    title_words: ClassVar[str] = "incidents"
    empty_words: ClassVar[str] = "none so far"
    detail_lines: ClassVar[int] = 4

    def __init__(self, view: RunView, act: Actions) -> None:
        super().__init__(view, act)
        self._history = History(view.run_dir)
        self._found: list[Incident] = []

    def renew(self) -> None:
        """Read what is new in the log."""
        self.read(lambda: self._history.refresh().incidents(), self._arrived)

    def _arrived(self, found: list[Incident]) -> None:
        self._found = [item for item in reversed(found) if matches(item, self.look_for)]
        self.table.show(ListOf([incident_cells(item) for item in self._found]))

    def detail(self, place: int, cells: int) -> list[Line]:
        """The whole sentence."""
        return incident_detail(self._found[place], cells) if place < len(self._found) else []

    def open_row(self, place: int) -> None:
        """Replay it."""
        self.act.replay(self._found[place].began_at - LEAD_S)
