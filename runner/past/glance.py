"""How a run stands, at a glance: its end and its counters out of the last bytes of its log.

Apart because a list of a hundred runs must not fold a hundred logs.
"""

import os
from pathlib import Path

from msgspec import Struct

from runner.core import events as ev
from runner.runs import LOG, RunInfo, list_runs

_TAIL_BYTES = 128 * 1024


class Glance(Struct, kw_only=True):
    """One line of the list of runs."""

    info: RunInfo
    status: str
    """``running``, ``finished``, ``stopped``, ``lost`` (no engine, no end), ``empty``."""
    last_at: float = 0.0
    rows: int = 0
    """Rows that the last part file reached; 0 where the tail of the log tells none."""
    log_bytes: int = 0
    why: str = ""


def glance(info: RunInfo) -> Glance:
    """How that run stands now. An unreadable log is an empty one."""
    try:
        data, size = _tail(info.run_dir / LOG)
    except OSError:
        return Glance(info=info, status="empty")
    found, _ = ev.decode_lines(data)
    status = "running" if info.live else "lost"
    seen = Glance(info=info, status=status if found else "empty", log_bytes=size)
    for event in found:
        seen.last_at = max(seen.last_at, event.at)
        match event:
            case ev.RunEnded() if not info.live:
                seen.status, seen.why = event.status, event.why
            case ev.EngineStarted() if not info.live:
                seen.status, seen.why = "lost", ""
            case ev.RowsWritten() | ev.RowsFound() | ev.PartsCompacted():
                seen.rows = max(seen.rows, event.last)
            case _:
                pass
    return seen


def glances(folder: Path) -> list[Glance]:
    """All of the user's runs (see `list_runs`), live ones first."""
    return [glance(info) for info in list_runs(folder)]


def _tail(path: Path) -> tuple[bytes, int]:
    """The last whole lines, and the size of the file."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        start = max(0, size - _TAIL_BYTES)
        data = os.pread(file.fileno(), size - start, start)
    first = data.find(b"\n") + 1 if start else 0
    return data[first : data.rfind(b"\n") + 1], size
