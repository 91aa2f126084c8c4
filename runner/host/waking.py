"""What a wait is made of on this system: a descriptor that wakes it, a timeout, a process's end.

Apart from the scope because only this differs between Linux and the others.
"""

import math
import os
import sys


def open_wake() -> tuple[int, int]:
    """A descriptor that becomes readable, and the one to write to for it (eventfd on Linux)."""
    if sys.platform == "linux":
        fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        return fd, fd
    readable, writable = os.pipe()
    os.set_blocking(writable, False)
    return readable, writable


def poll_ms(seconds: float) -> float | None:
    """A poll() timeout that is never shorter than `seconds` (poll rounds up to whole ms)."""
    return None if seconds == math.inf else max(0.0, seconds) * 1000.0


def pidfd_of(pid: int) -> int:
    """A descriptor that becomes readable when the process ends; -1 if there is none."""
    if sys.platform != "linux":
        return -1
    try:
        return os.pidfd_open(pid)
    except OSError:  # already reaped, or an old kernel: the caller polls
        return -1
