"""The end of a log that its disk did not take: saved elsewhere, read there, moved back."""

import errno
import os
import tempfile
from pathlib import Path

import msgspec
import pytest
from support.storing import WAIT_S, FaultyDisk, eventually

from runner.core import events as ev
from runner.engine import elsewhere
from runner.engine.log import EVENTS, EventLog, read_all
from runner.past.history import History
from runner.past.tail import Tail


@pytest.fixture
def other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The temporary folder of this test."""
    folder = tmp_path / "other"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
    return folder


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "run.json").write_bytes(msgspec.json.encode({"run_id": "night"}))
    return folder


def event(seq: int) -> ev.Event:
    return ev.Logged(seq=seq, at=float(seq), attempt_id="a", worker=0, text=f"line {seq}")


def lines(first: int, last: int) -> bytes:
    return b"".join(ev.encode(event(seq)) for seq in range(first, last + 1))


def in_log(run_dir: Path) -> list[int]:
    return [found.seq for found in read_all(run_dir / EVENTS, ev.decode_lines).events]


@pytest.mark.parametrize("synced", [0, 1, 5])
@pytest.mark.parametrize("cut", [0, 1, 40, 130], ids=lambda cut: f"{cut}-bytes-went")
def test_what_the_disk_did_not_take_is_read_and_moved_back(
    run_dir: Path, other: Path, synced: int, cut: int
) -> None:
    disk = FaultyDisk()
    log = EventLog(run_dir, disk=disk)
    log.start()
    for seq in range(1, synced + 1):
        log.append(lines(seq, seq), sync=True)
        eventually(lambda: not log.status().behind_bytes)
    disk.broken = OSError(errno.ENOSPC, "No space left on device")
    for seq in range(synced + 1, 11):
        log.append(lines(seq, seq), sync=seq % 3 == 0)
    eventually(lambda: log.status().error)
    assert not log.close(0.2)
    path = elsewhere.save(other, "night", log.unwritten())
    # What a half write left beyond the last whole one: nothing, a torn line, whole lines.
    (run_dir / EVENTS).write_bytes(lines(1, synced) + lines(synced + 1, 10)[:cut])
    whole = in_log(run_dir)
    last = event(whole[-1]) if whole else None
    assert [found.seq for found in elsewhere.rest_of(run_dir, last)] == list(
        range(len(whole) + 1, 11)
    )
    history = History(run_dir).refresh()
    assert (history.events, history.state_at(99.0).seq) == (10, 10)
    assert elsewhere.adopt(run_dir, last)
    assert in_log(run_dir) == list(range(1, 11))
    assert not path.exists()
    assert history.refresh().events == 10
    history.close()


def test_a_file_of_an_earlier_end_fits_no_log_that_went_on_without_it(
    run_dir: Path, other: Path
) -> None:
    elsewhere.save(other, "night", lines(3, 9))
    (run_dir / EVENTS).write_bytes(lines(1, 3))
    assert len(elsewhere.rest_of(run_dir, event(3))) == 6
    other_way = ev.Logged(seq=4, at=4.0, attempt_id="b", worker=0, text="resumed without it")
    assert elsewhere.rest_of(run_dir, other_way) == []
    assert elsewhere.rest_of(run_dir, event(9)) == []
    assert not elsewhere.adopt(run_dir, other_way)


def test_a_hole_ends_what_is_taken(run_dir: Path, other: Path) -> None:
    elsewhere.save(other, "night", lines(3, 5) + b"garbage\n" + lines(7, 9))
    assert [found.seq for found in elsewhere.rest_of(run_dir, event(3))] == [4, 5]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make another's file")
def test_a_file_of_another_user_is_not_ours(run_dir: Path, other: Path) -> None:
    path = elsewhere.save(other, "night", lines(1, 9))
    assert len(elsewhere.rest_of(run_dir, None)) == 9
    os.chown(path, 65534, 65534)
    assert elsewhere.rest_of(run_dir, None) == []
    assert not elsewhere.adopt(run_dir, None)
    assert path.exists()


def test_a_tail_that_read_the_end_elsewhere_begins_anew_after_a_resume(
    run_dir: Path, other: Path
) -> None:
    (run_dir / EVENTS).write_bytes(lines(1, 3))
    elsewhere.save(other, "night", lines(3, 9))
    tail = Tail(run_dir)
    first, second = tail.poll(), tail.poll()
    assert first is not None
    assert second is not None
    assert [found.seq for found in first.events + second.events] == list(range(1, 10))
    assert tail.poll() is None
    elsewhere.adopt(run_dir, event(3))
    log = EventLog(run_dir)
    log.start()
    log.append(lines(10, 10))
    assert log.close(WAIT_S)
    third = tail.poll()
    assert third is not None
    assert (third.restarted, len(third.events)) == (True, 10)
    tail.close()
