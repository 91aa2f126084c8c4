"""A look at somebody's harness from outside: chosen, looked at, judged, with the next command.

Apart from `runner.doctor.runs` because here is no log to believe: only what the kernel tells of
processes and what lies in a data folder. CPU use is counted in hundredths of a second, so half a
percent shows after two seconds.
"""

import re
import shlex
import time
from collections.abc import Sequence
from pathlib import Path

from runner.doctor import choose, files, processes
from runner.doctor.judge import Scene, judge
from runner.doctor.model import ForeignDiagnosis, Unread
from runner.doctor.stacks import stacks_of
from runner.engine.leftovers import MARK


def diagnose_pids(
    pids: Sequence[int], *, data: Path | None = None, window_s: float = 2.0
) -> ForeignDiagnosis:
    """These processes and all that they started."""
    found, left_out = choose.by_pid(pids)
    named = " ".join(f"--pid {pid}" for pid in pids)
    return _diagnose(found, left_out, f"pilot-tui doctor {named}", data, window_s)


def diagnose_matching(
    pattern: re.Pattern[str], *, data: Path | None = None, window_s: float = 2.0
) -> ForeignDiagnosis:
    """All processes whose command line the pattern is found in."""
    named = f"pilot-tui doctor --match {shlex.quote(pattern.pattern)}"
    return _diagnose(choose.by_command(pattern), [], named, data, window_s)


def idle_trees(window_s: float = 2.0) -> list[ForeignDiagnosis]:
    """This user's Python trees that do nothing, our own runs left out; the hung ones first."""
    trees = choose.python_trees(MARK)
    seen = processes.look(dict.fromkeys((pid for tree in trees for pid in tree), ""), window_s)
    by_pid = {process.pid: process for process in seen.processes}
    machine = processes.machine()
    found: list[ForeignDiagnosis] = []
    for tree in trees:
        members = [by_pid[pid] for pid in tree]
        said = judge(Scene(members, None, machine, window_s, time.time()))
        if said.kind in ("idle-hung", "idle"):
            found.append(
                ForeignDiagnosis(
                    verdict=said.verdict,
                    kind=said.kind,
                    hung=said.hung,
                    causes=said.causes,
                    evidence=said.evidence,
                    processes=members,
                    next=f"pilot-tui doctor --pid {tree[0]} --data DIR",
                )
            )
    return sorted(found, key=lambda item: (not item.hung, -len(item.processes)))


def _diagnose(
    pids: Sequence[int], unread: list[Unread], again: str, data: Path | None, window_s: float
) -> ForeignDiagnosis:
    seen = processes.look(dict.fromkeys(pids, ""), window_s)
    found, refused = files.look_at(data) if data is not None else (None, [])
    said = judge(Scene(seen.processes, found, processes.machine(), window_s, time.time()))
    waits = said.hung or said.kind == "idle"
    stacks, no_stacks = stacks_of(seen.processes) if waits else ([], [])
    unread = [*unread, *seen.unread, *refused, *no_stacks]
    if data is None and any(process.command for process in seen.processes):
        why, command = "no folder was named", f"{again} --data DIR"
        unread.append(Unread("when results were last saved", why, command))
    return ForeignDiagnosis(
        verdict=said.verdict,
        kind=said.kind,
        hung=said.hung,
        causes=said.causes,
        evidence=said.evidence,
        processes=seen.processes,
        data=found,
        stacks=stacks,
        unread=unread,
        next=f"{again} --kill" if said.kind == "idle-hung" else "",
    )
