"""Figures of the storage: finished -> durable; 10,000 parts read before and after merging."""

import random
import sys
import time
from pathlib import Path

import pytest
from support.storing import Inbox, make_row

from runner.core.rows import Row
from runner.engine.results import Compacted, Finished, Part, Written, live
from runner.engine.results.partfile import store
from runner.engine.results.read import read_frame
from runner.engine.results.schema import to_table
from runner.engine.results.writer import ResultsWriter

pytestmark = [pytest.mark.bench, pytest.mark.timeout(600)]

SECONDS = {1: 8.0, 10: 6.0, 100: 5.0, 1000: 5.0}
TARGET_S = {10: 0.050, 100: 0.300, 1000: 0.300}
WORDS = ["".join(random.Random(n).choices("etaoinshrdlu", k=2 + n % 9)) for n in range(4000)]
PARTS = 10_000


def long_row(number: int, text: str) -> Row:
    return make_row(
        number,
        model=f"model-{number % 7}",
        prompt_type=("optimal", "flawed")[number % 2],
        outcome=("passed", "failed")[number % 3 == 0],
        started_at=1.7e9 + number,
        elapsed_s=number % 97 / 10,
        worker=number % 100,
        host=number % 10,
        messages=text,
    )


def texts(size: int) -> list[str]:
    chance = random.Random(size)
    return [" ".join(chance.choices(WORDS, k=size // 7))[:size] for _ in range(50)]


def tell(text: str) -> None:
    sys.stdout.write(f"\n{text}\n")


def quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


@pytest.mark.parametrize("size", [2_000, 50_000])
@pytest.mark.parametrize("rate", list(SECONDS))
def test_finished_to_durable(tmp_path: Path, rate: int, size: int) -> None:
    pool = texts(size)
    inbox = Inbox()
    writer = ResultsWriter(tmp_path, inbox.notices, next_row=1)
    writer.start()
    writer.put(1, long_row(1, pool[0]))
    inbox.wait(Written, timeout_s=30)  # the libraries are loaded
    put_at: list[float] = []
    start = time.monotonic()
    total = int(rate * SECONDS[rate])
    for number in range(total):
        due = start + number / rate
        if (ahead := due - time.monotonic()) > 0:
            time.sleep(ahead)
        put_at.append(time.monotonic())
        writer.put(number + 2, long_row(number + 2, pool[number % 50]))
    writer.finish()
    inbox.wait(Finished, timeout_s=120)
    written = [notice for notice in inbox.seen if isinstance(notice, Written)][1:]
    # `waited_s` is of a part's oldest row; the others waited less by what lies between the puts.
    waits = [
        part.waited_s - (put_at[number - 2] - put_at[part.first - 2])
        for part in written
        for number in range(part.first, part.last + 1)
    ]
    assert len(waits) == total
    p50, p99 = quantile(waits, 0.5), quantile(waits, 0.99)
    target = TARGET_S.get(rate)
    merges = sum(isinstance(notice, Compacted) for notice in inbox.seen)
    tell(
        f"{rate:5} rows/s of {size // 1000:2} KB:"
        f" p50 {p50 * 1e3:6.1f} ms  p99 {p99 * 1e3:6.1f} ms"
        f"  ({len(written)} parts, {merges} merges"
        + (f", target p99 {target * 1e3:.0f} ms)" if target else ")")
    )
    assert writer.close(30)


def test_reading_many_parts_before_and_after_the_merge(tmp_path: Path) -> None:
    text = texts(2_000)[0]
    table = to_table([long_row(1, text)])
    first = Part(1, 1)
    store(tmp_path / first.name, first, [table])
    data = (tmp_path / first.name).read_bytes()
    for number in range(2, PARTS + 1):
        (tmp_path / Part(number, number).name).write_bytes(data)
    many, unchecked = seconds_to_group(tmp_path), seconds_in_polars(tmp_path)
    inbox = Inbox()
    writer = ResultsWriter(tmp_path, inbox.notices, next_row=PARTS + 1)
    writer.start()
    began = time.monotonic()
    writer.finish()
    inbox.wait(Finished, timeout_s=300)
    merged = time.monotonic() - began
    assert len(live(tmp_path).parts) == 1
    one = seconds_to_group(tmp_path)
    tell(
        f"{PARTS} parts: group-by {many:.2f} s with page checksums, {unchecked:.2f} s by polars"
        f" alone; merging {merged:.1f} s; then {one * 1e3:.0f} ms and"
        f" {seconds_in_polars(tmp_path) * 1e3:.0f} ms"
    )
    assert one < many
    assert writer.close(30)


def seconds_to_group(folder: Path) -> float:
    import polars as pl

    began = time.perf_counter()
    frame = read_frame(folder, ["model", "outcome", "elapsed_s"])
    grouped = frame.group_by("model", "outcome").agg(pl.len())
    assert grouped["len"].sum() == PARTS
    return time.perf_counter() - began


def seconds_in_polars(folder: Path) -> float:
    import polars as pl

    began = time.perf_counter()
    lazy = pl.scan_parquet(str(folder / "*.parquet"))
    grouped = lazy.group_by("model", "outcome").agg(pl.len()).collect()
    assert grouped["len"].sum() == PARTS
    return time.perf_counter() - began
