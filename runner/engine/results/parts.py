"""Names of part files and the rule which of them count: the folder itself is the manifest.

Apart because the rule is pure (names in, parts out), everyone who reads results needs it, and it
must hold at each instant of a compaction and after a kill at any point of it.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Self

from msgspec import Struct

FOLDER: Final = "results"
FIRST_ROW: Final = 1
"""Commit numbers count from here over the whole run, one a row."""
_NAME: Final = re.compile(r"r-(\d{8,})-(\d{8,})\.parquet", re.ASCII)


class Part(Struct, frozen=True, order=True):
    """A part file by its name: it holds the rows ``first``..``last`` in this order."""

    first: int
    last: int

    @property
    def rows(self) -> int:
        """How many rows the name promises."""
        return self.last - self.first + 1

    @property
    def name(self) -> str:
        """The file's name."""
        return f"r-{self.first:08}-{self.last:08}.parquet"

    def covers(self, other: "Part") -> bool:
        """Whether every row of ``other`` is in this part too."""
        return self.first <= other.first and other.last <= self.last

    @classmethod
    def parse(cls, name: str) -> Self | None:
        """The part of a file name; None for a name that we never give."""
        match = _NAME.fullmatch(name)
        if match is None:
            return None
        part = cls(int(match[1]), int(match[2]))
        return part if FIRST_ROW <= part.first <= part.last and part.name == name else None


class Live(Struct, frozen=True):
    """Which parts hold the rows, each row once, and what is wrong with the set."""

    parts: list[Part]
    covered: list[Part]
    """Members whose covering part is there: skipped by readers, removed at start-up."""
    gaps: list[tuple[int, int]]
    """Ranges of commit numbers between the parts, or before the first, that no part holds."""
    overlaps: list[tuple[int, int]]
    """Ranges that two live parts both hold. Our writers never make any."""

    @property
    def next_row(self) -> int:
        """The first commit number after all live parts."""
        return max((part.last for part in self.parts), default=FIRST_ROW - 1) + 1


def select(parts: Iterable[Part]) -> Live:
    """Sort by (first, -last), skip what an earlier part covers, report gaps and overlaps."""
    live: list[Part] = []
    covered: list[Part] = []
    gaps: list[tuple[int, int]] = []
    overlaps: list[tuple[int, int]] = []
    reached = FIRST_ROW - 1
    for part in sorted(parts, key=lambda part: (part.first, -part.last)):
        if part.last <= reached:
            covered.append(part)
            continue
        if part.first > reached + 1:
            gaps.append((reached + 1, part.first - 1))
        elif part.first <= reached:
            overlaps.append((part.first, reached))
        live.append(part)
        reached = part.last
    return Live(live, covered, gaps, overlaps)


def parts_in(folder: Path) -> list[Part]:
    """All parts in the folder, covered ones too; empty if there is no folder."""
    try:
        names = [entry.name for entry in folder.iterdir()]
    except FileNotFoundError:
        return []
    return [part for part in map(Part.parse, names) if part is not None]


def live(folder: Path) -> Live:
    """`select` over the folder as it is now.

    A reader that then meets FileNotFoundError was overtaken by the compactor and lists again:
    the covering part is there before its members go.
    """
    return select(parts_in(folder))
