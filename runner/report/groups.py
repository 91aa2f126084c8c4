"""Results in groups: success with its uncertainty, time, tokens, cost, for any columns or labels.

Pure functions of a table (`runner.results`, or `judged`, which knows more), apart from reading it.
Infrastructure trouble is never a wrong answer: rates are of scored tasks, unless the caller wants
the rest counted as failed.
"""

from collections.abc import Sequence
from typing import Final, Literal

from runner.core.outcomes import SCORED
from runner.errors import RunError
from runner.past.frames import Expr, Frame, pl

Unscored = Literal["exclude", "fail"]
_Z: Final = 1.959963984540054
"""Of the normal distribution: 95 %."""
_HEAD: Final = ("n", "scored", "passed", "rate", "low", "high", "not_scored")
_SUMS: Final = (
    "re_run",
    "by_hand",
    "tokens_in",
    "tokens_out",
    "cost",
    "hang_s",
    "backoff_s",
    "loop_s",
    "overrun_s",
)
"""Columns that are added up where the table has them."""


def summary(
    frame: Frame,
    by: Sequence[str] = ("model", "prompt_type"),
    unscored: Unscored = "exclude",
) -> Frame:
    """A line a group, in the order of ``by``, of a table with one row a task.

    ``by`` names columns or labels. ``rate`` is passed / ``of``, 0..1, with its Wilson 95 % interval
    (``low``, ``high``), null where nothing was scored. ``latency`` is of tasks: the mean of the
    task's calls. Of a table made by `judged` the lines also say how many tasks were re-run, how
    many attempts a person ended, and how many worker seconds went into hangs, back-off, loops and
    overrun. `RunError` names a column that is not there.
    """
    frame = frame.with_columns(_group(frame, name).alias(name) for name in by)
    scored = pl.col("outcome").is_in(list(SCORED))
    latency = pl.col("api_s").filter(pl.col("calls") > 0) / pl.col("calls").filter(
        pl.col("calls") > 0
    )
    sums = [name for name in _SUMS if name in frame.columns and name not in by]
    made = frame.group_by(list(by) or pl.lit("all").alias("all"), maintain_order=True).agg(
        pl.len().alias("n"),
        scored.sum().alias("scored"),
        (pl.col("outcome") == "passed").sum().alias("passed"),
        (~scored).sum().alias("not_scored"),
        pl.col("score").filter(scored).mean().alias("score"),
        pl.col("turns").filter(scored).mean().alias("turns"),
        latency.quantile(0.5, "nearest").alias("latency_p50_s"),
        latency.quantile(0.95, "nearest").alias("latency_p95_s"),
        pl.col("elapsed_s").quantile(0.5, "nearest").alias("elapsed_p50_s"),
        pl.col("elapsed_s").quantile(0.95, "nearest").alias("elapsed_p95_s"),
        *(pl.col(name).sum() for name in sums),
    )
    of = pl.col("scored") if unscored == "exclude" else pl.col("n")
    made = made.with_columns(of.alias("_of")).with_columns(
        pl.when(pl.col("_of") > 0).then(pl.col("passed") / pl.col("_of")).alias("rate")
    )
    low, high = _wilson(pl.col("rate"), pl.col("_of"))
    made = made.with_columns(low.alias("low"), high.alias("high")).drop("_of")
    head = [*(by or ["all"]), *_HEAD]
    return made.select(head + [name for name in made.columns if name not in head]).sort(
        list(by) or "all", nulls_last=True
    )


def _group(frame: Frame, name: str) -> Expr:
    """A column, or else a label of that name as text; empty where a task has none."""
    if name in frame.columns and name != "labels":
        return pl.col(name)
    if "labels" in frame.columns:
        value = pl.col("labels").map.get(name)
        if frame.select(value.is_not_null().any()).item():
            return value.fill_null("")
    hidden = ("labels", "messages", "extra", "tool_calls")
    plain = [column for column in frame.columns if column not in hidden]
    raise RunError(f"--by {name}: there is no such column or label; columns: {', '.join(plain)}")


def _wilson(rate: Expr, of: Expr) -> tuple[Expr, Expr]:
    """The interval of a share (Wilson 1927), which stays within 0..1 for few tries too."""
    scale = 1 + _Z**2 / of
    middle = (rate + _Z**2 / (2 * of)) / scale
    spread = _Z * (rate * (1 - rate) / of + _Z**2 / (4 * of**2)).sqrt() / scale
    return (middle - spread).clip(0, 1), (middle + spread).clip(0, 1)
