"""Looks at processes twice, a moment apart: what they use, what they are connected to.

Apart from the judges because reading has its own kind of trouble: a process goes, another user's
cannot be looked into. What cannot be read is told, never guessed.
"""

import collections
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from runner.core.text import one_line
from runner.doctor.connections import Silence, silences
from runner.doctor.model import Connections, Machine, Process, Unread
from runner.masking import Secrets

if TYPE_CHECKING:
    import psutil

COMMAND_CHARS: Final = 200
_DENIED: Final = "belongs to another user"


class Seen(NamedTuple):
    """The processes in the order in which they were asked for, and what could not be read."""

    processes: list[Process]
    unread: list[Unread]


class _First(NamedTuple):
    """The first of the two looks."""

    process: "psutil.Process"
    cpu_s: float


def machine() -> Machine:
    """Cores and memory."""
    import psutil

    memory = psutil.virtual_memory()
    return Machine(psutil.cpu_count() or 1, memory.total, memory.available)


def look(roles: Mapping[int, str], window_s: float) -> Seen:
    """Look at these pids (each with its role, or an empty one) over ``window_s`` seconds."""
    import psutil

    first: dict[int, _First] = {}
    for pid in roles:
        try:
            process = psutil.Process(pid)
            first[pid] = _First(process, _cpu_s(process))
        except psutil.Error:
            continue  # told below, where it is looked at again
    began = time.monotonic()
    if first:
        time.sleep(window_s)
    took = time.monotonic() - began
    unread: list[Unread] = []
    ages: Mapping[int, Silence] = _ages(unread) if first else {}
    found = [
        _process(first[pid], role, took, ages)
        if pid in first
        else Process(pid=pid, role=role, problem="is gone")
        for pid, role in roles.items()
    ]
    unread += [_unread(process) for process in found if process.problem]
    return Seen(found, unread)


def _ages(unread: list[Unread]) -> Mapping[int, Silence]:
    try:
        return silences()
    except OSError as error:
        why = error.strerror or str(error)
        unread.append(Unread("how long connections have been silent", why, "ss -tinp"))
        return {}


def _cpu_s(process: "psutil.Process") -> float:
    times = process.cpu_times()
    return times.user + times.system


def _process(first: _First, role: str, took: float, ages: Mapping[int, Silence]) -> Process:
    import psutil

    process = first.process
    pid = process.pid
    try:
        with process.oneshot():
            known = Process(
                pid=pid,
                role=role,
                parent=process.ppid(),
                started_at=process.create_time(),
                uid=process.uids().real,
                command=_command(process),
                state=process.status(),
                cpu_percent=round(100 * (_cpu_s(process) - first.cpu_s) / took, 1),
                rss_bytes=process.memory_info().rss,
                threads=process.num_threads(),
            )
    except psutil.NoSuchProcess:
        return Process(pid=pid, role=role, problem="is gone")
    except psutil.AccessDenied:
        return Process(pid=pid, role=role, problem=_DENIED)
    # Connections and output need more rights than the rest, so they may be missing alone.
    try:
        connections = _connections(process, ages)
    except psutil.NoSuchProcess:
        return msgspec.structs.replace(known, problem="is gone")
    except (psutil.AccessDenied, PermissionError):
        return msgspec.structs.replace(known, problem=f"its connections cannot be read: {_DENIED}")
    return msgspec.structs.replace(known, connections=connections, output=_output(pid))


def _command(process: "psutil.Process") -> str:
    """Its command line, without the keys that people give there: a report is passed on."""
    words = " ".join(process.cmdline()) or process.name()
    return one_line(Secrets().mask(words[: 8 * COMMAND_CHARS]), COMMAND_CHARS)


def _connections(process: "psutil.Process", ages: Mapping[int, Silence]) -> Connections:
    states: collections.Counter[str] = collections.Counter()
    peers: collections.Counter[str] = collections.Counter()
    waits: list[float] = []
    heard: list[float] = []
    for connection in process.net_connections("tcp"):
        states[connection.status] += 1
        if connection.status != "ESTABLISHED":
            continue
        if connection.raddr:
            peers[f"{connection.raddr.ip}:{connection.raddr.port}"] += 1
        silence = ages.get(_inode(process.pid, connection.fd))
        if silence is not None:
            waits.append(silence.silent_s)
            if silence.received_bytes:
                heard.append(silence.silent_s)
    return Connections(
        states=dict(states),
        waits_s=max(waits, default=None),
        heard_s=min(heard, default=None),
        remote=peers.most_common(1)[0][0] if peers else "",
    )


def _inode(pid: int, handle: int) -> int:
    """The kernel's number of a socket; 0 where it cannot be told."""
    try:
        target = str(Path(f"/proc/{pid}/fd/{handle}").readlink())
    except OSError:
        return 0
    return int(target[8:-1]) if target.startswith("socket:[") else 0


def _output(pid: int) -> str:
    """Where its errors go, without the number of a pipe; empty where it cannot be told."""
    try:
        return str(Path(f"/proc/{pid}/fd/2").readlink()).partition(":[")[0]
    except OSError:
        return ""


def _unread(process: Process) -> Unread:
    pid = process.pid
    command = f"ps -fp {pid}" if process.problem == "is gone" else f"sudo lsof -p {pid}"
    return Unread(f"process {pid}", process.problem, command)
