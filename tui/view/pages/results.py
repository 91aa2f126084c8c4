"""Results: a line a task, found and sorted among as many as there are."""

from collections.abc import Sequence
from typing import Final

from runner import ResultList, ResultRow, count, duration, latency
from tui.text import clock, plain
from tui.view.line import DIM, HI, TEXT, Ink, Line
from tui.view.table import Cell, Column, cell

COLUMNS: Final = (
    Column("outcome", 10),
    Column("cause", 20, drop=2),
    Column("task", 0),
    Column("model", 20, drop=1),
    Column("score", 5, "right", drop=3),
    Column("turns", 5, "right", drop=4),
    Column("took", 7, "right"),
    Column("tokens", 8, "right", drop=6),
    Column("cost", 7, "right", drop=7),
    Column("ended", 8, "right", drop=5),
)
SORTS: Final[tuple[tuple[str, str, bool], ...]] = (
    ("", "as saved", False),
    ("", "newest", True),
    ("outcome", "outcome", False),
    ("elapsed_s", "slowest", True),
    ("turns", "most turns", True),
    ("tokens_in", "most tokens", True),
    ("cost", "dearest", True),
    ("model", "model", False),
    ("task_id", "task", False),
)
"""(column, words, descending)."""
_SCORED: Final = ("passed", "partial", "failed")


class ResultRows:
    """Rows of a list as the screen wants them; made when they come in sight."""

    def __init__(self, found: ResultList, *, backwards: bool = False) -> None:
        self._found = found
        self._backwards = backwards

    def __len__(self) -> int:
        return len(self._found)

    def at(self, place: int) -> ResultRow:
        """The result at that place."""
        return self._found.row(len(self) - 1 - place if self._backwards else place)

    def row(self, place: int) -> Sequence[Cell]:
        """A cell for each of `COLUMNS`."""
        return result_cells(self.at(place))


def result_cells(row: ResultRow) -> Sequence[Cell]:
    """A cell for each of `COLUMNS`."""
    role = row.outcome if row.outcome in _SCORED else "not_scored"
    return (
        cell(plain(row.outcome, 20), Ink(role, bold=True)),
        cell(plain(row.cause, 60), Ink(role) if row.cause else DIM),
        cell(plain(row.task_id, 160), HI),
        cell(plain(row.model, 60), TEXT),
        cell(f"{row.score:.2f}" if row.score is not None else "", TEXT),
        cell(str(row.turns), DIM),
        cell(latency(row.elapsed_s), TEXT),
        cell(count(row.tokens_in + row.tokens_out), DIM),
        cell(f"${row.cost:.2f}" if row.cost else "", DIM),
        cell(clock(row.started_at + row.elapsed_s), DIM),
    )


def result_detail(row: ResultRow, cells: int) -> list[Line]:
    """What the columns have no room for, and what can be done."""
    first = Line().add("  " + plain(row.attempt_id, 60), TEXT)
    first.add(f"   attempt {row.attempt}, worker {row.worker}", DIM)
    first.add(f"   {plain(row.endpoint, 30)}", DIM)
    first.add(f"   {row.calls} calls, {row.call_retries} sent again", DIM)
    if row.backoff_s:
        first.add(f"   waited {duration(row.backoff_s)}", Ink("backoff"))
    if row.prompt_type:
        first.add(f"   {plain(row.prompt_type, 40)}", DIM)
    said = plain(row.error, 400)
    second = Line().add("  " + said, Ink("not_scored")) if said else Line()
    third = Line().add(
        "  enter transcript   r run again   / find: words, model:, state:, cause:", DIM
    )
    third.add("   <- -> order", DIM)
    return [line.fit(cells) for line in (first, second, third)]
