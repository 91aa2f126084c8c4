"""Names of parts, the rule which of them count, and the queue in front of the writer."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.storing import make_row

from runner.engine.results import Part, live, select
from runner.engine.results.compactor import worth_merging
from runner.engine.results.queue import (
    BATCH_BYTES,
    FLOOD_WINDOW_S,
    PROMPT,
    UNHURRIED,
    Pace,
    RowQueue,
)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    "name",
    [
        "r-00000001-00000002.parquet.tmp",
        "r-1-2.parquet",
        "r-00000002-00000001.parquet",
        "r-00000000-00000001.parquet",
        "r-000000001-00000002.parquet",
        "r-00000001-00000002.parquet\n",
        "r-٠٠٠٠٠٠٠١-00000002.parquet",
        "x.parquet",
    ],
)
def test_foreign_names_are_no_parts(name: str) -> None:
    assert Part.parse(name) is None


@given(st.integers(1, 10**9), st.integers(0, 10**6))
def test_a_name_says_its_range(first: int, more: int) -> None:
    part = Part(first, first + more)
    assert Part.parse(part.name) == part
    assert part.rows == more + 1


def test_covered_parts_gaps_and_overlaps_are_told() -> None:
    found = select([Part(8, 9), Part(1, 4), Part(1, 2), Part(3, 4), Part(9, 12)])
    assert found.parts == [Part(1, 4), Part(8, 9), Part(9, 12)]
    assert found.covered == [Part(1, 2), Part(3, 4)]
    assert found.gaps == [(5, 7)]
    assert found.overlaps == [(9, 9)]
    assert found.next_row == 13


def test_a_hole_before_the_first_part_is_a_gap() -> None:
    assert select([Part(3, 4)]).gaps == [(1, 2)]


def test_no_folder_means_no_parts(tmp_path: Path) -> None:
    assert live(tmp_path / "none").next_row == 1


@given(st.lists(st.integers(1, 5), min_size=1, max_size=30), st.data())
def test_merges_at_any_instant_leave_each_row_once(widths: list[int], data: st.DataObject) -> None:
    parts: list[Part] = []
    for width in widths:
        first = parts[-1].last + 1 if parts else 1
        parts.append(Part(first, first + width - 1))
    total = parts[-1].last
    folder = set(parts)
    for _ in range(data.draw(st.integers(0, 3))):
        current = select(folder).parts
        a = data.draw(st.integers(0, len(current) - 1))
        b = data.draw(st.integers(a, len(current) - 1))
        folder.add(Part(current[a].first, current[b].last))
        # A kill may come after any number of the members went.
        removable = select(folder).covered
        gone = data.draw(st.lists(st.sampled_from(removable), unique=True)) if removable else []
        folder -= set(gone)
    found = select(folder)
    assert [n for p in found.parts for n in range(p.first, p.last + 1)] == list(range(1, total + 1))
    assert not found.gaps
    assert not found.overlaps


@given(st.integers(100, 3000))
def test_a_row_is_rewritten_a_few_times_only(parts: int) -> None:
    sizes: list[int] = []
    rewritten = 0
    for _ in range(parts):
        sizes.append(1)
        if len(sizes) >= 64:
            taken = worth_merging(sizes, 32)
            assert taken >= 32
            rewritten += sum(sizes[-taken:])
            sizes[-taken:] = [sum(sizes[-taken:])]
    assert len(sizes) < 64
    assert rewritten <= parts * 9


def test_a_lone_row_is_taken_at_once() -> None:
    queue = RowQueue(7, 10**9, 100, Clock())
    assert queue.put(7, make_row(7))
    batch = queue.take()
    assert batch is not None
    assert batch.part == Part(7, 7)
    assert queue.waiting[0] == 1
    queue.acknowledge()
    assert queue.waiting == (0, 0)


@pytest.mark.parametrize("number", [1, 3])
def test_a_number_out_of_turn_is_refused(number: int) -> None:
    queue = RowQueue(2, 10**9, 100, Clock())
    with pytest.raises(ValueError, match="2 is next"):
        queue.put(number, make_row(number))


def test_a_closed_queue_gives_what_is_left_then_none() -> None:
    queue = RowQueue(1, 10**9, 100, Clock())
    queue.put(1, make_row(1))
    queue.close()
    with pytest.raises(ValueError, match="closed"):
        queue.put(2, make_row(2))
    assert queue.take() is not None
    assert queue.take() is None


def test_batches_are_capped_and_a_giant_row_goes_alone() -> None:
    queue = RowQueue(1, 10**9, 100, Clock())
    texts = ["x" * 100, "y" * (3 * BATCH_BYTES), "z" * 100, "z" * 100]
    for number, text in enumerate(texts, start=1):
        queue.put(number, make_row(number, messages=text))
    batches = [queue.take() for _ in range(3)]
    assert [b.part for b in batches if b] == [Part(1, 1), Part(2, 2), Part(3, 4)]


def test_over_budget_rows_are_taken_but_dispatch_is_told_to_pause() -> None:
    queue = RowQueue(1, 10**9, 2, Clock())
    assert queue.put(1, make_row(1))
    assert not queue.put(2, make_row(2))
    assert not queue.put(3, make_row(3))
    batch = queue.take()
    assert batch is not None
    assert batch.part == Part(1, 3)
    assert not queue.has_room
    queue.acknowledge()
    assert queue.has_room


@pytest.mark.parametrize("pace", [PROMPT, UNHURRIED], ids=["prompt", "unhurried"])
def test_a_flood_lingers_and_a_trickle_does_not(pace: Pace) -> None:
    clock, many = Clock(), pace.flood_rows
    queue = RowQueue(1, 10**9, 10**6, clock, pace)
    for number in range(1, many + 1):
        clock.now += 0.001
        queue.put(number, make_row(number))
    assert not queue._due()
    clock.now += pace.linger_s
    assert queue._due()
    assert queue.take() is not None
    for number in range(many + 1, 2 * many + 1):
        clock.now += 1.05 * FLOOD_WINDOW_S / (many - 1)
        queue.put(number, make_row(number))
    assert queue._due()


def test_a_single_row_of_a_wrapped_script_does_not_linger() -> None:
    queue = RowQueue(1, 10**9, 10**6, Clock(), UNHURRIED)
    queue.put(1, make_row(1))
    assert queue._due()
