"""Screen L: limits in force, from the plan, changed when and by whom; enter changes one."""

from typing import ClassVar

from runner import Plan, ev, events_named
from tui.actions import Actions
from tui.runview import RunView
from tui.screens.listing import ListScreen
from tui.view.line import Line
from tui.view.pages.limits import (
    BY,
    COLUMNS,
    Limit,
    limit_cells,
    limit_detail,
    limits_in_force,
    matches,
)
from tui.view.table import ListOf, Rows


class LimitsScreen(ListScreen):
    """Keys of the plan that limit something."""

    columns = COLUMNS
    by = BY
    title_words: ClassVar[str] = "limits"
    detail_lines: ClassVar[int] = 2

    def __init__(self, view: RunView, act: Actions) -> None:
        super().__init__(view, act)
        self._first: Plan | None = None
        self._changes: list[ev.PlanChanged] = []

    def renew(self) -> None:
        """Who changed what stands in the log only."""
        run_dir = self.view.run_dir
        names = ("EngineStarted", "PlanChanged")
        self.read(lambda: events_named(run_dir, names), self._arrived)

    def _arrived(self, found: list[ev.Event]) -> None:
        starts = [event for event in found if isinstance(event, ev.EngineStarted)]
        self._first = starts[0].plan if starts else None
        changes = [event for event in found if isinstance(event, ev.PlanChanged)]
        replayed = self.view.kind == "replay"
        self._changes = [item for item in changes if not replayed or item.at <= self.view.now]

    def _found(self) -> list[Limit]:
        found = limits_in_force(self.view.state.plan, self._first, self._changes)
        return self.in_order([item for item in found if matches(item, self.look_for)])

    def rows(self) -> Rows:
        """All keys, or those that were asked for."""
        return ListOf([limit_cells(item) for item in self._found()])

    def detail(self, place: int, cells: int) -> list[Line]:
        """What it does."""
        found = self._found()
        if place >= len(found):
            return []
        return limit_detail(found[place], cells, acting=self.view.acting)

    def open_row(self, place: int) -> None:
        """Ask for another value."""
        item = self._found()[place]
        self.act.change(item.key, item.value)
