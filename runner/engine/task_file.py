"""The task file: checked once from end to end, then read by line without holding its tasks.

Apart from the matrix (`runner.engine.tasks`) because it knows one thing, lines with unique ids. A
million lines cost 16 bytes each: where a line starts, and a sorted word out of 32 bits of its id's
checksum and 32 of its number, which finds both duplicates and a task by its id. A million are read
in 0.65 s of CPU, a third of the time that passes before the first attempt.
"""

import hashlib
import itertools
import operator
import os
import stat
import weakref
import zlib
from array import array
from bisect import bisect_left
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast

import msgspec
from msgspec import Struct

from runner.engine.task_lines import (
    MAX_LINE_BYTES,
    BenchLine,
    Faults,
    LineTooLongError,
    TaskLine,
    read_all,
    read_each,
    whole_lines,
)
from runner.errors import PlanError, SourceChanged

DIGEST_BYTES: Final = 16
_KEPT_BYTES: Final = 16 * 1024 * 1024
"""A file up to this size stays in memory, so that taking a task from it needs no disk."""
_NUMBER_BITS: Final = 32
_NUMBER: Final = (1 << _NUMBER_BITS) - 1
_SUM: Final = (1 << 64) - 1 - _NUMBER
_MOST: Final = 1 << 24
"""Tasks of a file; more would take minutes to read."""
_PART_BITS: Final = 8
_xor: Final[Callable[[int, int], int]] = operator.xor  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
"""As ``int.__xor__``, at half its cost."""

Trait = tuple[str, str]
"""``(task_type, difficulty)`` of a task of the interactive benchmark."""


class SourceIndex(Struct, frozen=True):
    """What one reading of a task file found, for another process that opens the same file.

    ``identity`` says which file, as it was; `SourceFile` reads one that is not that file anew.
    """

    identity: tuple[int, int, int, int]
    digest: str
    starts: bytes
    words: bytes


class SourceFile:
    """An opened task file: ``len``, a task's object by its place, its place by its id.

    ``digest`` is of the whole file; ``traits`` has an entry a task if they were asked for. The file
    stays open, so one that is replaced does no harm; one that is edited in place is noticed when a
    line cannot be read any more.
    """

    def __init__(
        self,
        path: Path,
        name: str,
        *,
        with_traits: bool = False,
        index: SourceIndex | None = None,
    ) -> None:
        """Read ``path`` once, calling it ``name`` in messages; not at all if ``index`` is of it.

        `OSError` if it cannot be opened, `PlanError` with everything that is wrong in it.
        """
        self.path = path
        self.traits: list[Trait] = []
        self.digest = ""
        self._name = name
        self._starts = array("Q", [0])
        self._words = array("Q")
        self._kept = b""
        self._fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        weakref.finalize(self, os.close, self._fd)
        if not stat.S_ISREG(os.fstat(self._fd).st_mode):
            raise OSError(0, "is not a regular file")
        known = not with_traits and index is not None and index.identity == self._identity()
        if known and index is not None:
            self._starts = array("Q", index.starts)
            self._words = array("Q", index.words)
            self.digest = index.digest
        else:
            self._read(name, with_traits=with_traits)
        if self._starts[-1] <= _KEPT_BYTES:
            self._kept = os.pread(self._fd, self._starts[-1], 0)

    def _read(self, name: str, *, with_traits: bool) -> None:
        faults = Faults(name)
        self._scan(TraitReader(self.traits) if with_traits else None, faults)
        self._find_doubles(faults)
        if not faults.problems() and not self._words:
            faults.add("empty", None, "has no task in it")
        if problems := faults.problems():
            raise PlanError(problems)

    def _identity(self) -> tuple[int, int, int, int]:
        found = os.fstat(self._fd)
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns

    def index(self) -> SourceIndex | None:
        """What was found, for another process; None where traits were asked for as well."""
        if self.traits:
            return None
        return SourceIndex(
            self._identity(), self.digest, self._starts.tobytes(), self._words.tobytes()
        )

    def __len__(self) -> int:
        """How many tasks the file has."""
        return len(self._words)

    def data(self, place: int) -> dict[str, Any]:
        """The object of a task; `SourceChanged` if it is not there any more."""
        try:
            value: object = msgspec.json.decode(self._line(place))
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise SourceChanged(f"{self._name}: edited under the run, task {place + 1} is gone")
        return cast("dict[str, Any]", value)

    def find(self, task: str) -> int | None:
        """Where the task with that id is; of two, as while doubles are sought, the first."""
        wanted = zlib.crc32(task.encode("utf-8", "surrogatepass")) << _NUMBER_BITS
        at = bisect_left(self._words, wanted)
        while at < len(self._words) and self._words[at] & _SUM == wanted:
            place = self._words[at] & _NUMBER
            if self.data(place).get("id") == task:
                return place
            at += 1
        return None

    def _line(self, place: int) -> bytes:
        """The line of a task, without the lines after it that hold none."""
        start, end = self._starts[place], self._starts[place + 1]
        lines = self._kept[start:end] if self._kept else os.pread(self._fd, end - start, start)
        return lines.partition(b"\n")[0]

    # -------------------------------------------------------------------------- reading once

    def _scan(self, traits: "TraitReader | None", faults: Faults) -> None:
        digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
        decoder: msgspec.json.Decoder[TaskLine] = msgspec.json.Decoder(
            BenchLine if traits else TaskLine
        )
        words = _Words()
        before = 0
        try:
            for chunk in whole_lines(self._fd, digest.update):
                lines = chunk.removesuffix(b"\n").split(b"\n")
                sound = read_all(decoder, chunk, len(lines))
                if sound is not None:
                    records, ids = sound
                    self._take_all(ids, lines, words)
                else:
                    found = read_each(decoder, lines, before, faults)
                    records = self._take_each(found, lines, words)
                if traits:
                    traits.take(records)
                before += len(lines)
                if len(self._starts) > _MOST:
                    faults.add("size", None, f"has more than {_MOST} tasks")
                    break
        except OSError as error:
            faults.add("read", None, f"cannot be read: {error.strerror}")
        except LineTooLongError:
            faults.add("long", None, f"has a line of more than {MAX_LINE_BYTES} bytes")
        self._words = words.sorted()
        self.digest = digest.hexdigest()

    def _take_all(self, ids: list[str], lines: list[bytes], words: "_Words") -> None:
        first = len(self._starts) - 1
        ends = itertools.accumulate(map(len, lines), initial=self._starts.pop())
        self._starts.extend(map(operator.add, ends, itertools.count()))  # a line end each
        words.add(ids, first)

    def _take_each(
        self, records: list[TaskLine | None], lines: list[bytes], words: "_Words"
    ) -> list[TaskLine]:
        """As `_take_all`; a line without a task belongs to the task before it."""
        for record, line in zip(records, lines, strict=True):
            end = self._starts[-1] + len(line) + 1
            if record is None:
                self._starts[-1] = end
            else:
                words.add([record.id], len(self._starts) - 1)
                self._starts.append(end)
        return [record for record in records if record is not None]

    def _find_doubles(self, faults: Faults) -> None:
        """Ids that stand twice are neighbours in the sorted words; as a rule there are none."""
        if min(map(_xor, self._words, self._words[1:]), default=_SUM) > _NUMBER:
            return
        for one, other in itertools.pairwise(self._words):
            if (one ^ other) & _SUM:
                continue
            if faults.full("twice"):
                faults.count("twice")
                continue
            place = other & _NUMBER
            task = str(self.data(place).get("id"))
            first = self.find(task)
            if first is not None and first != place:
                where = f"first on line {self._line_number(first)}"
                faults.add(
                    "twice", self._line_number(place), f'the id "{task}" stands twice', where
                )

    def _line_number(self, place: int) -> int:
        """The line, from 1, of a task. Counted anew: only messages about doubles need it."""
        end, at, number = self._starts[place], 0, 1
        while at < end:
            piece = os.pread(self._fd, min(end - at, 1 << 20), at)
            if not piece:
                break
            number += piece.count(b"\n")
            at += len(piece)
        return number


class _Words:
    """Words to be sorted, in parts by their first bits: a whole list of them costs 44 MB more."""

    def __init__(self) -> None:
        self._parts = [array("Q") for _ in range(1 << _PART_BITS)]
        self._take = [part.append for part in self._parts]

    def add(self, ids: list[str], first: int) -> None:
        """One word for each id; they have the places from ``first`` on."""
        take = self._take
        for place, checksum in enumerate(map(zlib.crc32, map(str.encode, ids)), first):
            take[checksum >> (32 - _PART_BITS)](checksum << _NUMBER_BITS | place)

    def sorted(self) -> "array[int]":
        """All of them in order; the parts are used up."""
        words = array("Q")
        for part in self._parts:
            words.fromlist(sorted(part))
            del part[:]
        return words


class TraitReader:
    """Collects the traits of benchmark tasks, equal ones as one object."""

    def __init__(self, traits: list[Trait]) -> None:
        self._traits = traits
        self._known: dict[Trait, Trait] = {}

    def take(self, records: list[TaskLine]) -> None:
        """Append one trait for each record, in order."""
        for record in records:
            if isinstance(record, BenchLine):
                trait = (record.task_type, record.difficulty)
                self._traits.append(self._known.setdefault(trait, trait))
