"""The tables of the PILOT benchmark's phases 5.1 to 5.5, out of any runs that have their rows.

Apart from the groups because these are fixed questions: who is how good without help, what size is
worth, what each flaw costs, what unreliable tools cost, what the prompt is worth.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct

from runner.past.frames import Expr, Frame, pl
from runner.report.groups import Unscored, summary
from runner.report.text import Format, grid, share

_SIZE: Final = re.compile(
    r"(?<![A-Za-z0-9.])(\d+(?:\.\d+)?)\s*([bm])(?![A-Za-z0-9])", re.IGNORECASE
)
"""``72b`` in ``qwen2.5-72b-instruct``, ``0.5B``, ``135M``."""
_BASELINE: Final = "baseline"


class PhaseTable(Struct, kw_only=True):
    """One table. ``cells`` are lines of `summary` with the columns ``model`` and ``column``."""

    phase: str
    title: str
    column: str
    """What the columns are: a column of the results."""
    cells: Frame


def phase_tables(frame: Frame, unscored: Unscored = "exclude") -> list[PhaseTable]:
    """The tables for which ``frame``, one row a task, has rows; several runs may be in it."""
    prompt = pl.col("prompt_type")
    flawed = prompt.str.starts_with("flawed_") | (pl.col("flaw") != "")
    plain = frame.filter(~flawed)
    baseline = plain.filter(prompt == _BASELINE)
    found = [
        _table("5.1", "success by model and prompt type", "prompt_type", frame, unscored),
        _scale(baseline if baseline.height else plain, unscored),
        _table(
            "5.3", "success by model and flaw", "flaw", frame.filter(pl.col("flaw") != ""), unscored
        ),
        _table(
            "5.4",
            "success by model and tool success rate",
            "tool_success_rate",
            _several(plain.filter(pl.col("tool_success_rate").is_not_null()), "tool_success_rate"),
            unscored,
        ),
        _table(
            "5.5",
            "what the prompt is worth",
            "prompt_type",
            _several(plain, "prompt_type"),
            unscored,
        ),
    ]
    return [table for table in found if table.cells.height]


def phase_text(tables: Sequence[PhaseTable], form: Format) -> str:
    """The tables for people, one after the other; `phase_frame` is for the other formats."""
    texts: list[str] = []
    for table in tables:
        heading = f"{table.phase} {table.title}"
        head = {"md": f"### {heading}\n\n", "latex": f"% {heading}\n"}.get(form, f"{heading}\n")
        texts.append(head + grid(*_pivot(table), form))
    return "\n".join(texts)


def phase_frame(tables: Sequence[PhaseTable]) -> Frame:
    """All tables as one: phase, model, column, value, then the figures of `summary`."""
    return pl.concat(
        [
            table.cells.select(
                pl.lit(table.phase).alias("phase"),
                "model",
                pl.lit(table.column).alias("column"),
                pl.col(table.column).cast(pl.String).alias("value"),
                pl.all().exclude("model", table.column),
            )
            for table in tables
        ],
        how="diagonal_relaxed",
    )


def model_size(model: str) -> float | None:
    """Parameters in billions, as the name of the model says them; None if it does not."""
    found = _SIZE.findall(re.sub(r"[-_/:]", " ", model))
    if not found:
        return None
    number, unit = found[-1]
    return float(number) / (1 if unit in "bB" else 1000)


def _table(phase: str, title: str, column: str, frame: Frame, unscored: Unscored) -> PhaseTable:
    known = frame.filter(_known(frame, column))
    cells = summary(known, ("model", column), unscored)
    return PhaseTable(phase=phase, title=title, column=column, cells=cells)


def _known(frame: Frame, column: str) -> Expr:
    value = pl.col(column)
    return value != "" if frame.schema[column] == pl.String else value.is_not_null()


def _several(frame: Frame, column: str) -> Frame:
    """The rows, if they differ in that column; none otherwise: one value shows no effect."""
    return frame if frame[column].n_unique() > 1 else frame.clear()


def _scale(frame: Frame, unscored: Unscored) -> PhaseTable:
    """Models whose name says their size, smallest first."""
    sizes = {name: model_size(name) for name in frame["model"].unique()}
    sized = frame.with_columns(
        pl.col("model").replace_strict(sizes, return_dtype=pl.Float64).alias("size_b")
        if sizes
        else pl.lit(None, pl.Float64).alias("size_b")
    )
    return _table(
        "5.2",
        "success by size, billions of parameters",
        "size_b",
        _several(sized.filter(pl.col("size_b").is_not_null()), "size_b"),
        unscored,
    )


def _pivot(table: PhaseTable) -> tuple[list[str], list[list[str]]]:
    """A line a model, a column a value; the scale curve is a line a model instead, by size."""
    cells = list(table.cells.iter_rows(named=True))
    if table.column == "size_b":
        cells.sort(key=lambda row: (row["size_b"], row["model"]))
        rows = [
            [row["model"], f"{row['size_b']:g}", str(row["n"]), _share_of(row)] for row in cells
        ]
        return ["model", "size_b", "n", "rate 95%"], rows
    values = sorted({row[table.column] for row in cells})
    models = sorted({row["model"] for row in cells})
    by_place: dict[tuple[str, Any], dict[str, Any]] = {
        (row["model"], row[table.column]): row for row in cells
    }
    rows = [
        [model, *(_share_of(by_place.get((model, value))) for value in values)] for model in models
    ]
    return ["model", *(str(value) for value in values)], rows


def _share_of(row: dict[str, Any] | None) -> str:
    """``80.0% (49-94) of 10``; ``-`` where there is nothing to tell."""
    return "-" if row is None else f"{share(row)} of {row['scored']}"
