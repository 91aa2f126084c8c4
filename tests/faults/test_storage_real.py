"""Disks and limits that are really in trouble: a full tmpfs, a read-only one, EFBIG, EMFILE."""

import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runner.core.events import TurnStarted, decode_lines, encode
from runner.core.rows import Row
from runner.engine.durable import NewFile
from runner.engine.log import EVENTS, EventLog, read_all
from runner.engine.results import Failed, Finished, Notice, Notices, Recovered, Written, parts_in
from runner.engine.results.read import recorded
from runner.engine.results.writer import ResultsWriter

WAIT_S = 20.0


def make_row(number: int, **fields: Any) -> Row:
    return Row(
        **{
            "run_id": "run",
            "task_id": f"task-{number}",
            "attempt": 1,
            "attempt_id": f"attempt-{number}",
            "model": "m",
            "deployment": "d",
            "endpoint": "e",
            "outcome": "passed",
            "started_at": 1.7e9,
            "elapsed_s": 1.0,
            "worker": 0,
            "host": 0,
            **fields,
        }
    )


class Inbox:
    def __init__(self) -> None:
        self._woken = threading.Semaphore(0)
        self.notices = Notices(self._woken.release)
        self.seen: list[Notice] = []

    def wait(self, kind: type[Any], fits: Callable[[Any], bool] = lambda _: True) -> Any:
        until = time.monotonic() + WAIT_S
        while True:
            self.seen += self.notices.drain()
            for notice in self.seen:
                if isinstance(notice, kind) and fits(notice):
                    return notice
            assert self._woken.acquire(timeout=max(0.0, until - time.monotonic())), self.seen

    def durable(self, last: int) -> Written:
        return self.wait(Written, lambda notice: notice.last >= last)

    def of(self, kind: type[Any]) -> list[Any]:
        self.seen += self.notices.drain()
        return [notice for notice in self.seen if isinstance(notice, kind)]


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


def line(seq: int) -> bytes:
    return encode(TurnStarted(seq=seq, at=1.0, attempt_id=f"a{seq}", worker=0, turn=seq))


def eventually(fits: Callable[[], bool]) -> None:
    until = time.monotonic() + WAIT_S
    while not fits():
        assert time.monotonic() < until
        time.sleep(0.005)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A tmpfs of 1 MB."""
    mount = tmp_path / "mnt"
    mount.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounting a tmpfs takes root")
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(mount)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"no tmpfs here: {done.stderr.strip()}")
    yield mount
    subprocess.run(["umount", "-l", str(mount)], check=True)


def remount(mount: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(mount)], check=True)


@pytest.mark.parametrize("trouble", ["full", "read-only"])
def test_rows_and_log_on_a_real_disk_in_trouble(
    small_disk: Path, inbox: Inbox, trouble: str
) -> None:
    results = small_disk / "results"
    results.mkdir()
    log = EventLog(small_disk)
    log.start()
    writer = ResultsWriter(results, inbox.notices, next_row=1)
    writer.start()
    writer.put(1, make_row(1))
    log.append(line(1), sync=True)
    inbox.durable(1)
    eventually(lambda: log.status().behind_bytes == 0)
    if trouble == "full":
        with pytest.raises(OSError, match="No space"):
            (small_disk / "fill").write_bytes(b"x" * 2_000_000)
        word = "the disk is full"
        events = b"".join(line(seq) for seq in range(2, 200))
    else:
        # An open descriptor for writing forbids a read-only remount: only the rows can fail.
        log.close(WAIT_S)
        remount(small_disk, "ro")
        word = "read-only"
        events = b""
    writer.put(2, make_row(2, messages=os.urandom(30_000).hex()))
    if events:
        log.append(events, sync=True)
        eventually(lambda: word in log.status().error)
    assert word in inbox.wait(Failed).error
    assert writer.status().waiting == 1
    if trouble == "full":
        (small_disk / "fill").unlink()
    else:
        remount(small_disk, "rw")
    inbox.durable(2)
    assert inbox.of(Recovered)
    assert [found.row for found in recorded(results)] == [1, 2]
    if events:
        assert log.close(WAIT_S)
        found = read_all(small_disk / EVENTS, decode_lines)
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
