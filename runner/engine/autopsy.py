"""Who froze a host, and where: asked from outside, because a frozen process answers nothing.

The culprit is the slot thread that runs (state R) and uses the CPU; with the GIL held by one thread
all others sleep. `tgkill` of SIGUSR1 to exactly that thread makes faulthandler print its line even
then, into the host's log; a process-wide signal names the wrong thread.
"""

import contextlib
import ctypes
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

_TICK_S: Final = 1.0 / os.sysconf("SC_CLK_TCK")
_BURNS: Final = 0.05
"""Share of a core. The others in a frozen host use none at all, and on a machine with more to do
than it has cores the culprit itself gets little."""
_AHEAD: Final = 2.0
_TAIL_BYTES: Final = 8 * 1024
_PRINT_S: Final = 0.15
_SYS_TGKILL: Final = {"x86_64": 234, "aarch64": 131}


class ThreadTime(NamedTuple):
    """A thread's state letter and the CPU seconds it has used."""

    state: str
    cpu_s: float


def thread_times(pid: int, threads: Mapping[int, int]) -> dict[int, ThreadTime]:
    """State and CPU time by worker, for ``threads`` (worker -> native thread id) that are there."""
    found: dict[int, ThreadTime] = {}
    for worker, thread in threads.items():
        try:
            text = Path(f"/proc/{pid}/task/{thread}/stat").read_text("ascii", "replace")
        except OSError:
            continue
        fields = text.rpartition(")")[2].split()
        found[worker] = ThreadTime(fields[0], (int(fields[11]) + int(fields[12])) * _TICK_S)
    return found


def culprit(
    before: Mapping[int, ThreadTime], after: Mapping[int, ThreadTime], apart_s: float
) -> int | None:
    """The worker whose thread runs and used most of the CPU between two looks.

    None if none did, or if another used half as much: then no single thread held the others up.
    """
    if apart_s <= 0:
        return None
    used = sorted(
        ((now.cpu_s - before[worker].cpu_s) / apart_s, worker, now.state)
        for worker, now in after.items()
        if worker in before
    )
    if not used:
        return None
    share, worker, state = used[-1]
    second = used[-2][0] if len(used) > 1 else 0.0
    return worker if state == "R" and share >= _BURNS and share >= _AHEAD * second else None


def print_stack(pid: int, thread: int) -> bool:
    """Ask that very thread to print its line; False where this platform has no way to."""
    number = _SYS_TGKILL.get(os.uname().machine)
    if number is None:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    return libc.syscall(number, pid, thread, int(signal.SIGUSR1)) == 0


def log_tail(path: Path, most: int = _TAIL_BYTES) -> str:
    """The end of a host's log, empty where it cannot be read."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - most))
            return file.read(most).decode("utf-8", "replace")
    except OSError:
        return ""


class Finding(NamedTuple):
    """What an autopsy found: the worker at fault (None: unknown) and the stack that was printed."""

    host: int
    worker: int | None
    stack: str


def examine(
    host: int,
    pid: int,
    threads: Mapping[int, int],
    before: Mapping[int, ThreadTime],
    apart_s: float,
    log: Path,
    report: Callable[[Finding], None],
) -> None:
    """Find the culprit, have it print its line, and report, in a thread that reads files.

    The engine's loop must not: the log lies on a disk that may stall.
    """

    def work() -> None:
        worker = culprit(before, thread_times(pid, threads), apart_s)
        stack = ""
        if worker is not None and print_stack(pid, threads[worker]):
            time.sleep(_PRINT_S)
            stack = log_tail(log)
        report(Finding(host, worker, stack))

    threading.Thread(target=work, name=f"autopsy-{host}", daemon=True).start()


def is_stopped(pid: int) -> bool:
    """Whether the process is stopped (SIGSTOP, a debugger): state T."""
    with contextlib.suppress(OSError):
        text = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
        return text.rpartition(")")[2].split()[0] in "Tt"
    return False
