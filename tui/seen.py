"""When this user last looked at a run, so that the next look begins with what happened since.

One small file a run in the state folder, beside the list of runs. Apart from the app because it is
read before the start and written after the end.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from runner import State, home_folder, plural
from tui.runview import RunView
from tui.text import clock

KEPT: Final = 200
"""Runs whose last look is remembered; the oldest are forgotten."""
MOST_BYTES: Final = 32 * 1024 * 1024
"""Of longer logs the incidents are not counted: reading them all would slow the first seconds."""


class Seen(Struct, frozen=True, kw_only=True):
    """The last look at one run."""

    run_dir: str
    at: float
    """Unix seconds on the run's axis."""
    done: int
    """Tasks that had ended by then."""


def seen_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """``$XDG_STATE_HOME/pilot-tui/seen``."""
    state = environ.get("XDG_STATE_HOME") or str(home_folder() / ".local" / "state")
    return Path(state) / "pilot-tui" / "seen"


def last_seen(run_dir: Path, environ: Mapping[str, str] = os.environ) -> Seen | None:
    """The last look at that run; None if there was none, or none that can be read."""
    try:
        data = (seen_folder(environ) / run_dir.name).read_bytes()
        found = msgspec.json.decode(data, type=Seen)
    except (OSError, msgspec.MsgspecError):
        return None
    return found if found.run_dir == str(run_dir) else None


def note_seen(view: RunView, environ: Mapping[str, str] = os.environ) -> None:
    """Remember that somebody looked at the present of this run just now.

    A folder that takes no files costs the greeting of the next time, and nothing else.
    """
    if view.kind not in ("live", "attach") or not view.state.run_id:
        return
    seen = Seen(run_dir=str(view.run_dir), at=view.now, done=len(view.state.done))
    folder = seen_folder(environ)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (folder / view.run_dir.name).write_bytes(msgspec.json.encode(seen))
        _forget(folder)
    except OSError:
        return


def _forget(folder: Path) -> None:
    files = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime)
    for path in files[:-KEPT]:
        path.unlink(missing_ok=True)


def incidents_since(run_dir: Path, at: float) -> int | None:
    """How many incidents began after ``at``; None where the log is too long to count them now."""
    from runner import incidents_of  # the reader of whole logs: not before the first frame

    if (run_dir / "events.jsonl").stat().st_size > MOST_BYTES:
        return None
    return sum(1 for incident in incidents_of(run_dir) if incident.began_at >= at)


def since_words(seen: Seen, state: State, incidents: int | None) -> str:
    """``Since you left at 22:41: +312 ended, 2 incidents, all saved``."""
    parts = [f"+{max(0, len(state.done) - seen.done)} ended"]
    if incidents is not None:
        parts.append(plural(incidents, "incident"))
    waiting = len(state.awaited)
    parts.append(f"{waiting} wait to be saved" if waiting else "all saved")
    return f"Since you left at {clock(seen.at)[:5]}: {', '.join(parts)}"
