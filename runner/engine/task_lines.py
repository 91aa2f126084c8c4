"""Reads a task file line by line: fast while it is sound, with a message for each fault.

Apart from the index that is built of it (`task_file`): this half knows JSON and what a line may
hold, that half knows offsets.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Final, cast

import msgspec

from runner.errors import Problem

MAX_SHOWN: Final = 5
"""Faults of a kind that are listed one by one; the rest is a count."""
MAX_LINE_BYTES: Final = 8 * 1024 * 1024
"""A task travels to its host in one frame of at most 16 MiB."""
MAX_ID_CHARS: Final = 400
_CHUNK_BYTES: Final = 1024 * 1024


class TaskLine(msgspec.Struct, gc=False):
    """What every line has."""

    id: str
    labels: dict[str, str | int | float | bool] | msgspec.UnsetType = msgspec.UNSET
    """Only checked here; a default of ``{}`` would make a dict for each of a million lines."""


class BenchLine(TaskLine, gc=False):
    """What lines of the interactive benchmark may have beside it, with that executor's defaults."""

    task_type: str = "basic_task"
    difficulty: str = "medium"


class LineTooLongError(ValueError):
    """A line is longer than `MAX_LINE_BYTES`."""


class Faults:
    """Problems of a task file: at most `MAX_SHOWN` of a kind, then a count of the others."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._shown: list[Problem] = []
        self._counts: Counter[str] = Counter()

    def full(self, kind: str) -> bool:
        """Whether one more of that kind would only be counted."""
        return self._counts[kind] >= MAX_SHOWN

    def count(self, kind: str) -> None:
        """One more of a kind that is full."""
        self._counts[kind] += 1

    def add(self, kind: str, line: int | None, text: str, hint: str = "") -> None:
        """A fault on ``line``, or of the whole file."""
        if not self.full(kind):
            self._shown.append(
                Problem(file=self._file, key="tasks.source", text=text, line=line, hint=hint)
            )
        self._counts[kind] += 1

    def problems(self) -> list[Problem]:
        """All of them, in the order of their kinds' first appearance."""
        rest = [
            Problem(
                file=self._file,
                key="tasks.source",
                text=f"and {count - MAX_SHOWN} more lines: {_KINDS[kind]}",
            )
            for kind, count in self._counts.items()
            if count > MAX_SHOWN
        ]
        return self._shown + rest


_KINDS: Final = {
    "json": "not JSON",
    "object": "not an object",
    "id": "no id, or not a usable one",
    "labels": "labels, task_type or difficulty of the wrong type",
    "twice": "an id stands twice",
}


def whole_lines(fd: int, seen: Callable[[bytes], object]) -> Iterator[bytes]:
    """The file in pieces that end at the end of a line; ``seen`` gets every byte once.

    `LineTooLongError` if one is over the cap.
    """
    rest = b""
    while chunk := os.read(fd, _CHUNK_BYTES):
        seen(chunk)
        cut = chunk.rfind(b"\n") + 1
        if cut:
            yield rest + chunk[:cut]
            rest = chunk[cut:]
        else:
            rest += chunk
        if len(rest) > MAX_LINE_BYTES:
            raise LineTooLongError
    if rest:
        yield rest


def read_all(
    decoder: msgspec.json.Decoder[TaskLine], chunk: bytes, lines: int
) -> tuple[list[TaskLine], list[str]] | None:
    """Every line of ``chunk`` in one go, and the ids; None if any is blank or has a fault.

    The decoder minds neither two objects on a line nor one on two lines. Where every line begins
    with ``{`` and ends with ``}`` there is neither: within an object ``}`` and ``{`` never meet.
    """
    seams = chunk.count(b"}\n{") + chunk.count(b"}\r\n{")
    if seams != lines - 1 or chunk[:1] != b"{" or chunk.rstrip(b"\r\n")[-1:] != b"}":
        return None
    try:
        chunk.decode()
        records = decoder.decode_lines(chunk)
    except (ValueError, RecursionError):
        return None
    ids = [record.id for record in records]
    lengths = set(map(len, ids))
    sound = len(ids) == lines and min(lengths) > 0 and max(lengths) <= MAX_ID_CHARS
    return (records, ids) if sound and "".join(ids).isprintable() else None


def read_each(
    decoder: msgspec.json.Decoder[TaskLine], lines: list[bytes], before: int, faults: Faults
) -> list[TaskLine | None]:
    """Line by line: None for a blank one and for a faulty one, which is told to ``faults``."""
    return [_read(decoder, line, number, faults) for number, line in enumerate(lines, before + 1)]


def _read(
    decoder: msgspec.json.Decoder[TaskLine], line: bytes, number: int, faults: Faults
) -> TaskLine | None:
    if not line.strip():
        return None
    try:
        value: object = msgspec.json.decode(line)
    except (ValueError, RecursionError) as error:
        faults.add("json", number, f"not JSON: {error}", _hint(line, number))
        return None
    if not isinstance(value, dict):
        hint = "one JSON object a line, without a list around them" if line[:1] == b"[" else ""
        faults.add("object", number, "not a JSON object", hint)
        return None
    fault = _fault(cast("dict[str, Any]", value))
    if fault is not None:
        faults.add(fault[0], number, fault[1])
        return None
    try:
        return decoder.decode(line)
    except ValueError as error:
        faults.add("labels", number, str(error))
        return None


def _fault(value: dict[str, Any]) -> tuple[str, str] | None:
    task = value.get("id")
    if task is None:
        return "id", "has no id"
    if not isinstance(task, str) or not task:
        return "id", "the id must be a text that is not empty"
    if len(task) > MAX_ID_CHARS or not task.isprintable():
        return "id", f"the id must be printable and at most {MAX_ID_CHARS} characters"
    labels = value.get("labels", {})
    if not isinstance(labels, dict):
        return "labels", "labels must be an object"
    values = cast("dict[str, object]", labels).values()
    if not all(isinstance(label, str | int | float) for label in values):
        return "labels", "each label must be a text, a number, true or false"
    return None


def _hint(line: bytes, number: int) -> str:
    if number == 1 and line.startswith(b"\xef\xbb\xbf"):
        return "the file begins with a byte order mark: save it as UTF-8 without one"
    if line.strip() in (b"[", b"{"):
        return "one JSON object a line, each whole on its line"
    return ""
