"""Screen 2: models and the endpoints that answer for them."""

from typing import ClassVar

from textual.binding import Binding, BindingType

from runner import EndpointState
from tui.keys import KEYS, Place
from tui.screens.listing import ListScreen
from tui.view.endpoints import shown_endpoints
from tui.view.line import Line
from tui.view.pages.endpoints import BY, COLUMNS, endpoint_cells, endpoint_detail
from tui.view.table import ListOf, Rows


class EndpointsScreen(ListScreen):
    """A line per model and deployment; drawn from the state, so it is never older than that."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(key.keys, key.id, key.word, show=False, id=key.id)
        for key in KEYS
        if key.place == "endpoints"
    ]

    columns = COLUMNS
    by = BY
    title_words: ClassVar[str] = "endpoints"
    detail_lines: ClassVar[int] = 5
    places: ClassVar[tuple[Place, ...]] = ("all", "table", "endpoints")

    def _found(self) -> list[EndpointState]:
        words = self.look_for.lower()
        found = [
            (self.view, item)
            for item in shown_endpoints(self.view)
            if words in f"{item.model} {item.endpoint} {item.deployment}".lower()
        ]
        return [item for _, item in self.in_order(found)]

    def rows(self) -> Rows:
        """All of them, or those that were asked for."""
        return ListOf([endpoint_cells(self.view, item) for item in self._found()])

    def detail(self, place: int, cells: int) -> list[Line]:
        """More about the one under the pointer."""
        found = self._found()
        return endpoint_detail(self.view, found[place], cells) if place < len(found) else []

    def open_row(self, place: int) -> None:
        """The fleet, with only the workers of that model."""
        self.act.show_model(self._found()[place].model)

    def action_rest(self) -> None:
        """Start no new tasks on the one under the pointer, or start them again."""
        if (item := self._pointed()) is not None:
            self.act.rest(item)

    def action_change(self) -> None:
        """Ask for another qps, limit or number of workers of the one under the pointer."""
        if (item := self._pointed()) is not None:
            self.act.change_endpoint(item)

    def _pointed(self) -> EndpointState | None:
        found = self._found()
        return found[self.table.selected] if 0 <= self.table.selected < len(found) else None
