"""The figures of a report against the same figures made by hand from the Parquet files."""

import math
import random
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from support.storing import make_row

from runner import judged, results, summary
from runner.engine.results import FOLDER, Part
from runner.engine.results.partfile import store
from runner.engine.results.schema import to_table

SCORED = ("passed", "partial", "failed")
OUTCOMES = (*SCORED, "timed_out", "errored")
MANY = 100_000


def write(run_dir: Path, number: int, times: int = 1) -> Path:
    """A run of that many tasks, one attempt each, of three models and two labels.

    ``times`` as many under other names, in parts of their own.
    """
    chance = random.Random(7)
    rows = [
        make_row(
            n,
            model=f"model-{chance.randrange(3)}",
            labels={"site": chance.choice(["east", "west"])},
            outcome=chance.choice(OUTCOMES),
            elapsed_s=chance.lognormvariate(2, 1),
            calls=(calls := chance.randrange(4)),
            api_s=calls * chance.lognormvariate(0, 1),
            turns=chance.randrange(1, 9),
            tokens_in=chance.randrange(1000),
        )
        for n in range(1, number + 1)
    ]
    (run_dir / FOLDER).mkdir(parents=True)
    table = to_table(rows)
    place = table.schema.get_field_index("task_id")
    for copy in range(times):
        part = Part(copy * number + 1, (copy + 1) * number)
        names = pa.array([f"{row.task_id}-{copy}" for row in rows])
        named = table.set_column(place, table.schema.field(place), names)
        store(run_dir / FOLDER / part.name, part, [named])
    return run_dir


def nearest(values: list[float], share: float) -> float:
    """The value whose rank is nearest to that share of the way from the least to the greatest."""
    return sorted(values)[math.floor(share * (len(values) - 1) + 0.5)]


def wilson(passed: int, of: int) -> tuple[float, float]:
    """The shares p at which ``passed`` lies just 1.96 standard errors away: the roots of
    (passed/of - p)^2 = z^2 p (1 - p) / of."""
    z2 = 1.959963984540054**2
    share = passed / of
    a, b, c = 1 + z2 / of, -(2 * share + z2 / of), share**2
    root = math.sqrt(max(0.0, b * b - 4 * a * c))
    return (-b - root) / (2 * a), (-b + root) / (2 * a)


@pytest.mark.parametrize("unscored", ["exclude", "fail"])
@pytest.mark.parametrize("by", ["model", "site"])
def test_every_figure_is_what_the_rows_say(tmp_path: Path, by: str, unscored: Any) -> None:
    run_dir = write(tmp_path, 600)
    groups = defaultdict[str, list[dict[str, Any]]](list)
    for row in pl.read_parquet(str(run_dir / FOLDER / "*.parquet")).to_dicts():
        row["site"] = row["labels"]["site"]
        groups[row[by]].append(row)
    lines = summary(judged(run_dir), [by], unscored).to_dicts()
    assert [line[by] for line in lines] == sorted(groups)
    for line in lines:
        rows = groups[line[by]]
        scored = [row for row in rows if row["outcome"] in SCORED]
        passed = sum(row["outcome"] == "passed" for row in rows)
        of = len(rows) if unscored == "fail" else len(scored)
        assert (line["n"], line["scored"], line["passed"]) == (len(rows), len(scored), passed)
        assert line["not_scored"] == len(rows) - len(scored)
        assert line["rate"] == pytest.approx(passed / of)
        assert (line["low"], line["high"]) == pytest.approx(wilson(passed, of))
        assert line["tokens_in"] == sum(row["tokens_in"] for row in rows)
        assert line["turns"] == pytest.approx(
            sum(row["turns"] for row in scored) / len(scored),
        )
        latencies = [row["api_s"] / row["calls"] for row in rows if row["calls"]]
        for name, values in (
            ("elapsed", [row["elapsed_s"] for row in rows]),
            ("latency", latencies),
        ):
            assert line[f"{name}_p50_s"] == pytest.approx(nearest(values, 0.5))
            assert line[f"{name}_p95_s"] == pytest.approx(nearest(values, 0.95))


@pytest.mark.parametrize(
    ("passed", "of", "low", "high"),
    [
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (10, 20, 0.2993, 0.7007),
        (81, 263, 0.2553, 0.3662),
    ],
)
def test_the_interval_is_wilsons(passed: int, of: int, low: float, high: float) -> None:
    """The last case is the example of Newcombe, Statistics in Medicine 17 (1998), table I."""
    outcomes = ["passed"] * passed + ["failed"] * (of - passed)
    rows = [make_row(n, outcome=outcome) for n, outcome in enumerate(outcomes, 1)]
    table: Any = to_table(rows)
    line = summary(pl.DataFrame(table), []).row(0, named=True)
    assert (line["low"], line["high"]) == pytest.approx((low, high), abs=5e-5)


def test_a_hundred_thousand_rows_take_a_moment(tmp_path: Path) -> None:
    run_dir = write(tmp_path, MANY // 20, times=20)
    results(run_dir, columns=["task_id"])  # the libraries are loaded
    began = time.process_time()
    made = summary(judged(run_dir), ["model", "site"])
    took = time.process_time() - began
    assert made["n"].sum() == MANY
    assert took < 2.0  # 0.3 s of CPU on two cores
