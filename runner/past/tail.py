"""Following a run from outside: events as they are written, one attempt's events, bodies.

Apart from the engine's log package, which knows bytes only, and from `runner.past.history`, which
knows the past: this is what a viewer polls. Nothing here waits or writes.
"""

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Event as Stop
from typing import Final

from msgspec import Struct

from runner.core import events as ev
from runner.engine.log import LogReader, TranscriptReader
from runner.past.rest import Rest
from runner.runs import LOG

POLL_S: Final = 0.05
_READ_BYTES: Final = 8 * 1024 * 1024


class Batch(Struct, frozen=True):
    """Events that were written since the last look; ``garbled`` lines are not among them.

    ``restarted``: the log became shorter than what was read, so it begins anew with this batch.
    """

    events: list[ev.Event]
    restarted: bool = False
    garbled: int = 0


class Tail:
    """Follows the log of a run folder. Not thread-safe."""

    def __init__(self, run_dir: Path) -> None:
        self._reader = LogReader(run_dir / LOG)
        self._rest = Rest(run_dir)
        self._last: ev.Event | None = None
        self._beyond = False

    @property
    def offset(self) -> int:
        """Where in the file the next event begins."""
        return self._reader.offset

    def poll(self) -> Batch | None:
        """The next events, at most some 300; None if there are none now. Raises OSError.

        At the end of a log whose disk took no more come the events that its engine saved elsewhere.
        """
        chunk = self._reader.poll()
        if chunk is None:
            return self._poll_rest()
        restarted = chunk.restarted or self._beyond
        if self._beyond:  # a resume has put them into the log, which is read anew
            self._beyond, self._reader.offset = False, 0
            chunk = self._reader.poll() or chunk
        found, garbled = ev.decode_lines(chunk.data)
        self._last = found[-1] if found else self._last
        return Batch(found, restarted, garbled)

    def _poll_rest(self) -> Batch | None:
        found = [] if self._beyond else self._rest.after(self._last)
        self._beyond = self._beyond or bool(found)
        return Batch(found) if found else None

    def close(self) -> None:
        """Close the file."""
        self._reader.close()


def follow(run_dir: Path, stop: Stop, poll_s: float = POLL_S) -> Iterator[Batch]:
    """Batches as they are written, from the first event on, until ``stop`` is set."""
    tail = Tail(run_dir)
    try:
        while not stop.is_set():
            batch = tail.poll()
            if batch is not None:
                yield batch
            else:
                stop.wait(poll_s)
    finally:
        tail.close()


class _Search:
    """Events in whose line ``needle`` stands, found in the bytes of the log: no index is needed.

    A gigabyte is searched in about a second, and only once: each `poll` reads what is new. Not
    thread-safe.
    """

    def __init__(self, run_dir: Path, needle: bytes) -> None:
        self._path = run_dir / LOG
        self._needle = needle
        self._offset = 0

    def poll(self) -> Batch | None:
        """What was written since the last look; None if nothing. Raises OSError."""
        found: list[ev.Event] = []
        garbled = 0
        restarted = False
        with self._path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size < self._offset:
                self._offset, restarted = 0, True
            while data := _whole_lines(file.fileno(), self._offset, size):
                self._offset += len(data)
                events, bad = ev.decode_lines(_lines_with(data, self._needle))
                found += events
                garbled += bad
        return Batch(found, restarted, garbled) if found or restarted else None


class AttemptTail(_Search):
    """The events of one attempt, as they are written. Pulses carry no attempt id: none are here."""

    def __init__(self, run_dir: Path, attempt_id: str) -> None:
        quoted = json.dumps(attempt_id, ensure_ascii=False).encode()
        super().__init__(run_dir, b'"attempt_id":' + quoted)


def events_of(run_dir: Path, attempt_id: str) -> list[ev.Event]:
    """All events of one attempt, oldest first. Raises OSError."""
    batch = AttemptTail(run_dir, attempt_id).poll()
    return batch.events if batch else []


def events_named(run_dir: Path, names: Sequence[str]) -> list[ev.Event]:
    """All events of these types, oldest first: for rare ones in a long log. Raises OSError."""
    found: list[ev.Event] = []
    for name in names:
        batch = _Search(run_dir, b'"type":"' + name.encode() + b'"').poll()
        found += batch.events if batch else []
    return sorted(found, key=lambda event: event.seq)


class Bodies:
    """Message bodies of a run by (offset, length). Not thread-safe."""

    def __init__(self, run_dir: Path) -> None:
        self._reader = TranscriptReader(run_dir)

    def text(self, event: ev.MessageAdded) -> str | None:
        """What the message says; None while it is not written, or was never. Raises OSError.

        A body is JSON: a string stands for itself, a message for its ``content``, anything else
        for its own JSON text. It is hostile: `block` it before it is drawn.
        """
        body = self._reader.read(event.offset, event.length)
        return None if body is None else body_text(body)


def body_text(body: bytes) -> str:
    """The words in a transcript body; text that is no JSON stands for itself."""
    try:
        value = json.loads(body)
    except ValueError:
        return body.decode("utf-8", "replace")
    if isinstance(value, dict) and "content" in value:
        value = value["content"]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, indent=1)


def _whole_lines(fd: int, offset: int, size: int) -> bytes:
    """Up to the last newline within the next piece; a longer line is read whole; b"" at the end."""
    want = _READ_BYTES
    while offset < size:
        data = os.pread(fd, want, offset)
        end = data.rfind(b"\n") + 1
        if end or len(data) < want:
            return data[:end]
        want *= 2
    return b""


def _lines_with(data: bytes, needle: bytes) -> bytes:
    """The lines of ``data`` that hold ``needle``."""
    lines: list[bytes] = []
    at = data.find(needle)
    while at >= 0:
        end = data.index(b"\n", at) + 1
        lines.append(data[data.rfind(b"\n", 0, at) + 1 : end])
        at = data.find(needle, end)
    return b"".join(lines)
