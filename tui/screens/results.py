"""Screen 3: results, found and sorted by polars in the source's thread; 100,000 rows do not lag."""

import time
from typing import TYPE_CHECKING, ClassVar, Final

from textual.binding import Binding, BindingType

from tui.actions import Actions
from tui.keys import BY_ID, Place
from tui.runview import RunView
from tui.screens.listing import ListScreen
from tui.view.line import Line
from tui.view.pages.results import BY, COLUMNS, ResultRows, result_detail

if TYPE_CHECKING:  # polars takes a quarter of a second to load, which the screen must not wait for
    from runner import ResultList

EVERY_S: Final = 2.0
"""Rows are read again at most this often while they grow."""


class ResultsScreen(ListScreen):
    """A line a task, its result; ``a`` lists all attempts instead."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(BY_ID["retry"].keys, "retry", show=False, id="retry"),
        Binding(BY_ID["attempts"].keys, "attempts", show=False, id="attempts"),
    ]

    columns = COLUMNS
    by = BY
    title_words: ClassVar[str] = "results"
    empty_words: ClassVar[str] = "none saved yet"
    detail_lines: ClassVar[int] = 3
    places: ClassVar[tuple[Place, ...]] = ("all", "table", "results")

    def __init__(self, view: RunView, act: Actions) -> None:
        super().__init__(view, act)
        self._attempts = False
        self._all: ResultList | None = None
        self._read: tuple[object, ...] = ()
        self._read_at = 0.0
        self._shown: ResultRows | None = None
        self._listed: tuple[object, ...] = ()

    def renew(self) -> None:
        """Read rows that were saved since, and make the list that is asked for.

        A replay lists as many rows as had been saved by then.
        """
        saved = self.view.state.rows.written
        replayed = self.view.kind == "replay"
        source = (saved, replayed, self._attempts)
        another = source[1:] != self._read[1:]
        due = replayed or time.monotonic() - self._read_at >= EVERY_S
        fresh = self._all is None or another or (due and source != self._read)
        wanted = (self.look_for, self.table.order)
        if not fresh and wanted == self._listed:
            return
        run_dir, attempts, known = self.view.run_dir, self._attempts, self._all
        place, backwards, _ = self.table.order
        column = BY[place] if place >= 0 else ""

        def job() -> "tuple[ResultList, ResultList]":
            from runner import result_list

            rows = known
            if fresh or rows is None:
                rows = result_list(run_dir, attempts=attempts, rows=saved if replayed else None)
            return rows, rows.select(wanted[0], column, descending=backwards)

        def arrived(value: "tuple[ResultList, ResultList]") -> None:
            self._all, found = value
            self._listed = wanted
            if fresh:
                self._read, self._read_at = source, time.monotonic()
            self._shown = ResultRows(found)
            self.table.show(self._shown)
            self.call_later(self.renew)  # something else may have been asked for meanwhile

        self.read(job, arrived)

    def relist(self) -> None:
        """Another filter or order is another list, made in the reading thread as well."""
        self.renew()

    def right_words(self) -> str:
        """What is listed."""
        return "all attempts (a)" if self._attempts else "one a task (a: all attempts)"

    def detail(self, place: int, cells: int) -> list[Line]:
        """More about the one under the pointer."""
        return result_detail(self._shown.at(place), cells) if self._shown else []

    def open_row(self, place: int) -> None:
        """Its transcript."""
        if self._shown is not None:
            self.act.open_attempt(self._shown.at(place).attempt_id)

    def action_attempts(self) -> None:
        """All attempts, or one line a task."""
        self._attempts = not self._attempts
        self.renew()

    def action_retry(self) -> None:
        """Run the task again, after asking."""
        if self.table.selected >= 0 and self._shown is not None:
            self.act.retry_tasks([self._shown.at(self.table.selected).task_id])
