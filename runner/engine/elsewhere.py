"""The end of a log that its disk did not take: lines in another folder, until a resume moves them.

Apart from the log's writer because it works when that one has given up, and because viewers read
the file too: a run that was stopped on a full disk must not look like one whose engine died.

The file begins with the last line that the log surely has. So it is known for certain where it goes
on, and a file that an earlier engine left fits no log that has gone on without it.
"""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from runner.core import events as ev
from runner.engine.durable import write_file
from runner.engine.log import EVENTS
from runner.engine.log.appender import Appender
from runner.runs import ABOUT, home_folder

_NAME: Final = "pilot-tui-{run_id}-log.jsonl"


def folders() -> list[Path]:
    """Where that goes which the run's disk does not take: the temporary folder, then the home."""
    return [Path(tempfile.gettempdir()), home_folder()]


def save(folder: Path, run_id: str, lines: bytes) -> Path:
    """Write the log's end durably to a file in ``folder``; its path. Raises OSError."""
    path = folder / _NAME.format(run_id=run_id)
    write_file(path, lines)
    return path


def rest_of(run_dir: Path, last: ev.Event | None) -> list[ev.Event]:
    """The events that follow ``last``, the log's last one, and lie elsewhere; as a rule none."""
    for path in _files(run_dir):
        found, _ = ev.decode_lines(path.read_bytes())
        if rest := list(_following(found, last)):
            return rest
    return []


def adopt(run_dir: Path, last: ev.Event | None) -> bool:
    """For a resume: put what `rest_of` finds at the end of the log, durably; whether there was any.

    Raises OSError; a kill at any point costs nothing.
    """
    rest = rest_of(run_dir, last)
    if rest:
        log = Appender(run_dir / EVENTS)
        try:
            log.write(b"".join(map(ev.encode, rest)))
            log.sync()
        finally:
            log.close()
    for path in _files(run_dir):
        path.unlink()
    return bool(rest)


def _files(run_dir: Path) -> list[Path]:
    """This run's files. The temporary folder is everyone's: only our own count."""
    try:
        about = msgspec.json.decode((run_dir / ABOUT).read_bytes())
        name = _NAME.format(run_id=about["run_id"])
    except (OSError, ValueError, TypeError, KeyError):
        return []
    return [path for folder in folders() if _ours(path := folder / name)]


def _ours(path: Path) -> bool:
    try:
        return path.lstat().st_uid == os.getuid() and path.is_file()
    except OSError:
        return False


def _following(found: list[ev.Event], last: ev.Event | None) -> Iterator[ev.Event]:
    """What comes after ``last`` in ``found``, where a line may stand twice, without a hole."""
    if last is not None and last not in found:
        return
    due = last.seq + 1 if last is not None else 1
    for event in found:
        if event.seq == due:
            yield event
            due += 1
