"""Ends exactly the processes that were listed, and no other that has their number by now.

Apart because nothing else here changes anything. A process is known by its pid and the moment it
was started; the signal goes through a pidfd, so it cannot reach a successor.
"""

import contextlib
import os
import select
import signal
import time
from collections.abc import Mapping, Sequence
from typing import Final, Literal, NamedTuple

from runner.doctor.model import Process

GRACE_S: Final = 5.0
_SAME_START_S: Final = 0.02
"""The kernel counts starts in hundredths of a second."""

How = Literal["ended", "killed", "was gone", "refused", "still there"]


class Ended(NamedTuple):
    """What became of one process, and why where it was not ended."""

    pid: int
    how: How
    why: str = ""


def end_processes(processes: Sequence[Process], grace_s: float = GRACE_S) -> list[Ended]:
    """SIGTERM to each, SIGKILL after ``grace_s`` to those that stay. Other users' are refused."""
    found: dict[int, Ended] = {}
    handles: dict[int, int] = {}
    try:
        for process in processes:
            held = _hold(process)
            if isinstance(held, Ended):
                found[process.pid] = held
            else:
                handles[process.pid] = held
        _signal(handles, signal.SIGTERM)
        ended = _wait(handles, grace_s)
        staying = {pid: handle for pid, handle in handles.items() if pid not in ended}
        _signal(staying, signal.SIGKILL)
        killed = _wait(staying, grace_s)
    finally:
        for handle in handles.values():
            os.close(handle)
    for pid in handles:
        how: How = "ended" if pid in ended else "killed" if pid in killed else "still there"
        found[pid] = Ended(pid, how)
    return [found[process.pid] for process in processes]


def _hold(process: Process) -> int | Ended:
    """A pidfd of exactly that process, or why there is none."""
    import psutil

    if process.uid != os.getuid():
        whose = f"belongs to uid {process.uid}" if process.uid >= 0 else process.problem
        return Ended(process.pid, "refused", whose)
    if not hasattr(os, "pidfd_open"):
        why = f"this system cannot hold on to a process; if it is still the one: kill {process.pid}"
        return Ended(process.pid, "refused", why)
    try:
        handle = os.pidfd_open(process.pid)
    except OSError:
        return Ended(process.pid, "was gone")
    try:
        now = psutil.Process(process.pid)
        same = abs(now.create_time() - process.started_at) < _SAME_START_S
        same = same and now.uids().real == os.getuid()
    except psutil.Error:
        same = False
    if same:
        return handle
    os.close(handle)
    return Ended(process.pid, "was gone", "its number belongs to another process")


def _signal(handles: Mapping[int, int], number: signal.Signals) -> None:
    for handle in handles.values():
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, number)


def _wait(handles: Mapping[int, int], limit_s: float) -> set[int]:
    """Those that are gone within ``limit_s``: a pidfd is readable once its process has ended."""
    until = time.monotonic() + limit_s
    left: dict[int, int] = {**handles}
    while left and (rest := until - time.monotonic()) > 0:
        ready = set(select.select(list(left.values()), [], [], rest)[0])
        left = {pid: handle for pid, handle in left.items() if handle not in ready}
    return set(handles) - set(left)
