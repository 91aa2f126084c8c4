"""What a thread of this process is doing: its state, its CPU clock, its frame, what it waits for.

Apart from the watch that asks, because these are the platform's facts and no policy. Costs, per
thread: clock 25 us, wait channel 20 us, frame 5 us; so only slots without progress are asked, once
a second. Where there is no ``/proc`` the frame is all that is known.
"""

import os
import sys
import sysconfig
import threading
import time
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from types import FrameType
from typing import Final, NamedTuple

from runner.host import children

_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_TASKS: Final = "/proc/self/task"
_THREAD_CPU_CLOCK: Final = 6
_HAS_PROC: Final = Path(_TASKS).exists()
IDLE_CPU: Final = 0.05
"""Below this share a thread is waiting; above it a futex is the GIL, not somebody's lock."""

# Kernel functions in which a thread sleeps, by the start of their names (`/proc/.../wchan`).
_WAITS: Final = (
    ("futex", "lock"),
    ("hrtimer_nanosleep", "sleep"),
    ("do_nanosleep", "sleep"),
    ("do_wait", "process"),
    ("wait_woken", "net"),
    ("sk_wait", "net"),
    ("inet_csk", "net"),
    ("unix_stream", "net"),
    ("tcp_", "net"),
    ("poll_schedule", "net"),
    ("do_poll", "net"),
    ("do_sys_poll", "net"),
    ("ep_poll", "net"),
    ("do_epoll", "net"),
    ("do_select", "net"),
    ("pipe_", "pipe"),
    ("anon_pipe", "pipe"),
)


class Clock(NamedTuple):
    """A thread's state letter (``?`` where unknown) and the CPU seconds it has used."""

    state: str
    cpu_s: float


def clock(thread: int) -> Clock:
    """The clock of a native thread id; ``X`` for a thread that is gone, ``?`` without /proc."""
    stat = children.read(f"{_TASKS}/{thread}/stat")
    if not stat:
        return Clock("X" if _HAS_PROC else "?", 0.0)
    fields = stat[stat.rfind(b")") + 2 :].split()
    return Clock(fields[0].decode(), (int(fields[11]) + int(fields[12])) / _TICKS_PER_S)


def used_ns(thread: int) -> int:
    """CPU nanoseconds of a native thread id, 0 if unknown: no CPU used, so not moved an inch.

    A system call of half a microsecond, where a look into /proc costs 25.
    """
    if sys.platform != "linux":
        return 0
    try:
        # The number of a thread's CPU clock; pthread_getcpuclockid would crash for a dead one.
        return time.clock_gettime_ns((~thread << 3) | _THREAD_CPU_CLOCK)
    except OSError:
        return 0


def waits_for(thread: int) -> str:
    """``lock``, ``sleep``, ``process``, ``net``, ``pipe``, or empty if it runs or is unknown."""
    channel = children.read(f"{_TASKS}/{thread}/wchan").decode("ascii", "replace")
    return next((what for start, what in _WAITS if channel.startswith(start)), "")


def tops() -> dict[int, FrameType]:
    """The innermost frame of every other thread, by ``threading.get_ident``."""
    # Documented, in spite of its name: the way to see what other threads do.
    frames = sys._current_frames()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    # Our own frame would hold itself by this dict, and with it everything in the others.
    del frames[threading.get_ident()]
    return frames


def _outward(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def frame_text(top: FrameType | None, base: str = "", awaited: object = None) -> str:
    """``file:line function`` of the innermost frame that is the executor's own code.

    Frames of the standard library, of installed packages and of the host are passed over, because
    "threading.py:331 wait" tells nobody where to look; without any other the innermost one stands.
    While an event loop waits, the executor's frame is not on the stack but in ``awaited``, its
    coroutine. Paths under ``base`` are given relative to it.
    """
    own = next((one for one in _outward(top) if not _is_foreign(one.f_code.co_filename)), None)
    own = own or _suspended(awaited) or top
    if own is None:
        return ""
    code = own.f_code
    return f"{short_path(code.co_filename, base)}:{own.f_lineno} {code.co_name}"


def _suspended(awaited: object) -> FrameType | None:
    """The innermost frame of the executor's own code in a chain of awaits."""
    found: FrameType | None = None
    while awaited is not None:
        frame: FrameType | None = getattr(awaited, "cr_frame", None)
        if frame is not None and not _is_foreign(frame.f_code.co_filename):
            found = frame
        awaited = getattr(awaited, "cr_await", None)
    return found


def is_in_host_code(top: FrameType | None) -> bool:
    """Whether a thread is in a call from executor code into ours, such as a guarded read."""
    for frame in _outward(top):
        path = frame.f_code.co_filename
        if path.startswith(_HOST):
            return not path.startswith(_EXECUTORS)
        if not _is_foreign(path):
            return False
    return False


def stack_text(top: FrameType | None, base: str = "") -> str:
    """All frames of a thread, outermost first, a line each."""
    lines = [
        f"  {short_path(frame.f_code.co_filename, base)}:{frame.f_lineno} {frame.f_code.co_name}"
        for frame in _outward(top)
    ]
    return "\n".join(reversed(lines)) or "  (gone)"


@lru_cache(maxsize=1024)
def short_path(path: str, base: str) -> str:
    """The path relative to ``base``, else its last two parts: enough to find, little to read."""
    if base and path.startswith(base.rstrip("/") + "/"):
        return path[len(base.rstrip("/")) + 1 :]
    return "/".join(Path(path).parts[-2:])


_RUNNER: Final = str(Path(__file__).parents[1])
_HOST: Final = str(Path(__file__).parent)
_BENCH: Final = str(Path(__file__).parent / "bench")
_EXECUTORS: Final = (_BENCH, f"{_HOST}/perform.py", f"{_HOST}/python.py")
"""Executor code of our own, and ours that calls executor code."""
_LIBRARIES: Final = tuple(
    {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
)


@lru_cache(maxsize=1024)
def _is_foreign(path: str) -> bool:
    if path.startswith("<"):
        return True
    if path.startswith(_RUNNER):
        return not path.startswith(_BENCH)
    return path.startswith(_LIBRARIES)
