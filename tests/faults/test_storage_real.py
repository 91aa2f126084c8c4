"""Disks and limits that are really in trouble: a full tmpfs, a read-only one, EFBIG, EMFILE."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.storing import WAIT_S, Inbox, eventually, fill, line, make_row, small_disk

from runner.core.events import decode_lines
from runner.engine.durable import NewFile
from runner.engine.log import EVENTS, EventLog, read_all
from runner.engine.results import Failed, Finished, Recovered, parts_in
from runner.engine.results.read import recorded
from runner.engine.results.writer import ResultsWriter


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A tmpfs of 1 MB."""
    with small_disk(tmp_path / "mnt", 1024 * 1024) as folder:
        yield folder


def remount(mount: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(mount)], check=True)


@pytest.mark.parametrize("trouble", ["full", "read-only"])
def test_rows_and_log_on_a_real_disk_in_trouble(disk: Path, inbox: Inbox, trouble: str) -> None:
    results = disk / "results"
    results.mkdir()
    log = EventLog(disk)
    log.start()
    writer = ResultsWriter(results, inbox.notices, next_row=1)
    writer.start()
    writer.put(1, make_row(1))
    log.append(line(1), sync=True)
    inbox.durable(1)
    eventually(lambda: log.status().behind_bytes == 0)
    ballast: Path | None = None
    if trouble == "full":
        ballast = fill(disk)
        word = "the disk is full"
        events = b"".join(line(seq) for seq in range(2, 200))
    else:
        # An open descriptor for writing forbids a read-only remount: only the rows can fail.
        log.close(WAIT_S)
        remount(disk, "ro")
        word = "read-only"
        events = b""
    writer.put(2, make_row(2, messages=os.urandom(30_000).hex()))
    if events:
        log.append(events, sync=True)
        eventually(lambda: word in log.status().error)
    assert word in inbox.wait(Failed).error
    assert writer.status().waiting == 1
    if ballast is not None:
        ballast.unlink()
    else:
        remount(disk, "rw")
    inbox.durable(2)
    assert inbox.of(Recovered)
    assert [found.row for found in recorded(results)] == [1, 2]
    if events:
        assert log.close(WAIT_S)
        found = read_all(disk / EVENTS, decode_lines)
        assert [event.seq for event in found.events] == list(range(1, 200))
    writer.finish()
    inbox.wait(Finished)
    assert writer.close(WAIT_S)


_LIMITED = """
    import resource, sys, threading, time
    from pathlib import Path
    import pyarrow.parquet  # libraries first: they need descriptors too
    from runner.core.rows import Row
    from runner.engine.results import Failed, Notices, Recovered, Written, live
    from runner.engine.results import partfile, schema
    from runner.engine.results.writer import ResultsWriter

    kind, folder = sys.argv[1], Path(sys.argv[2])
    woken = threading.Semaphore(0)
    notices = Notices(woken.release)
    writer = ResultsWriter(folder, notices, next_row=1)
    writer.start()

    def put(number):
        writer.put(number, Row(run_id="r", task_id=str(number), attempt=1, attempt_id=str(number),
            model="m", deployment="d", endpoint="e", outcome="passed", started_at=0.0,
            elapsed_s=0.0, worker=0, host=0))

    seen = []

    def wait(wanted):
        until = time.monotonic() + 20
        while time.monotonic() < until:
            seen.extend(notices.drain())
            for notice in seen:
                if isinstance(notice, wanted):
                    seen.remove(notice)
                    return notice
            woken.acquire(timeout=1)
        raise SystemExit(f"no {wanted.__name__}: {writer.status()}")

    put(1)
    wait(Written)
    which = resource.RLIMIT_FSIZE if kind == "EFBIG" else resource.RLIMIT_NOFILE
    before = resource.getrlimit(which)
    resource.setrlimit(which, (1000 if kind == "EFBIG" else 3, before[1]))
    put(2)
    error = wait(Failed).error
    resource.setrlimit(which, before)
    wait(Recovered)
    wait(Written)
    assert kind in error, error
    assert len(live(folder).parts) == 2
    writer.finish()
    print("recovered")
"""


@pytest.mark.parametrize("kind", ["EFBIG", "EMFILE"])
def test_real_limits_of_the_process(tmp_path: Path, kind: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(_LIMITED), kind, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.stdout.strip() == "recovered", done.stderr
    assert parts_in(tmp_path)


def test_an_interrupted_file_leaves_no_trace(tmp_path: Path) -> None:
    def interrupted() -> None:
        with NewFile(tmp_path / "x") as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []
