"""A run's results as tables: for notebooks, the results screen and reports.

Apart from the engine's reader, which knows parts and rows: here a task's result is chosen among its
attempts. Loads polars; nothing that a first frame needs imports this.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from runner.core.outcomes import SCORED
from runner.engine.results.read import read_frame
from runner.past.frames import Expr, Frame, pl
from runner.runs import RunInfo, find_run, runs_folder

RESULTS: Final = "results"
_LISTED: Final = (
    "task_id",
    "attempt",
    "attempt_id",
    "model",
    "endpoint",
    "prompt_type",
    "outcome",
    "cause",
    "score",
    "turns",
    "calls",
    "call_retries",
    "tokens_in",
    "tokens_out",
    "cost",
    "started_at",
    "elapsed_s",
    "backoff_s",
    "worker",
    "error",
)
"""Columns of the results screen: no bodies, so 100,000 rows are some 30 MB."""


def results(
    run: str | Path | RunInfo,
    *,
    attempts: bool = False,
    columns: Sequence[str] | None = None,
    rows: int | None = None,
) -> Frame:
    """A `polars.DataFrame` of a run: one row a task, its result; all attempts if ``attempts``.

    ``run`` is a run, its folder, or what commands take: an id, a unique prefix, ``latest``. The
    result of a task is its first scored row by commit number, else its last row. ``rows``: only the
    first so many by commit number, as if no more had been saved yet. Raises OSError, `RunNotFound`,
    and `RunError` for a damaged part.
    """
    frame = _frame(run_folder(run), columns, rows)
    return frame if attempts else one_a_task(frame)


def run_folder(run: str | Path | RunInfo) -> Path:
    """The folder that ``run`` means."""
    if isinstance(run, RunInfo):
        return run.run_dir
    if isinstance(run, Path):
        return run
    return find_run(run, runs_folder()).run_dir


def _frame(run_dir: Path, columns: Sequence[str] | None, rows: int | None) -> Frame:
    wanted = None if columns is None else list(dict.fromkeys((*columns, "task_id", "outcome")))
    frame: Frame = read_frame(run_dir / RESULTS, wanted)
    return frame if rows is None else frame.head(rows)


def one_a_task(frame: Frame) -> Frame:
    """Of each task the row that counts; rows come in commit order and leave in it."""
    numbered = frame.with_row_index("_row")
    scored = pl.col("outcome").is_in(list(SCORED))
    first = pl.col("_row").filter(scored).first()
    chosen = numbered.group_by("task_id").agg(
        pl.coalesce(first, pl.col("_row").last()).alias("_row")
    )
    return numbered.join(chosen.select("_row"), on="_row", how="semi").sort("_row").drop("_row")


class ResultRow(Struct, frozen=True, kw_only=True):
    """One line of the results screen. Strings are the run's own: `one_line` before drawing."""

    task_id: str
    attempt: int
    attempt_id: str
    model: str
    endpoint: str
    prompt_type: str
    outcome: str
    cause: str
    score: float | None
    turns: int
    calls: int
    call_retries: int
    tokens_in: int
    tokens_out: int
    cost: float
    started_at: float
    elapsed_s: float
    backoff_s: float
    worker: int
    error: str


class ResultList:
    """Rows of a run, found, sorted and read one by one: what is not on the screen costs nothing."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame

    def __len__(self) -> int:
        return self._frame.height

    def row(self, place: int) -> ResultRow:
        """The row at that place."""
        return ResultRow(**self._frame.row(place, named=True))

    def select(self, text: str, sort: str = "", *, descending: bool = False) -> "ResultList":
        """The rows in which every word of ``text`` stands, by the column ``sort``, ties as saved.

        ``sort`` may be ``tokens`` or ``ended_at`` as well; ``descending`` without one is newest
        first. ``model:``, ``state:`` and ``cause:`` before a word look in that column only.
        """
        frame = self._frame
        for word in text.lower().split():
            frame = frame.filter(_holds(word))
        if sort:
            by = _DERIVED[sort]() if sort in _DERIVED else sort
            frame = frame.sort(by, descending=descending, nulls_last=True, maintain_order=True)
        elif descending:
            frame = frame.reverse()
        return ResultList(frame)


_DERIVED: Final[dict[str, Callable[[], Expr]]] = {
    "tokens": lambda: pl.col("tokens_in") + pl.col("tokens_out"),
    "ended_at": lambda: pl.col("started_at") + pl.col("elapsed_s"),
}
_WHERE: Final = {"model": "model", "state": "outcome", "cause": "cause", "task": "task_id"}


def _holds(word: str) -> Expr:
    key, colon, rest = word.partition(":")
    if colon and key in _WHERE:
        return pl.col(_WHERE[key]).str.to_lowercase().str.contains(rest, literal=True)
    columns = ("task_id", "model", "prompt_type", "outcome", "cause", "error")
    return pl.any_horizontal(
        pl.col(name).str.to_lowercase().str.contains(word, literal=True) for name in columns
    )


def result_list(run_dir: Path, *, attempts: bool = False, rows: int | None = None) -> ResultList:
    """The rows of a run folder for a screen. An empty or missing folder has none.

    ``rows`` as in `results`: what the list was at an earlier moment.
    """
    frame = _frame(run_dir, _LISTED, rows)
    if not attempts:
        frame = one_a_task(frame)
    started = pl.col("started_at").dt.epoch("us").cast(pl.Float64) / 1e6
    return ResultList(frame.select(_LISTED).with_columns(started.alias("started_at")))
