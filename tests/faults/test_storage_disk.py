"""A disk in trouble: each errno at each step, half writes, stalls, a folder that vanishes.

Nothing acknowledged is lost, rows wait in memory under the same name, and it goes on by itself.
"""

import errno
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.storing import WAIT_S, FaultyDisk, Inbox, eventually, line, make_row

from runner.core.events import decode_lines
from runner.engine.durable import write_file
from runner.engine.log import EVENTS, TRANSCRIPT, EventLog, TranscriptReader
from runner.engine.results import (
    CompactFailed,
    Failed,
    Finished,
    Part,
    Recovered,
    Written,
    live,
)
from runner.engine.results.read import recorded
from runner.engine.results.writer import ResultsWriter

ERRNOS = [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EMFILE, errno.EFBIG, errno.ENOENT]
STEPS = ["create", "write", "sync", "close", "replace", "sync_folder"]


@pytest.fixture
def disk() -> FaultyDisk:
    return FaultyDisk()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "results"
    path.mkdir()
    return path


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def writer(folder: Path, inbox: Inbox, disk: FaultyDisk) -> Iterator[ResultsWriter]:
    made = ResultsWriter(folder, inbox.notices, next_row=1, disk=disk, merge_at=8, budget_rows=5)
    made.start()
    yield made
    disk.heal()
    assert made.close(WAIT_S)


@pytest.fixture
def log(tmp_path: Path, disk: FaultyDisk) -> Iterator[EventLog]:
    made = EventLog(tmp_path, disk=disk)
    made.start()
    yield made
    disk.heal()
    assert made.close(WAIT_S)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("number", ERRNOS, ids=lambda number: errno.errorcode[number])
def test_rows_survive_each_error_at_each_step(
    folder: Path,
    inbox: Inbox,
    disk: FaultyDisk,
    writer: ResultsWriter,
    step: str,
    number: int,
) -> None:
    writer.put(1, make_row(1))
    inbox.durable(1)
    disk.fail(step, number)
    writer.put(2, make_row(2))
    failed = inbox.wait(Failed)
    assert errno.errorcode[number] in failed.error
    assert failed.waiting == 1
    told = inbox.durable(2)
    assert inbox.of(Recovered)[0].waited_s > 0
    assert told.part == Part(2, 2).name
    assert [found.attempt_id for found in recorded(folder)] == ["attempt-1", "attempt-2"]
    assert not [path for path in folder.iterdir() if path.suffix == ".tmp"]
    assert writer.status().error == ""
    assert disk.synced_after_failure == []


def test_memory_is_bounded_by_pausing_while_the_disk_is_full(
    folder: Path, inbox: Inbox, disk: FaultyDisk, writer: ResultsWriter
) -> None:
    disk.broken = OSError(errno.ENOSPC, "No space left on device")
    room = [writer.put(number, make_row(number)) for number in range(1, 9)]
    assert room == [True] * 4 + [False] * 4
    inbox.wait(Failed)
    status = writer.status()
    assert status.waiting == 8
    assert "the disk is full" in status.error
    assert inbox.of(Written) == []
    disk.broken = None
    inbox.durable(8)
    assert writer.has_room
    assert [found.row for found in recorded(folder)] == list(range(1, 9))
    assert len(inbox.of(Failed)) == 1


def test_a_stalled_disk_stops_no_put_and_is_told_in_words(
    inbox: Inbox, disk: FaultyDisk, writer: ResultsWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.engine.results.writer.STALL_S", 0.05)
    disk.gate.clear()
    started = time.monotonic()
    for number in range(1, 4):
        writer.put(number, make_row(number))
    assert time.monotonic() - started < 1.0
    assert disk.stalled.wait(WAIT_S)
    eventually(lambda: "has not answered" in writer.status().error)
    assert writer.status().waiting == 3
    disk.gate.set()
    inbox.durable(3)
    assert writer.status().error == ""


def test_a_folder_that_vanishes_and_returns(
    folder: Path, inbox: Inbox, writer: ResultsWriter
) -> None:
    writer.put(1, make_row(1))
    inbox.durable(1)
    away = folder.rename(folder.with_name("away"))
    writer.put(2, make_row(2))
    assert "the folder is gone" in inbox.wait(Failed).error
    assert not folder.exists()
    away.rename(folder)
    inbox.durable(2)
    assert [found.row for found in recorded(folder)] == [1, 2]


def test_a_merge_that_finds_no_room_leaves_the_parts_as_they_are(
    folder: Path, inbox: Inbox, disk: FaultyDisk, writer: ResultsWriter
) -> None:
    for number in range(1, 6):
        writer.put(number, make_row(number))
        inbox.durable(number)
    disk.fail("write", errno.ENOSPC, times=1)
    writer.finish()
    inbox.wait(Finished)
    assert "the disk is full" in inbox.of(CompactFailed)[0].error
    assert len(live(folder).parts) == 5
    assert [found.row for found in recorded(folder)] == [1, 2, 3, 4, 5]


def test_rows_of_a_dead_disk_go_to_an_emergency_file(
    folder: Path, tmp_path: Path, inbox: Inbox, disk: FaultyDisk
) -> None:
    made = ResultsWriter(folder, inbox.notices, next_row=1, disk=disk)
    made.start()
    disk.gate.clear()
    for number in (1, 2):
        made.put(number, make_row(number))
    assert disk.stalled.wait(WAIT_S)
    assert not made.close(0.1)
    saved = made.emergency(tmp_path / "other")
    assert saved is not None
    assert Part(1, 2).name in saved.name
    disk.gate.set()


@pytest.mark.parametrize("step", ["write", "sync"])
@pytest.mark.parametrize("number", ERRNOS, ids=lambda number: errno.errorcode[number])
def test_the_log_survives_each_error(
    tmp_path: Path, disk: FaultyDisk, log: EventLog, step: str, number: int
) -> None:
    place = log.place(b"first")
    log.append(line(1), sync=True)
    eventually(lambda: log.status().behind_bytes == 0)
    disk.fail(step, number)
    second = log.place(b"second")
    log.append(line(2) + line(3), sync=True)
    log.append(line(4), sync=True)
    assert log.close(WAIT_S)
    assert errno.errorcode[number] in log.troubles()[0].error
    assert (tmp_path / EVENTS).read_bytes() == b"".join(line(seq) for seq in range(1, 5))
    assert (tmp_path / TRANSCRIPT).read_bytes() == b"first\nsecond\n"
    assert TranscriptReader(tmp_path).read(*place) == b"first"
    assert TranscriptReader(tmp_path).read(*second) == b"second"
    assert log.status().error == ""


def test_a_stalled_disk_delays_no_append_and_a_close_that_fails_says_so(
    tmp_path: Path, disk: FaultyDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.engine.log.writer.STALL_S", 0.05)
    log = EventLog(tmp_path, disk=disk)
    log.start()
    disk.gate.clear()
    log.append(line(1), sync=True)
    assert disk.stalled.wait(WAIT_S)
    log.append(line(2))
    eventually(lambda: "has not answered" in log.status().error)
    assert log.status().behind_bytes == len(line(1) + line(2))
    assert not log.close(0.1)
    disk.gate.set()


def test_a_failed_fsync_of_the_log_writes_the_bytes_again(
    tmp_path: Path, disk: FaultyDisk, log: EventLog
) -> None:
    log.append(line(1))
    eventually(lambda: log.status().behind_bytes == 0)
    disk.calls.clear()
    disk.fail("sync", errno.EIO, times=1)
    log.append(line(2), sync=True)
    assert log.close(WAIT_S)
    assert disk.synced_after_failure == []
    # The old descriptor is given up, and both events are written again through a new one.
    assert disk.calls[:5] == ["write", "sync", "close", "write", "sync"]
    assert (tmp_path / EVENTS).read_bytes() == line(1) + line(2)


def test_a_follower_never_sees_a_line_twice_while_writes_fail_half_way(
    tmp_path: Path, disk: FaultyDisk, log: EventLog
) -> None:
    from runner.engine.log import LogReader

    reader = LogReader(tmp_path / EVENTS)
    seen: list[int] = []

    def look() -> bool:
        if chunk := reader.poll():
            assert not chunk.restarted
            seen.extend(event.seq for event in decode_lines(chunk.data)[0])
        return len(seen) == 60

    disk.fail("write", errno.ENOSPC, times=3)
    log.append(b"".join(line(seq) for seq in range(1, 51)))
    log.append(b"".join(line(seq) for seq in range(51, 61)))
    eventually(look)
    assert seen == list(range(1, 61))
    reader.close()


def test_a_full_log_says_how_far_it_is_behind_and_refuses_nothing(
    disk: FaultyDisk, log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.engine.log.writer.BUDGET_BYTES", 100)
    disk.broken = OSError(errno.ENOSPC, "No space left on device")
    assert [log.append(line(seq)) for seq in (1, 2)] == [True, False]
    eventually(lambda: "the disk is full" in log.status().error)
    assert log.status().behind_bytes == len(line(1) + line(2))
    assert not log.has_room
    disk.broken = None
    eventually(lambda: log.has_room and not log.status().error)
    assert log.troubles()[0].for_s > 0
    assert log.troubles() == []


@pytest.mark.parametrize("step", STEPS)
def test_a_small_file_is_whole_old_or_whole_new(
    tmp_path: Path, disk: FaultyDisk, step: str
) -> None:
    path = tmp_path / "run.json"
    write_file(path, b"old")
    disk.fail(step, errno.EIO, times=1)
    with pytest.raises(OSError, match="Input/output"):
        write_file(path, b"new" * 100, disk)
    assert path.read_bytes() == (b"new" * 100 if step == "sync_folder" else b"old")
    assert [left.name for left in tmp_path.iterdir()] == ["run.json"]
