"""The processes that attempts start: found by the thread that started them, ended as trees.

Apart because the kernel, not Python, is asked: whatever way executor code starts a process, it
stands in ``/proc/self/task/<thread>/children``. A process is known by its id *and* the time of its
birth, so that a number that was given out again is never shot at.
"""

import os
import signal
import time
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_COMMAND_CHARS: Final = 200
_READ_BYTES: Final = 16 * 1024
TERM_GRACE_S: Final = 0.3
"""How long a process may take to obey SIGTERM before it gets SIGKILL."""


class Process(NamedTuple):
    """A process of an attempt. ``born`` is seconds after boot (``/proc/PID/stat`` field 22)."""

    pid: int
    born: float
    command: str


def of_threads(threads: Iterable[int]) -> list[Process]:
    """The living processes started by these threads of ours (native ids), and all theirs."""
    roots = [pid for thread in threads for pid in _children(f"/proc/self/task/{thread}/children")]
    return list(_trees(roots))


def own() -> list[int]:
    """The children of the calling thread, dead ones included."""
    return _children("/proc/thread-self/children")


def are_any() -> bool:
    """Whether this process has children, of whichever thread, dead ones included: one system call.

    Without any there are no descendants either: who loses its parent becomes a child of ours
    (`birth.adopt_orphans`). Where that is not so (no Linux), none could be found anyway.
    """
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def is_alive(process: Process) -> bool:
    """Whether this very process still runs; one that is dead but not yet waited for does not."""
    found = _identity(process.pid)
    return found is not None and found[0] != "Z" and found[1] == process.born


def age_s(process: Process) -> float:
    """For how long the process has been there."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) - process.born


def tree(process: Process) -> list[Process]:
    """The process, if it is still this one, and all its living descendants."""
    return list(_trees([process.pid])) if is_alive(process) else []


def send(process: Process, number: signal.Signals) -> None:
    """Signal the process if it is still this one. Nothing is left to do for one that is gone."""
    if is_alive(process):
        try:
            os.kill(process.pid, number)
        except ProcessLookupError:
            return


def forget_dead(process: Process) -> None:
    """Wait for a dead child whose attempt is over, so that it does not stay in the process table.

    Never while the attempt runs: its own ``wait`` would find nobody and report success.
    """
    try:
        os.waitpid(process.pid, os.WNOHANG)
    except ChildProcessError:
        return  # a grandchild, or waited for by the executor itself


def _trees(roots: Iterable[int]) -> Iterator[Process]:
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        found = _identity(pid)
        if found is None:
            continue
        state, born = found
        if state != "Z":
            yield Process(pid, born, _command(pid))
        try:
            threads = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 - names, not paths
        except OSError:
            continue
        for thread in threads:
            waiting.extend(_children(f"/proc/{pid}/task/{thread}/children"))


def read(path: str) -> bytes:
    """A small file of /proc, empty if it is gone. Five times as quick as pathlib, and asked often.

    A list of children longer than the buffer is cut: the rest is seen when the first have ended.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(fd, _READ_BYTES)
    except OSError:
        return b""
    finally:
        os.close(fd)


def _children(path: str) -> list[int]:
    return [int(pid) for pid in read(path).split()]


def _identity(pid: int) -> tuple[str, float] | None:
    stat = read(f"/proc/{pid}/stat")
    if not stat:
        return None
    fields = stat[stat.rfind(b")") + 2 :].split()
    return fields[0].decode(), int(fields[19]) / _TICKS_PER_S


def _command(pid: int) -> str:
    raw = read(f"/proc/{pid}/cmdline")
    text = raw.rstrip(b"\0").replace(b"\0", b" ").decode("utf-8", "replace")
    return text[:_COMMAND_CHARS]
