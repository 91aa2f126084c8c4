"""Results in groups: success with its uncertainty, time, tokens, cost, for any columns or labels.

Pure functions of a table (`runner.results`), apart from reading it. Infrastructure trouble is never
a wrong answer: rates are of scored tasks, unless the caller wants the rest counted as failed.
"""

from collections.abc import Sequence
from typing import Any, Final, Literal

from runner.core.outcomes import SCORED
from runner.errors import RunError
from runner.frames import Expr, Frame, pl

Unscored = Literal["exclude", "fail"]
Format = Literal["table", "md", "csv", "json"]
FORMATS: Final[tuple[Format, ...]] = ("table", "md", "csv", "json")
_Z: Final = 1.959963984540054
"""Of the normal distribution: 95 %."""


def summary(
    frame: Frame,
    by: Sequence[str] = ("model", "prompt_type"),
    unscored: Unscored = "exclude",
) -> Frame:
    """A line a group, in the order of ``by``, of a table with one row a task.

    ``by`` names columns or labels. ``rate`` is passed / ``of``, 0..1, with its Wilson 95 % interval
    (``low``, ``high``), null where nothing was scored. `RunError` names a column that is not there.
    """
    frame = frame.with_columns(_group(frame, name).alias(name) for name in by)
    scored = pl.col("outcome").is_in(list(SCORED))
    made = frame.group_by(list(by) or pl.lit("all").alias("all"), maintain_order=True).agg(
        pl.len().alias("n"),
        scored.sum().alias("scored"),
        (pl.col("outcome") == "passed").sum().alias("passed"),
        (~scored).sum().alias("not_scored"),
        pl.col("score").filter(scored).mean().alias("score"),
        pl.col("turns").filter(scored).mean().alias("turns"),
        pl.col("elapsed_s").quantile(0.5, "nearest").alias("elapsed_p50_s"),
        pl.col("elapsed_s").quantile(0.95, "nearest").alias("elapsed_p95_s"),
        (pl.col("api_s") / pl.col("calls").clip(1)).median().alias("latency_s"),
        pl.col("tokens_in").sum(),
        pl.col("tokens_out").sum(),
        pl.col("cost").sum(),
    )
    of = pl.col("scored") if unscored == "exclude" else pl.col("n")
    made = made.with_columns(of.alias("_of")).with_columns(
        pl.when(pl.col("_of") > 0).then(pl.col("passed") / pl.col("_of")).alias("rate")
    )
    low, high = _wilson(pl.col("rate"), pl.col("_of"))
    made = made.with_columns(low.alias("low"), high.alias("high")).drop("_of")
    head = [*(by or ["all"]), "n", "scored", "passed", "rate", "low", "high", "not_scored"]
    return made.select(head + [name for name in made.columns if name not in head]).sort(
        list(by) or "all"
    )


def _group(frame: Frame, name: str) -> Expr:
    """A column, or else a label of that name as text; empty where a task has none."""
    if name in frame.columns and name != "labels":
        return pl.col(name)
    if "labels" in frame.columns:
        value = pl.col("labels").map.get(name)
        if frame.select(value.is_not_null().any()).item():
            return value.fill_null("")
    plain = [column for column in frame.columns if column not in ("labels", "messages", "extra")]
    raise RunError(f"--by {name}: there is no such column or label; columns: {', '.join(plain)}")


def _wilson(rate: Expr, of: Expr) -> tuple[Expr, Expr]:
    """The interval of a share (Wilson 1927), which stays within 0..1 for few tries too."""
    scale = 1 + _Z**2 / of
    middle = (rate + _Z**2 / (2 * of)) / scale
    spread = _Z * (rate * (1 - rate) / of + _Z**2 / (4 * of**2)).sqrt() / scale
    return (middle - spread).clip(0, 1), (middle + spread).clip(0, 1)


def summary_text(made: Frame, form: Format) -> str:
    """The groups as text: an aligned table, Markdown, CSV or JSON."""
    if form == "csv":
        return made.write_csv(float_precision=4)
    if form == "json":
        return made.write_json() + "\n"
    rows = [[_cell(name, row[name]) for name in made.columns] for row in made.iter_rows(named=True)]
    heads = list(made.columns)
    if form == "md":
        lines = [heads, ["---"] * len(heads), *rows]
        return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"
    sizes = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    lines = (
        "  ".join(text.rjust(n) for text, n in zip(line, sizes, strict=True))
        for line in (heads, *rows)
    )
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _cell(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if name in ("rate", "low", "high"):
        return f"{100 * value:.1f}%"
    if isinstance(value, float):
        return f"{value:.2f}"
    return str(value).replace("|", "\\|").replace("\n", " ")
