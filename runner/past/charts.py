"""What the report screen draws: the heat table, how long tasks took, how outcomes came over time.

Apart from the summary because these are for the eye; they are made in one go of one table.
"""

from bisect import bisect_left
from pathlib import Path
from typing import Final

from msgspec import Struct

from runner.core.outcomes import OUTCOMES
from runner.core.rows import Row
from runner.past.frames import Frame, pl
from runner.past.table import results
from runner.report.groups import summary

_COLUMNS: Final = tuple(
    name
    for name in Row.__struct_fields__
    if name not in ("extra", "messages", "tool_calls", "error")
)
HISTOGRAM: Final = (0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600)
"""Upper edges of the bins, seconds; the last bin is open."""
STRETCHES: Final = 24


class Heat(Struct):
    """One cell of the heat table."""

    down: str
    across: str
    rate: float | None
    low: float | None
    high: float | None
    scored: int
    n: int


class Figures(Struct, kw_only=True):
    """All of a run's report. ``heat`` has a cell for each model and prompt type that occurs."""

    tasks: int
    heat: list[Heat]
    groups: list[dict[str, str | int | float | None]]
    """The lines of `summary` by model."""
    histogram: list[int]
    """Tasks by elapsed time, one bin more than `HISTOGRAM` has edges."""
    first_at: float
    last_at: float
    over_time: list[dict[str, int]]
    """Outcomes in `STRETCHES` equal stretches of the run, by when their attempt ended."""


def figures(
    run_dir: Path, by: tuple[str, str] = ("model", "prompt_type"), *, rows: int | None = None
) -> Figures:
    """The figures of a run folder, of its first ``rows`` rows as in `results`.

    Raises OSError; `RunError` for a column that is not there.
    """
    frame = results(run_dir, columns=_COLUMNS, rows=rows)
    cells = [
        Heat(
            down=str(line[by[0]]),
            across=str(line[by[1]]),
            rate=line["rate"],
            low=line["low"],
            high=line["high"],
            scored=line["scored"],
            n=line["n"],
        )
        for line in summary(frame, by).iter_rows(named=True)
    ]
    first_at, last_at, over_time = _over_time(frame)
    return Figures(
        tasks=frame.height,
        heat=cells,
        groups=summary(frame, by[:1]).to_dicts(),
        histogram=_histogram(frame),
        first_at=first_at,
        last_at=last_at,
        over_time=over_time,
    )


def _histogram(frame: Frame) -> list[int]:
    counts = [0] * (len(HISTOGRAM) + 1)
    for seconds in frame["elapsed_s"]:
        counts[bisect_left(HISTOGRAM, seconds)] += 1
    return counts


def _over_time(frame: Frame) -> tuple[float, float, list[dict[str, int]]]:
    stretches: list[dict[str, int]] = [dict.fromkeys(OUTCOMES, 0) for _ in range(STRETCHES)]
    if not frame.height:
        return 0.0, 0.0, stretches
    started = pl.col("started_at").dt.epoch("us") / 1e6
    ends = frame.select((started + pl.col("elapsed_s")).alias("at"), "outcome")
    first, last = ends["at"].min(), ends["at"].max()
    span = max(1e-6, last - first)
    place = ((pl.col("at") - first) / span * STRETCHES).floor().clip(0, STRETCHES - 1)
    counted = ends.group_by(place.cast(pl.Int64).alias("place"), "outcome").len()
    for number, outcome, many in counted.iter_rows():
        stretches[number][outcome] = many
    return first, last, stretches
