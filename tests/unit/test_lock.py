"""One engine a folder: a second process is refused, a killed one holds nothing."""

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.engine import lock
from runner.engine.lock import Holder, acquire, boot_id
from runner.errors import RunError, RunLocked
from runner.runs import LOCK, engine_alive

HOLD = """
import os, sys, time
from pathlib import Path
from runner.engine.lock import Holder, acquire
acquire(Path(sys.argv[1]), Holder(os.getpid(), "boot", 1_700_000_000.0))
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLD, str(tmp_path / LOCK)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_process_is_refused_with_the_pid_and_start_of_the_first(
    holder: subprocess.Popen[str], tmp_path: Path
) -> None:
    assert engine_alive(tmp_path)
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(1_700_000_000))
    with pytest.raises(RunLocked) as refused:
        acquire(tmp_path / LOCK, Holder(os.getpid(), "", 0.0))
    assert f"pid {holder.pid}, started {since}" in str(refused.value)
    assert holder.poll() is None


def test_sigkill_frees_it(holder: subprocess.Popen[str], tmp_path: Path) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait(10)
    assert not engine_alive(tmp_path)
    handle = acquire(tmp_path / LOCK, Holder(1, "", 0.0))
    assert engine_alive(tmp_path)
    os.close(handle)
    assert not engine_alive(tmp_path)


def test_a_viewer_that_looks_at_that_moment_refuses_nobody(tmp_path: Path) -> None:
    import fcntl

    path = tmp_path / LOCK
    path.touch()
    looking = os.open(path, os.O_RDONLY)
    fcntl.flock(looking, fcntl.LOCK_SH)
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        fcntl.flock(looking, fcntl.LOCK_UN)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lock.time, "sleep", sleep)
        handle = acquire(path, Holder(1, "", 0.0))
    assert waits == [lock.WAIT_S]
    os.close(handle)
    os.close(looking)


@pytest.mark.parametrize(
    "inside",
    [
        b"",
        b"garbage",
        b'{"pid": "x"}',
        b'{"boot_id":"\xff"}',
        b'{"pid":1,"boot_id":"","started":1e300}',
    ],
)
def test_what_stands_inside_is_for_messages_only(tmp_path: Path, inside: bytes) -> None:
    path = tmp_path / LOCK
    path.write_bytes(inside)
    first = acquire(path, Holder(1, "", 0.0))
    os.ftruncate(first, 0)
    os.pwrite(first, inside, 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lock, "WAIT_S", 0.0)
        with pytest.raises(RunLocked, match=r"is held by another engine$"):
            acquire(path, Holder(2, "", 0.0))
    os.close(first)


def test_the_boot_has_a_name() -> None:
    assert len(boot_id()) == 36
    assert boot_id() == boot_id()


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL])
def test_a_folder_without_working_locks_is_refused_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    import fcntl

    def refuse(_handle: int, _how: int) -> None:
        raise OSError(code, os.strerror(code))

    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(RunError, match="without working locks; use a local disk") as refused:
        acquire(tmp_path / LOCK, Holder(1, "", 0.0))
    assert not isinstance(refused.value, RunLocked)
    assert str(tmp_path) in str(refused.value)
    assert not engine_alive(tmp_path)  # a list of runs goes on
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_an_error_that_has_nothing_to_do_with_locks_stays_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    def fail(_handle: int, _how: int) -> None:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(fcntl, "flock", fail)
    with pytest.raises(OSError, match="broken"):
        acquire(tmp_path / LOCK, Holder(1, "", 0.0))
