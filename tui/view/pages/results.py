"""Results: a line a task, found and sorted among as many as there are."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from runner import count, duration, latency
from tui.text import clock, cut, plain
from tui.view.line import DIM, TEXT, Ink, Line
from tui.view.table import Cell, Column, cell
from tui.view.words import task_words

if TYPE_CHECKING:  # polars takes a quarter of a second to load, which the screen must not wait for
    from runner import ResultList, ResultRow

COLUMNS: Final = (
    Column("outcome", 10),
    Column("cause", 13, drop=2),
    Column("task", 0),
    Column("model", 18, drop=1),
    Column("score", 5, "right", drop=3),
    Column("turns", 5, "right", drop=4),
    Column("took", 7, "right"),
    Column("tokens", 8, "right", drop=6),
    Column("cost", 7, "right", drop=7),
    Column("ended", 8, "right", drop=5),
)
BY: Final = (
    "outcome",
    "cause",
    "task_id",
    "model",
    "score",
    "turns",
    "elapsed_s",
    "tokens",
    "cost",
    "ended_at",
)
"""What `ResultList.select` calls each column."""
_SCORED: Final = ("passed", "partial", "failed")


class ResultRows:
    """Rows of a list as the screen wants them; made when they come in sight."""

    def __init__(self, found: "ResultList") -> None:
        self._found = found

    def __len__(self) -> int:
        return len(self._found)

    def at(self, place: int) -> "ResultRow":
        """The result at that place."""
        return self._found.row(place)

    def row(self, place: int) -> Sequence[Cell]:
        """A cell for each of `COLUMNS`."""
        return result_cells(self.at(place))


def result_cells(row: "ResultRow") -> Sequence[Cell]:
    """A cell for each of `COLUMNS`."""
    role = row.outcome if row.outcome in _SCORED else "not_scored"
    return (
        cell(plain(row.outcome, 20), Ink(role, bold=True)),
        cell(_cause(row), Ink(role) if row.cause else DIM),
        cell(task_words(row.task_id), TEXT),
        cell(plain(row.model, 60), TEXT),
        cell(f"{row.score:.2f}" if row.score is not None else "", TEXT),
        cell(str(row.turns), DIM),
        cell(latency(row.elapsed_s), TEXT),
        cell(count(row.tokens_in + row.tokens_out), DIM),
        cell(f"${row.cost:.2f}" if row.cost else "", DIM),
        cell(clock(row.started_at + row.elapsed_s), DIM),
    )


def _cause(row: "ResultRow") -> str:
    """The cause without what the outcome says already: ``first_byte`` of what timed out."""
    kind, _, rest = plain(row.cause, 60).partition(":")
    return (
        rest if kind in ("deadline", "loop", "killed", "error") and rest else plain(row.cause, 60)
    )


def result_detail(row: "ResultRow", cells: int) -> list[Line]:
    """What the columns have no room for, and what can be done."""
    first = Line().add("  " + plain(row.attempt_id, 60), TEXT)
    first.whole(cells, f"   attempt {row.attempt}, worker {row.worker}", DIM)
    first.whole(cells, f"   {plain(row.endpoint, 30)}", DIM)
    first.whole(cells, f"   {row.calls} calls, {row.call_retries} sent again", DIM)
    if row.backoff_s:
        first.whole(cells, f"   waited {duration(row.backoff_s)}", Ink("backoff"))
    said = plain(row.error, 400)
    if said:
        second = Line().add("  " + cut(said, cells - 3), Ink("not_scored"))
    else:
        second = Line().add("  prompt type: ", DIM).add(plain(row.prompt_type, 60) or "none", TEXT)
    third = Line().add("  enter transcript", DIM).whole(cells, "   r run again", DIM)
    third.whole(cells, "   / finds words, model:, state:, cause:", DIM)
    return [line.fit(cells) for line in (first, second, third)]
