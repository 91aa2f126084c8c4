"""Stacks of foreign processes through py-spy, where that is installed. It is never required.

Apart because it starts a program of its own, which may be refused or take long.
"""

import shutil
import subprocess
from collections.abc import Iterable
from typing import Final

from runner.core.text import one_line
from runner.doctor.model import Process, Stack, Unread

MOST_PROCESSES: Final = 3
_LIMIT_S: Final = 10.0
_MOST_CHARS: Final = 8000


def stacks_of(processes: Iterable[Process]) -> tuple[list[Stack], list[Unread]]:
    """Of the first few Python processes, and why there are none."""
    pythons = [process for process in processes if "python" in process.command]
    if not pythons:
        return [], []
    program = shutil.which("py-spy")
    if program is None:
        command = f"py-spy dump --pid {pythons[0].pid}"
        return [], [Unread("where in their code they wait", "py-spy is not installed", command)]
    found: list[Stack] = []
    unread: list[Unread] = []
    for process in pythons[:MOST_PROCESSES]:
        text, error = _dump(program, process.pid)
        if text:
            found.append(Stack(process.pid, text))
        else:
            command = f"sudo py-spy dump --pid {process.pid}"
            unread.append(Unread(f"the stack of process {process.pid}", error, command))
    return found, unread


def _dump(program: str, pid: int) -> tuple[str, str]:
    """The stacks, or why not."""
    try:
        done = subprocess.run(
            [program, "dump", "--nonblocking", "--pid", str(pid)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return "", one_line(str(error), 200)
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        return "", one_line(said, 200) or f"exit code {done.returncode}"
    return done.stdout.decode("utf-8", "replace")[:_MOST_CHARS], ""
