"""Ends what an earlier engine of this run left behind, by the mark that it bears.

Hosts and all that they start carry the run's folder in their environment. A process is ended only
if it bears exactly this run's mark, whose lock we hold: nothing is ever ended by its name.
"""

import contextlib
import os
import signal
from pathlib import Path
from typing import Final

MARK: Final = "PILOT_RUN_DIR"


def bears_mark(pid: int, run_dir: Path) -> bool:
    """Whether the process, if it can be looked at, bears the run's mark."""
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False
    return f"{MARK}={run_dir}".encode() in environment.split(b"\0")


def end(run_dir: Path) -> int:
    """SIGKILL to every other process that bears the mark; how many there were.

    The mark is looked at again once a pidfd holds the process: the pid may be another's by then.
    """
    ended = 0
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        pid = int(entry.name)
        if not bears_mark(pid, run_dir):
            continue
        with contextlib.suppress(OSError):
            handle = os.pidfd_open(pid)
            try:
                if bears_mark(pid, run_dir):
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
                    ended += 1
            finally:
                os.close(handle)
    return ended
