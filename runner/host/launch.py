"""Become another program whose life is tied to its parent's: ``launch.py PARENT PROGRAM ARG...``.

A file of its own, run by path with ``-I -S``: it must start fast and import nothing of ours. The
parent-death signal survives exec and ends what no pipe would, should the host be killed.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
_NOT_FOUND = 127  # what shells exit with, so that everyone knows it


def _main(parent: int, argv: list[str]) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        return
    try:
        os.execvp(argv[0], argv)  # noqa: S606 - an argument list, no shell
    except OSError as error:
        sys.stderr.write(f"{argv[0]}: {error.strerror}\n")
        sys.exit(_NOT_FOUND)


if __name__ == "__main__":
    _main(int(sys.argv[1]), sys.argv[2:])
