"""Rows through the real writer into real Parquet, read back by polars and by pyarrow."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest
from support.storing import WAIT_S, Inbox, make_row

from runner.core.rows import Row, ToolCall
from runner.engine.results import (
    Compacted,
    CompactFailed,
    Failed,
    Finished,
    Part,
    Written,
    live,
)
from runner.engine.results.emergency import AdoptError, adopt, find, save
from runner.engine.results.read import read_frame, recorded
from runner.engine.results.recover import survey, tidy
from runner.engine.results.schema import SCHEMA, to_table
from runner.engine.results.writer import ResultsWriter


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "results"
    path.mkdir()
    return path


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def start(folder: Path, inbox: Inbox) -> Iterator[Callable[..., ResultsWriter]]:
    writers: list[ResultsWriter] = []

    def make(**options: Any) -> ResultsWriter:
        writer = ResultsWriter(folder, inbox.notices, **{"next_row": 1, **options})
        writers.append(writer)
        writer.start()
        return writer

    yield make
    for writer in writers:
        assert writer.close(WAIT_S)


def test_a_lone_row_is_durable_and_acknowledged(
    folder: Path, inbox: Inbox, start: Callable[..., ResultsWriter]
) -> None:
    writer = start()
    assert writer.put(1, make_row(1))
    told = inbox.durable(1)
    assert isinstance(told, Written)
    assert (told.first, told.last, told.rows, told.part) == (1, 1, 1, Part(1, 1).name)
    assert (folder / told.part).stat().st_size == told.bytes
    assert 0 < told.waited_s < WAIT_S
    assert writer.status().waiting == 0


def test_every_field_comes_back_in_polars_and_pyarrow(
    folder: Path, inbox: Inbox, start: Callable[..., ResultsWriter]
) -> None:
    full = make_row(
        1,
        labels={"b": "2", "a": "é"},
        tool_success_rate=0.8,
        instance=3,
        score=0.5,
        in_order=False,
        tool_calls=[ToolCall(turn=2, tool="t", ok=False, error="no", elapsed_s=0.25), ToolCall()],
        loop_turn=4,
        started_at=1_700_000_000.123456,
        messages='[{"role": "user"}]',
    )
    writer = start()
    writer.put(1, full)
    writer.put(2, make_row(2))
    inbox.durable(2)
    frame = pl.read_parquet(str(folder / "*.parquet")).sort("task_id")
    assert frame.columns == SCHEMA.names == list(Row.__struct_fields__)
    assert frame["tool_success_rate"].to_list() == [0.8, None]
    assert frame["started_at"].dt.timestamp("us").to_list()[0] == 1_700_000_000_123_456
    found = [
        row
        for part in live(folder).parts
        for row in pq.ParquetFile(folder / part.name).read().to_pylist()
    ]
    assert found[0]["labels"] == [("b", "2"), ("a", "é")]
    assert found[0]["tool_calls"] == [
        {"turn": 2, "tool": "t", "ok": False, "error": "no", "elapsed_s": 0.25},
        {"turn": 0, "tool": "", "ok": True, "error": "", "elapsed_s": 0.0},
    ]
    plain = [name for name in SCHEMA.names if name not in ("labels", "tool_calls", "started_at")]
    assert {name: found[0][name] for name in plain} == {name: getattr(full, name) for name in plain}
    assert found[1]["instance"] is None
    assert found[1]["tool_calls"] == []


@pytest.mark.parametrize(
    ("field", "value", "stored"),
    [
        ("error", "bad \ud800 text", "bad ? text"),
        ("tokens_in", 10**30, 2**63 - 1),
        ("labels", {"k": "\udfff"}, [("k", "?")]),
        ("started_at", float("nan"), 0),
        ("tool_calls", [ToolCall(tool="\ud800", turn=-(10**30))], None),
    ],
)
def test_a_value_that_arrow_cannot_hold_is_tamed(field: str, value: Any, stored: Any) -> None:
    table = to_table([make_row(1), make_row(2, **{field: value}), make_row(3)])
    assert table.column("attempt_id").to_pylist() == ["attempt-1", "attempt-2", "attempt-3"]
    if stored is not None:
        column = table.column(field)
        column = column.cast("int64") if field == "started_at" else column
        assert column.to_pylist()[1] == stored


def test_a_row_of_wrong_types_keeps_its_identity_and_says_why() -> None:
    table = to_table([make_row(1, labels=7, worker=3)])
    assert table.column("attempt_id").to_pylist() == ["attempt-1"]
    assert table.column("worker").to_pylist() == [3]
    assert "could not be stored" in table.column("error").to_pylist()[0]


def test_a_row_of_many_megabytes_delays_others_by_little(
    folder: Path, inbox: Inbox, start: Callable[..., ResultsWriter]
) -> None:
    writer = start()
    writer.put(1, make_row(1, messages="word " * 2_000_000))
    writer.put(2, make_row(2))
    inbox.durable(2)
    assert max(n.waited_s for n in inbox.of(Written)) < 5.0
    assert [part.rows for part in live(folder).parts] == [1, 1]


def test_parts_are_merged_while_rows_come_and_one_file_is_left(
    folder: Path, inbox: Inbox, start: Callable[..., ResultsWriter]
) -> None:
    writer = start(merge_at=8)
    for number in range(1, 41):
        writer.put(number, make_row(number))
        inbox.durable(number)
    inbox.wait(Compacted)
    writer.finish()
    assert inbox.finished() == Finished(1)
    assert [path.name for path in folder.iterdir()] == [Part(1, 40).name]
    frame = pl.read_parquet(str(folder / "*.parquet"))
    assert frame["attempt_id"].to_list() == [f"attempt-{n}" for n in range(1, 41)]
    assert sum(n.rows for n in inbox.of(Written)) == 40
    assert not inbox.of(CompactFailed)


def test_readers_see_each_row_once_while_parts_are_merged(
    folder: Path, inbox: Inbox, start: Callable[..., ResultsWriter]
) -> None:
    writer = start(merge_at=4)
    reads = 0
    for number in range(1, 61):
        writer.put(number, make_row(number))
        inbox.durable(number)
        if number % 4 == 0:
            rows = [found.row for found in recorded(folder)]
            assert rows == list(range(1, number + 1))
            reads += 1
    assert reads == 15
    assert inbox.of(Compacted)


def test_a_damaged_part_is_never_merged(
    folder: Path, inbox: Inbox, start: Callable[..., ResultsWriter]
) -> None:
    writer = start()
    for number in range(1, 6):
        writer.put(number, make_row(number))
        inbox.durable(number)
    bad = folder / Part(3, 3).name
    data = bytearray(bad.read_bytes())
    data[-20] ^= 1
    bad.write_bytes(data)
    writer.finish()
    inbox.finished()
    failed = inbox.of(CompactFailed)
    assert [notice.part for notice in failed] == [bad.name]
    assert live(folder).parts == [Part(1, 2), Part(3, 3), Part(4, 5)]
    assert bad.read_bytes() == data


def test_resume_goes_on_with_the_numbers(
    folder: Path, inbox: Inbox, start: Callable[..., ResultsWriter]
) -> None:
    first = start()
    first.put(1, make_row(1))
    inbox.durable(1)
    assert first.close(WAIT_S)
    current, found = survey(folder, {})
    assert [(f.part, f.problem) for f in found] == [(Part(1, 1), "")]
    assert found[0].digest == inbox.of(Written)[0].digest
    second = start(next_row=current.next_row, digests={f.part.name: f.digest for f in found})
    second.put(2, make_row(2))
    inbox.durable(2)
    second.finish()
    inbox.finished()
    assert read_frame(folder, ["task_id"])["task_id"].to_list() == ["task-1", "task-2"]


def stored_parts(folder: Path, widths: list[int]) -> list[Part]:
    from runner.engine.results.partfile import store

    parts: list[Part] = []
    first = 1
    for width in widths:
        part = Part(first, first + width - 1)
        rows = [make_row(number) for number in range(part.first, part.last + 1)]
        store(folder / part.name, part, [to_table(rows)])
        parts.append(part)
        first = part.last + 1
    return parts


def store_cover(folder: Path, last: int) -> Path:
    from runner.engine.results.partfile import store

    cover = Part(1, last)
    store(folder / cover.name, cover, [to_table([make_row(n) for n in range(1, last + 1)])])
    return folder / cover.name


def test_start_up_removes_temporary_and_covered_files(folder: Path) -> None:
    stored_parts(folder, [1, 2])
    cover = store_cover(folder, 3)
    (folder / "r-00000004-00000004.parquet.ab12.tmp").write_bytes(b"half")
    done = tidy(folder, {})
    assert list(folder.iterdir()) == [cover]
    assert len(done.removed) == 3


def test_a_rotten_covering_file_is_set_aside_and_its_members_count(folder: Path) -> None:
    parts = stored_parts(folder, [1, 2])
    cover = store_cover(folder, 3)
    data = bytearray(cover.read_bytes())
    data[len(data) // 2] ^= 4
    cover.write_bytes(data)
    assert tidy(folder, {cover.name: "0" * 32}).set_aside == [cover.name]
    assert live(folder).parts == parts
    assert [found.row for found in recorded(folder)] == [1, 2, 3]


def test_an_emergency_file_is_found_and_taken_in(
    folder: Path, tmp_path: Path, inbox: Inbox, start: Callable[..., ResultsWriter]
) -> None:
    writer = start()
    writer.put(1, make_row(1))
    inbox.durable(1)
    moved = folder.rename(tmp_path / "away")
    for number in (2, 3):
        writer.put(number, make_row(number))
    inbox.wait(Failed)
    assert not writer.close(0.2)
    saved = writer.emergency(tmp_path / "elsewhere")
    assert saved is not None
    moved.rename(folder)
    assert find(tmp_path / "elsewhere", "run") == [saved]
    assert find(tmp_path / "elsewhere", "ru") == []
    # A write that was stalled all the time came through after all, for the first of the two.
    stray = Part(2, 2)
    from runner.engine.results.partfile import store

    store(folder / stray.name, stray, [to_table([make_row(2)])])
    assert adopt(saved, "run", folder) == Part(2, 3)
    tidy(folder, {})
    assert [f.attempt_id for f in recorded(folder)] == ["attempt-1", "attempt-2", "attempt-3"]
    assert find(tmp_path / "elsewhere", "run") == []
    writer._queue._batch = None  # the rows are safe elsewhere: the fixture's close may succeed
    writer._queue._queue.clear()


@pytest.mark.parametrize(("there", "taken"), [(3, Part(4, 5)), (5, None)])
def test_rows_that_are_there_are_not_taken_in_twice(
    folder: Path, tmp_path: Path, there: int, taken: Part | None
) -> None:
    store_cover(folder, there)
    saved = save(tmp_path / "e", Part(2, 5), [make_row(n) for n in range(2, 6)])
    assert adopt(saved, "run", folder) == taken
    assert [f.attempt_id for f in recorded(folder)] == [f"attempt-{n}" for n in range(1, 6)]


def test_a_damaged_emergency_file_stays_where_it_is(folder: Path, tmp_path: Path) -> None:
    saved = save(tmp_path / "e", Part(1, 1), [make_row(1)])
    saved.write_bytes(saved.read_bytes()[:-40])
    with pytest.raises(AdoptError, match="unreadable"):
        adopt(saved, "run", folder)
    assert saved.exists()
    assert not list(folder.iterdir())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make another's file")
def test_an_emergency_file_of_another_user_is_not_taken_in(tmp_path: Path) -> None:
    saved = save(tmp_path, Part(1, 1), [make_row(1)])
    assert find(tmp_path, "run") == [saved]
    os.chown(saved, 65534, 65534)
    assert find(tmp_path, "run") == []
