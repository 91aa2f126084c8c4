"""Screen 3: results, found and sorted by polars in the source's thread; 100,000 rows do not lag."""

from typing import ClassVar, Final

from textual.binding import Binding, BindingType

from runner import ResultList, result_list
from tui.actions import Actions
from tui.keys import BY_ID, Place
from tui.runview import RunView
from tui.screens.listing import ListScreen
from tui.view.line import Line
from tui.view.pages.results import COLUMNS, SORTS, ResultRows, result_detail

EVERY_S: Final = 2.0
"""Rows are read again at most this often while they grow."""


class ResultsScreen(ListScreen):
    """A line a task, its result; ``a`` lists all attempts instead."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(BY_ID["retry"].keys, "retry", show=False, id="retry"),
        Binding(BY_ID["attempts"].keys, "attempts", show=False, id="attempts"),
    ]

    columns = COLUMNS
    title_words: ClassVar[str] = "results"
    empty_words: ClassVar[str] = "none saved yet"
    detail_lines: ClassVar[int] = 3
    places: ClassVar[tuple[Place, ...]] = ("all", "table", "results")

    def __init__(self, view: RunView, act: Actions) -> None:
        super().__init__(view, act)
        self._sort = 0
        self._attempts = False
        self._all: ResultList | None = None
        self._read_rows = -1
        self._read_at = 0.0
        self._shown: ResultRows | None = None
        self._asked: tuple[object, ...] = ()

    def renew(self) -> None:
        """Read rows that were saved since, and make the list that is asked for."""
        written = self.view.state.rows.written
        stale = written != self._read_rows and self.view.now - self._read_at >= EVERY_S
        asked = (self.look_for, self._sort, self._attempts)
        if self._all is not None and not stale and asked == self._asked:
            return
        column, _, descending = SORTS[self._sort]
        run_dir, attempts, text = self.view.run_dir, self._attempts, self.look_for
        fresh = self._all is None or stale or attempts != self._asked[2]
        known = self._all

        def job() -> tuple[ResultList, ResultList]:
            rows = result_list(run_dir, attempts=attempts) if fresh or known is None else known
            return rows, rows.select(text, column, descending=descending)

        def arrived(value: tuple[ResultList, ResultList]) -> None:
            self._all, found = value
            self._asked = asked
            if fresh:
                self._read_rows, self._read_at = written, self.view.now
            self._shown = ResultRows(found, backwards=not column and descending)
            self.table.show(self._shown)
            self.call_later(self.renew)  # something else may have been asked for meanwhile

        self.read(job, arrived)

    def right_words(self) -> str:
        """The order, and what is listed."""
        what = "all attempts (a)" if self._attempts else "one a task (a: all attempts)"
        return f"{what}   order: {SORTS[self._sort][1]} <- ->"

    def detail(self, place: int, cells: int) -> list[Line]:
        """More about the one under the pointer."""
        return result_detail(self._shown.at(place), cells) if self._shown else []

    def open_row(self, place: int) -> None:
        """Its transcript."""
        if self._shown is not None:
            self.act.open_attempt(self._shown.at(place).attempt_id)

    def action_sort(self, way: int) -> None:
        """Another order."""
        self._sort = (self._sort + way) % len(SORTS)
        self.renew()

    def action_attempts(self) -> None:
        """All attempts, or one line a task."""
        self._attempts = not self._attempts
        self.renew()

    def action_retry(self) -> None:
        """Run the task again, after asking."""
        if self.table.selected >= 0 and self._shown is not None:
            self.act.retry_tasks([self._shown.at(self.table.selected).task_id])
