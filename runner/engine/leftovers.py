"""Ends what an earlier engine of this run left behind, by the mark that it bears.

Hosts and all that they start carry the run's folder in their environment. A process is ended only
if it bears exactly this run's mark, whose lock we hold: nothing is ever ended by its name.
"""

import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Final

MARK: Final = "PILOT_RUN_DIR"
SAME_BIRTH_S: Final = 0.02


def bears_mark(pid: int, run_dir: Path) -> bool:
    """Whether the process, if it can be looked at, bears the run's mark."""
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False
    return f"{MARK}={run_dir}".encode() in environment.split(b"\0")


def end(run_dir: Path) -> int:
    """SIGKILL to every other process that bears the mark; how many there were."""
    ended = 0
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        pid = int(entry.name)
        if bears_mark(pid, run_dir):
            ended += _end_if(pid, lambda pid=pid: bears_mark(pid, run_dir))
    return ended


def end_child(pid: int, born_s: float) -> bool:
    """SIGKILL to a process that a dead host's attempt started, known by pid and birth.

    ``born_s`` is seconds after boot, as the host reported it.
    """
    return _end_if(pid, lambda: abs(_born_s(pid) - born_s) < SAME_BIRTH_S)


def _end_if(pid: int, still: Callable[[], bool]) -> bool:
    """Kill what a pidfd holds if it is ``still`` the one: the pid may be another's by then."""
    with contextlib.suppress(OSError):
        handle = os.pidfd_open(pid)
        try:
            if still():
                signal.pidfd_send_signal(handle, signal.SIGKILL)
                return True
        finally:
            os.close(handle)
    return False


def _born_s(pid: int) -> float:
    try:
        text = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
    except OSError:
        return -1.0
    return int(text.rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
