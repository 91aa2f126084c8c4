"""What start-up does with a results folder, before the first row is written.

Apart because it runs once, under the run's lock and without threads, and is the only place that
removes a part which this process did not merge itself.
"""

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from runner.engine.durable import REAL_DISK, Disk, digest_file, remove_temporary
from runner.engine.results.partfile import problem_of
from runner.engine.results.parts import Live, Part, live

BAD_SUFFIX = ".bad"


class Tidied(Struct, frozen=True):
    """What `tidy` removed and what it found damaged; names of files."""

    removed: list[str]
    set_aside: list[str]
    """Damaged covering files whose members are still there: renamed, the members count again."""


class Found(Struct, frozen=True):
    """A live part that the log does not know: becomes ``RowsFound``. ``problem`` is "" if sound."""

    part: Part
    bytes: int
    digest: str
    problem: str


def tidy(folder: Path, digests: Mapping[str, str], disk: Disk = REAL_DISK) -> Tidied:
    """Remove temporary files and covered parts. Raises OSError.

    Members go only after the part that covers them was read to the last byte: a covering file that
    rotted is set aside instead, since its members still hold the rows.
    """
    removed = remove_temporary(folder, disk)
    set_aside: list[str] = []
    while (found := live(folder)).covered:
        for cover in found.parts:
            members = [part for part in found.covered if cover.covers(part)]
            if not members:
                continue
            path = folder / cover.name
            if problem_of(path, cover, digests.get(cover.name)):
                disk.replace(path, path.with_name(path.name + BAD_SUFFIX))
                set_aside.append(cover.name)
                continue
            for member in members:
                disk.unlink(folder / member.name)
                removed.append(member.name)
    disk.sync_folder(folder)
    return Tidied(removed, set_aside)


def survey(folder: Path, digests: Mapping[str, str]) -> tuple[Live, list[Found]]:
    """The live parts, and those of them that the log does not know: checked, with their digest.

    The results win over the log: rows that are found here were acknowledged or are whole all the
    same, and their attempts are not run again.
    """
    current = live(folder)
    found: list[Found] = []
    for part in current.parts:
        if part.name not in digests:
            path = folder / part.name
            digest, size = digest_file(path)
            found.append(Found(part, size, digest, problem_of(path, part, None)))
    return current, found
