"""Stacks of foreign processes through py-spy, where that is installed. It is never required.

Apart because it starts a program of its own, which may be refused or take long.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from runner.core.text import block, one_line
from runner.doctor.model import Process, Stack, Unread
from runner.masking import Secrets

MOST_PROCESSES: Final = 3
_LIMIT_S: Final = 10.0
_MOST_CHARS: Final = 8000


def stacks_of(processes: Iterable[Process]) -> tuple[list[Stack], list[Unread]]:
    """Of a few Python processes, and why there are none."""
    pythons = [process for process in processes if "python" in process.command]
    if not pythons:
        return [], []
    program = _program()
    if program is None:
        why = "py-spy is not installed (pip install py-spy, or the extra pilot-tui[spy])"
        command = f"py-spy dump --pid {pythons[0].pid}"
        return [], [Unread("where in their code they wait", why, command)]
    found: list[Stack] = []
    unread: list[Unread] = []
    for process in of_each_kind(pythons)[:MOST_PROCESSES]:
        text, error = _dump(program, process.pid)
        if text:
            found.append(Stack(process.pid, text))
        else:
            command = f"sudo py-spy dump --pid {process.pid}"
            unread.append(Unread(f"the stack of process {process.pid}", error, command))
    return found, unread


def of_each_kind(processes: Iterable[Process]) -> list[Process]:
    """The first process of each program, then the others: twenty copies wait at the same line."""
    first: dict[tuple[str, ...], Process] = {}
    others: list[Process] = []
    for process in processes:
        kind = tuple(process.command.split()[:2])
        if first.setdefault(kind, process) is not process:
            others.append(process)
    return [*first.values(), *others]


def _program() -> str | None:
    """py-spy as the shell finds it, else the one that was installed beside us."""
    found = shutil.which("py-spy")
    beside = Path(sys.executable).with_name("py-spy")
    return found or (str(beside) if beside.is_file() else None)


def _dump(program: str, pid: int) -> tuple[str, str]:
    """The stacks, or why not. The process is not stopped for it: it may be somebody's hope."""
    try:
        done = subprocess.run(
            [program, "dump", "--nonblocking", "--pid", str(pid)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "", f"py-spy did not answer within {_LIMIT_S:.0f} s"
    except OSError as error:
        return "", one_line(error.strerror or str(error), 200)
    said = done.stderr if done.returncode else done.stdout
    text = Secrets().mask(block(said.decode("utf-8", "replace")))  # it begins with the command line
    if done.returncode:
        return "", one_line(_reason(text), 200) or f"exit code {done.returncode}"
    return text[:_MOST_CHARS], ""


def _reason(said: str) -> str:
    """What went wrong and the first cause, out of an error report that ends in a backtrace."""
    head, _, causes = said.partition("Stack backtrace:")[0].partition("Caused by:")
    first = next((line.strip() for line in causes.splitlines() if line.strip()), "")
    cause = first.partition(": ")[2] if first[:1].isdigit() else first
    words = " ".join(head.removeprefix("Error:").split())
    return f"{words.rstrip('.')}: {cause}" if cause else words
