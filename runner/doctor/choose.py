"""Which processes a look is about: named by pid, matched by their command, or idle Python trees.

Apart because the choice must never fall on the doctor itself, nor on the shell that it was typed
into, whose command line matches everything that was typed.
"""

import os
import re
import time
from collections.abc import Iterable
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

from runner.doctor.model import Unread

if TYPE_CHECKING:
    import psutil

YOUNG_S: Final = 60.0
"""A tree that was started less than this ago may still be starting."""
_PYTHON: Final = re.compile(r"(?:python|pypy)[\d.]*")


def by_pid(pids: Iterable[int]) -> tuple[list[int], list[Unread]]:
    """These processes and all that they started; a named one that is not among them is told."""
    import psutil

    ours = _ourselves()
    found: dict[int, None] = {}
    left_out: list[Unread] = []
    for pid in pids:
        try:
            process = psutil.Process(pid)
            found[pid] = None
            found.update(dict.fromkeys(child.pid for child in process.children(recursive=True)))
        except psutil.Error:
            left_out.append(Unread(f"process {pid}", "is not there", f"ps -fp {pid}"))
            continue
        if pid in ours:
            why = "started this very command: it is not looked at"
            left_out.append(Unread(f"process {pid}", why, f"ps -fp {pid}"))
    return [pid for pid in found if pid not in ours], left_out


def by_command(pattern: re.Pattern[str]) -> list[int]:
    """Processes whose command line the pattern is found in, and all that they started."""
    import psutil

    ours = _ourselves()
    found = [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if process.pid not in ours and pattern.search(" ".join(_words(process)))
    ]
    pids, _ = by_pid(found)
    return sorted(pids)


def python_trees(mark: str) -> list[list[int]]:
    """This user's Python trees that are not young and bear no ``mark``, each with its root first.

    Whether they are idle shows when they are looked at.
    """
    import psutil

    ours = _ourselves()
    pythons: dict[int, psutil.Process] = {}
    for process in psutil.process_iter(["cmdline", "uids", "create_time"]):
        uids = process.info["uids"]
        old = time.time() - (process.info["create_time"] or 0.0) > YOUNG_S
        mine = uids is not None and uids.real == os.getuid()
        if mine and old and process.pid not in ours and _is_python(_words(process)):
            pythons[process.pid] = process
    trees: list[list[int]] = []
    for pid, process in pythons.items():
        try:
            if process.ppid() not in pythons and mark not in process.environ():
                trees.append(by_pid([pid])[0])
        except psutil.Error:
            continue  # it went, or shields its environment: no tree of this user's to judge
    return [tree for tree in trees if tree]


def _words(process: "psutil.Process") -> list[str]:
    """The command line that `psutil.process_iter` read."""
    return process.info["cmdline"] or []


def _is_python(words: list[str]) -> bool:
    return bool(words) and _PYTHON.fullmatch(PurePath(words[0]).name) is not None


def _ourselves() -> set[int]:
    """This process, and those that it was started from."""
    import psutil

    found = {os.getpid()}
    try:
        found.update(parent.pid for parent in psutil.Process().parents())
    except psutil.Error:
        found.add(os.getppid())
    return found
