"""`verify` on sound, killed, running and damaged run folders: exact findings, never a traceback."""

import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support.storing import make_row

from runner.core.events import (
    AttemptEnded,
    Event,
    PartsCompacted,
    RowsWritten,
    RunEnded,
    encode,
)
from runner.core.rows import Row
from runner.engine.results import FOLDER, Part
from runner.engine.results.partfile import problem_of, store
from runner.engine.results.schema import to_table
from runner.engine.verify import VerifyReport, verify


class Run:
    """A run folder made by the real writers of parts and lines."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.results = folder / FOLDER
        self.results.mkdir()
        self.seq = 0
        (folder / "events.jsonl").touch()

    def log(self, event: Event) -> None:
        self.seq += 1
        event.seq = self.seq
        with (self.folder / "events.jsonl").open("ab") as file:
            file.write(encode(event))

    def ended(self, row: int, attempt_id: str = "") -> None:
        self.log(
            AttemptEnded(
                task_id=f"task-{row}",
                attempt=1,
                attempt_id=attempt_id or f"attempt-{row}",
                worker=0,
                host=0,
                outcome="passed",
                cause="",
                elapsed_s=1.0,
                rung="",
                row=row,
            )
        )

    def store(self, part: Part, rows: list[Row] | None = None) -> dict[str, Any]:
        rows = rows or [make_row(n) for n in range(part.first, part.last + 1)]
        stored = store(self.results / part.name, part, [to_table(rows)])
        return {
            "first": part.first,
            "last": part.last,
            "rows": part.rows,
            "bytes": stored.bytes,
            "part": part.name,
            "digest": stored.digest,
        }

    def written(self, first: int, last: int) -> None:
        for row in range(first, last + 1):
            self.ended(row)
        self.log(RowsWritten(**self.store(Part(first, last)), waited_s=0.0))

    def finished(self) -> None:
        self.log(RunEnded(status="finished", why="", exit_code=0))

    def verify(self) -> VerifyReport:
        report = verify(self.folder)
        assert report.ok == (not faults(report))
        return report


def faults(report: VerifyReport) -> bool:
    log = report.log
    return bool(
        report.doubled
        or report.missing
        or report.gaps
        or report.bad_parts
        or log.undecodable
        or log.out_of_sequence
    )


@pytest.fixture
def run(tmp_path: Path) -> Run:
    made = Run(tmp_path)
    made.written(1, 3)
    made.written(4, 4)
    return made


def test_a_sound_run_is_ok(run: Run) -> None:
    run.finished()
    report = run.verify()
    assert report.ok
    assert (report.rows, report.log.events, report.findings) == (4, 7, [])
    shown = msgspec.json.decode(msgspec.json.encode(report))
    assert {"ok", "rows", "doubled", "missing", "gaps", "bad_parts", "log"} <= set(shown)
    assert {"events", "torn_bytes", "unknown"} <= set(shown["log"])


def test_a_compacted_run_is_ok_with_and_without_its_members(run: Run) -> None:
    run.log(PartsCompacted(**run.store(Part(1, 4)), members=2))
    assert run.verify().rows == 4
    (run.results / Part(1, 3).name).unlink()
    (run.results / Part(4, 4).name).unlink()
    run.finished()
    assert run.verify().rows == 4


def test_parts_newer_than_the_log_are_rows(run: Run) -> None:
    run.ended(5)
    run.store(Part(5, 5))
    report = run.verify()
    assert (report.ok, report.rows, report.unrecorded) == (True, 5, 0)


def test_a_row_that_is_awaited_is_not_missing_before_the_run_has_finished(run: Run) -> None:
    run.ended(5)
    assert (run.verify().ok, run.verify().unrecorded) == (True, 1)
    run.finished()
    report = run.verify()
    assert (report.missing, report.unrecorded) == (1, 0)
    assert report.findings == ["attempt attempt-5 ended, but its row 5 is not there"]


@pytest.mark.parametrize(("name", "first", "last", "gone"), [("first", 1, 3, 3), ("last", 4, 4, 1)])
def test_a_lost_part_is_a_gap_and_its_attempts_are_missing(
    run: Run, name: str, first: int, last: int, gone: int
) -> None:
    (run.results / Part(first, last).name).unlink()
    report = run.verify()
    assert (report.gaps, report.missing, report.rows) == (1, gone, 4 - gone)
    assert f"rows {first}..{last} are in no file" in report.findings


def test_two_rows_of_one_attempt_are_doubled(run: Run) -> None:
    run.store(Part(5, 6), [make_row(4), make_row(5)])
    report = run.verify()
    assert (report.doubled, report.rows) == (1, 6)


def test_parts_that_overlap_are_told(run: Run) -> None:
    run.store(Part(4, 6), [make_row(4), make_row(5), make_row(6)])
    run.store(Part(6, 7), [make_row(6), make_row(7)])
    report = run.verify()
    assert report.doubled == 1
    assert "rows 6..6 are in two files" in report.findings


def test_a_name_that_promises_other_rows_is_bad(run: Run) -> None:
    run.store(Part(5, 5))
    (run.results / Part(5, 5).name).rename(run.results / Part(5, 7).name)
    report = run.verify()
    assert [(bad.file, bad.problem) for bad in report.bad_parts] == [
        (Part(5, 7).name, "it holds 1 rows, its name says 3")
    ]


def test_a_bad_part_is_named_and_its_attempts_are_not_called_missing(run: Run) -> None:
    path = run.results / Part(1, 3).name
    data = bytearray(path.read_bytes())
    data[100] ^= 8
    path.write_bytes(data)
    run.finished()
    report = run.verify()
    assert [bad.file for bad in report.bad_parts] == [path.name]
    assert (report.missing, report.gaps, report.rows) == (0, 0, 1)


def garbage(run: Run) -> None:
    (run.results / "r-x.parquet").write_bytes(b"PAR1")


def empty(run: Run) -> None:
    (run.results / Part(5, 5).name).touch()


def folder(run: Run) -> None:
    (run.results / Part(5, 5).name).mkdir()


@pytest.mark.parametrize("damage", [garbage, empty, folder])
def test_foreign_files_are_bad_parts(run: Run, damage: Callable[[Run], None]) -> None:
    damage(run)
    assert len(run.verify().bad_parts) == 1


def test_the_log_is_judged_by_parse_sequence_and_tail(run: Run) -> None:
    with (run.folder / "events.jsonl").open("ab") as file:
        file.write(b"{}\n" + b'{"type":"New","seq":7,"at":0}\n' + b'{"type":')
    run.seq = 8
    report = run.verify()
    assert report.log.undecodable == 1
    assert report.log.unknown == 1
    assert report.log.out_of_sequence == 0
    assert report.log.torn_bytes == 8
    assert not report.ok


def test_a_missing_line_breaks_the_sequence(run: Run) -> None:
    path = run.folder / "events.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:2] + lines[3:]))
    assert run.verify().log.out_of_sequence == 1


def test_an_empty_folder_is_not_ok_and_no_traceback(tmp_path: Path) -> None:
    report = verify(tmp_path)
    assert not report.ok
    assert report.findings == ["events.jsonl is not there"]


def test_too_few_descriptors_are_no_damage(run: Run) -> None:
    part = run.results / Part(1, 3).name
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            problem_of(part, Part(1, 3), None)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert problem_of(part, Part(1, 3), None) == ""
