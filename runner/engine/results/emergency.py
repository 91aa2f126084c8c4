"""Rows that could not be written to the run folder: a file elsewhere, taken in by resume.

Apart because it works when nothing else does, and because what it writes is found by its name
alone: the run folder cannot be told of it.
"""

import os
import re
from pathlib import Path
from typing import Final

from runner.core.rows import Row
from runner.engine.durable import REAL_DISK, Disk
from runner.engine.results.parts import Part, live

_NAME: Final = "pilot-tui-{run_id}-{part}"
_GROUP: Final = 500


class AdoptError(ValueError):
    """An emergency file that cannot be taken in: damaged, or not of this run."""


def save(folder: Path, part: Part, rows: list[Row]) -> Path:
    """Write the rows durably to a file of their own in ``folder``; its path. Raises OSError."""
    from runner.engine.results.partfile import store
    from runner.engine.results.schema import to_table

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / _NAME.format(run_id=rows[0].run_id, part=part.name)
    store(path, part, (to_table(rows[at : at + _GROUP]) for at in range(0, len(rows), _GROUP)))
    return path


def find(folder: Path, run_id: str) -> list[Path]:
    """The emergency files of this run in ``folder``, in the order of their rows.

    The folder may be everyone's: only files of our own count.
    """
    if not folder.is_dir():
        return []
    found = sorted(path for path in folder.iterdir() if _part_of(path, run_id))
    return [path for path in found if path.lstat().st_uid == os.getuid()]


def adopt(file: Path, run_id: str, results: Path, disk: Disk = REAL_DISK) -> Part | None:
    """Take the rows of an emergency file into ``results`` and remove the file.

    Rows that are there already (a stalled write that came through after all) are not taken twice;
    None if that leaves no row. Raises OSError, and `AdoptError` if the file is not sound: it is
    left where it is then.
    """
    from runner.engine.results.arrow import pa
    from runner.engine.results.partfile import DamagedPartError, sound_tables, store

    part = _part_of(file, run_id)
    if part is None:
        raise AdoptError(f"{file.name} is not an emergency file of run {run_id}")
    try:
        table = pa.concat_tables(list(sound_tables(file, part, None)))
    except DamagedPartError as error:
        raise AdoptError(f"{file}: {error}") from error
    there = [other for other in live(results).parts if other.last >= part.first]
    # A part inside the range is covered by the adopted one; only one that reaches in from below,
    # as a merge may have made it, takes rows off the front.
    first = max([part.first, *(other.last + 1 for other in there if other.first < part.first)])
    taken = None
    if first <= part.last and not any(other.covers(Part(first, part.last)) for other in there):
        taken = Part(first, part.last)
        store(results / taken.name, taken, [table.slice(first - part.first)], disk)
    disk.unlink(file)
    return taken


def _part_of(path: Path, run_id: str) -> Part | None:
    prefix = _NAME.format(run_id=run_id, part="")
    match = re.fullmatch(re.escape(prefix) + r"(r-.*)", path.name)
    return Part.parse(match[1]) if match else None
