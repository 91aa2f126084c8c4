"""What a process of a run does first: tie its life to its parent's, and know itself.

Apart because the zygote, each host and each tool subprocess do the same. A pipe's end alone is not
enough: a process that is stopped, or whose GIL is held, never reads it. The kernel's parent-death
signal works then too (measured: 0.3-0.9 ms).
"""

import ctypes
import os
import signal
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def die_with_parent(parent: int) -> None:
    """SIGKILL this process when the thread that started it ends; leave now if that has happened.

    Linux only; elsewhere the end of the pipe has to do. The kernel follows the parent *thread*, so
    parents start processes from a thread that lives as long as they do.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)


def adopt_orphans() -> None:
    """Become the parent of all descendants that lose theirs, so that they can be found. Linux."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def prefer_for_oom(adjustment: int) -> None:
    """Let the kernel end this process before the engine when memory runs out (-1000..1000).

    A kernel without the file, or one that forbids it, leaves things as they are: this is a
    preference, and the engine's own memory watch does not rely on it.
    """
    try:
        Path("/proc/self/oom_score_adj").write_text(str(adjustment), encoding="ascii")
    except OSError:
        return
