"""What the kernel says of processes, memory and disk: a few small files under /proc, no library.

Apart from the pulse because these are the only reads of the engine's loop; /proc is memory, so none
of them can stall on a disk. The free space of the run's disk is asked by the log's thread instead.
"""

import os
from pathlib import Path
from typing import Final, NamedTuple

_TICK_S: Final = 1.0 / os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


class Vitals(NamedTuple):
    """CPU seconds used so far, resident bytes, threads."""

    cpu_s: float
    rss_bytes: int
    threads: int


def vitals(pid: int) -> Vitals | None:
    """Of one process; None if it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return Vitals(
        (int(fields[11]) + int(fields[12])) * _TICK_S, int(fields[21]) * _PAGE, int(fields[17])
    )


def memory_percent() -> float:
    """Used memory of the machine, or of this cgroup where that is tighter; 0 where unknown."""
    return max(_machine(), _cgroup())


def _machine() -> float:
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
    except OSError:
        return 0.0
    found = dict(line.split(":", 1) for line in lines if ":" in line)
    try:
        total, free = (int(found[name].split()[0]) for name in ("MemTotal", "MemAvailable"))
    except (KeyError, ValueError):
        return 0.0
    return 100.0 * (total - free) / total if total else 0.0


def _cgroup() -> float:
    """Memory of cgroup v2 that cannot be given back, against its limit."""
    folder = Path("/sys/fs/cgroup")
    try:
        most = (folder / "memory.max").read_text("ascii").strip()
        used = int((folder / "memory.current").read_text("ascii"))
        stat = dict(
            line.split() for line in (folder / "memory.stat").read_text("ascii").splitlines()
        )
    except (OSError, ValueError):
        return 0.0
    if not most.isdigit():
        return 0.0
    used -= int(stat.get("inactive_file", 0))
    return 100.0 * used / int(most)


def free_bytes(folder: Path) -> int:
    """Room on the disk of ``folder`` for this user; 0 where it cannot be told. May block."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return 0
    return found.f_bavail * found.f_frsize
