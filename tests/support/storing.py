"""Rows, lines and notices for tests of the storage, and disks that get into trouble on demand."""

import contextlib
import errno
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runner.core.events import TurnStarted, encode
from runner.core.rows import Row
from runner.engine.durable import RealDisk
from runner.engine.results import Finished, Notice, Notices, Written

WAIT_S = 20.0


def make_row(number: int, **fields: Any) -> Row:
    """The row of attempt ``attempt-<number>``, passed, with these fields instead of its own."""
    made = {
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
    }
    return Row(**{**made, **fields})


def line(seq: int) -> bytes:
    """A line of the log."""
    return encode(TurnStarted(seq=seq, at=1.0, attempt_id=f"a{seq}", worker=0, turn=seq))


def eventually(fits: Callable[[], object]) -> None:
    """Return as soon as ``fits`` is true; the test fails after `WAIT_S`."""
    until = time.monotonic() + WAIT_S
    while not fits():
        assert time.monotonic() < until
        time.sleep(0.005)


class Inbox:
    """The engine's side of the notices: waits for one that fits."""

    def __init__(self) -> None:
        self._woken = threading.Semaphore(0)
        self.notices = Notices(self._woken.release)
        self.seen: list[Notice] = []

    def wait(
        self,
        kind: type[Any],
        fits: Callable[[Any], bool] = lambda _: True,
        timeout_s: float = WAIT_S,
    ) -> Any:
        """The first notice of that kind for which ``fits`` is true, an old one too."""
        until = time.monotonic() + timeout_s
        at = 0
        while True:
            self.seen += self.notices.drain()
            for notice in self.seen[at:]:
                if isinstance(notice, kind) and fits(notice):
                    return notice
            at = len(self.seen)
            assert self._woken.acquire(timeout=max(0.0, until - time.monotonic())), self.seen

    def durable(self, last: int) -> Written:
        """The notice that the rows up to ``last`` are safe."""
        return self.wait(Written, lambda notice: notice.last >= last)

    def finished(self) -> Finished:
        """The notice that everything is merged."""
        return self.wait(Finished)

    def of(self, kind: type[Any]) -> list[Any]:
        """All notices of that kind so far."""
        self.seen += self.notices.drain()
        return [notice for notice in self.seen if isinstance(notice, kind)]


class FaultyDisk(RealDisk):
    """The real disk, but the next calls of a step fail, or wait, or write half.

    While ``broken`` is set every call raises it; while ``gate`` is closed every call waits.
    """

    def __init__(self) -> None:
        self._faults: dict[str, list[int]] = {}
        self.broken: OSError | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.stalled = threading.Event()
        self.calls: list[str] = []
        self.synced_after_failure: list[int] = []
        self._failed_fds: set[int] = set()

    def fail(self, step: str, number: int, times: int = 2) -> None:
        """Let the next ``times`` calls of ``step`` fail with errno ``number``."""
        self._faults[step] = [number] * times

    def heal(self) -> None:
        """No trouble any more."""
        self.broken = None
        self.gate.set()

    def _pass(self, step: str) -> None:
        self.calls.append(step)
        if not self.gate.is_set():
            self.stalled.set()
            assert self.gate.wait(WAIT_S)
        if self.broken is not None:
            raise self.broken
        left = self._faults.get(step)
        if left:
            raise OSError(left.pop(), os.strerror(errno.EIO))

    def create(self, path: Path) -> int:
        self._pass("create")
        fd = super().create(path)
        self._failed_fds.discard(fd)
        return fd

    def append(self, path: Path) -> int:
        fd = super().append(path)
        self._failed_fds.discard(fd)
        return fd

    def write(self, fd: int, data: memoryview, offset: int) -> int:
        try:
            self._pass("write")
        except OSError:
            super().write(fd, data[: len(data) // 2], offset)
            raise
        return super().write(fd, data, offset)

    def sync(self, fd: int) -> None:
        if fd in self._failed_fds:
            self.synced_after_failure.append(fd)
        try:
            self._pass("sync")
        except OSError:
            self._failed_fds.add(fd)
            raise
        super().sync(fd)

    def close(self, fd: int) -> None:
        super().close(fd)
        self._pass("close")

    def replace(self, source: Path, target: Path) -> None:
        self._pass("replace")
        super().replace(source, target)

    def sync_folder(self, folder: Path) -> None:
        self._pass("sync_folder")
        super().sync_folder(folder)


@contextlib.contextmanager
def small_disk(folder: Path, size_bytes: int) -> Iterator[Path]:
    """A tmpfs of that size, mounted at ``folder``; the test is skipped where that is forbidden."""
    with _mounted(folder, "-t", "tmpfs", "-o", f"size={size_bytes}", "none"):
        yield folder


@contextlib.contextmanager
def block_disk(folder: Path, image: Path, size_bytes: int) -> Iterator[Path]:
    """A file system of its own in the file ``image``, mounted at ``folder``: it can be frozen."""
    with image.open("wb") as file:
        file.truncate(size_bytes)
    _or_skip("mkfs.ext4", "-q", str(image))
    with _mounted(folder, "-o", "loop", str(image)):
        yield folder


@contextlib.contextmanager
def _mounted(folder: Path, *how: str) -> Iterator[None]:
    folder.mkdir()
    _or_skip("mount", *how, str(folder))
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def _or_skip(*command: str) -> None:
    """Run it; skip the test where this user or machine cannot."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip(f"there is no {command[0]} here")
    if done.returncode:
        pytest.skip(f"{command[0]} is not possible here: {done.stderr.strip()}")


def fill(disk: Path) -> Path:
    """A file that takes all the room that the disk has."""
    ballast = disk / "ballast"
    block = bytes(64 * 1024)
    with ballast.open("wb", buffering=0) as file:
        while block:
            try:
                file.write(block)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                block = block[: len(block) // 2]
    return ballast
