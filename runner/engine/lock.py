"""The run's lock: flock on a file that is never deleted, so that one engine holds a folder.

The kernel frees it with the process, kill -9 included. What stands inside is for messages only.
"""

import contextlib
import errno
import fcntl
import os
import time
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from runner.errors import RunError, RunLocked

TRIES: Final = 10
WAIT_S: Final = 0.05
_NO_LOCKS: Final = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)


class Holder(Struct):
    """Who holds the lock, in words for a message."""

    pid: int
    boot_id: str
    started: float


def acquire(path: Path, holder: Holder) -> int:
    """The lock's descriptor; keep it open for as long as the engine lives.

    `RunLocked` names the other engine; `RunError` if the file system has no working locks. Viewers
    look at the lock by taking it shared for a moment, so a few tries are made.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    for attempt in range(TRIES):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if attempt == TRIES - 1:
                text = _who(handle)
                os.close(handle)
                raise RunLocked(f"{path.parent} is held by another engine{text}") from None
            time.sleep(WAIT_S)
        except OSError as error:
            os.close(handle)
            if error.errno in _NO_LOCKS:
                text = f"{path.parent} lies on a file system without working locks"
                raise RunError(f"{text}; use a local disk (--runs-dir)") from error
            raise
    with contextlib.suppress(OSError):  # a full disk: the lock holds, only the words are missing
        os.ftruncate(handle, 0)
        os.pwrite(handle, msgspec.json.encode(holder) + b"\n", 0)
    return handle


def _who(handle: int) -> str:
    try:
        found = msgspec.json.decode(os.pread(handle, 4096, 0), type=Holder)
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(found.started))
    except (msgspec.MsgspecError, UnicodeDecodeError, OSError, OverflowError, ValueError):
        return ""
    return f": pid {found.pid}, started {since}"


def boot_id() -> str:
    """The kernel's name for this boot; empty where there is none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""
