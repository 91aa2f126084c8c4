"""Reading ``events.jsonl``, once or while it grows: whole lines only, from any offset.

Apart because every viewer, resume and verify read by these rules: a torn last line is not there
yet, a garbled line is counted and skipped, and the file may be cut (a torn tail) under our eyes.
"""

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Generic, TypeVar

from msgspec import Struct

CHUNK_BYTES: Final = 32 * 1024
"""What is decoded from so much is still in the processor's cache when it is folded, beside other
work on the same processor too. Measured, CPU us an event: 0.83 at 32 KiB, 0.86 at 64, 0.89 at 128;
on an idle machine 1.7 at 1 MiB."""
POLL_S: Final = 0.05

E = TypeVar("E")
DecodeLines = Callable[[bytes], tuple[list[E], int]]
"""Whole lines to (events, number of garbled lines), as `runner.core.events.decode_lines`."""


class Chunk(Struct, frozen=True):
    """Whole lines, newlines included, that begin at ``offset``.

    ``restarted``: the file became shorter than what was read before (it was replaced, or a power
    cut took its end), so everything read so far is void and this chunk begins at 0.
    """

    data: bytes
    offset: int
    restarted: bool = False


class LogReader:
    """Follows one file. Not thread-safe; ``offset`` is where the next line begins."""

    def __init__(self, path: Path, offset: int = 0) -> None:
        self._path = path
        self._fd = -1
        self.offset = offset

    def poll(self) -> Chunk | None:
        """The next whole lines, about `CHUNK_BYTES` of them; None if there are none now.

        Never waits. A file that is not there yet has no lines. Raises OSError.
        """
        size = self._size()
        restarted = size < self.offset
        if restarted:
            self.offset = 0
        data = self._whole_lines(size) if size > self.offset else b""
        if not data and not restarted:
            return None
        chunk = Chunk(data, self.offset, restarted)
        self.offset += len(data)
        return chunk

    def follow(self, stop: threading.Event, poll_s: float = POLL_S) -> Iterator[Chunk]:
        """Chunks as they come, until ``stop`` is set; with none there it looks every ``poll_s``."""
        while not stop.is_set():
            chunk = self.poll()
            if chunk is not None:
                yield chunk
            else:
                stop.wait(poll_s)

    @property
    def read_share(self) -> float:
        """How much of the file lies before `offset`, 0 to 1; 1 where there is none."""
        size = self._size()
        return min(1.0, self.offset / size) if size else 1.0

    def torn_bytes(self) -> int:
        """Bytes after the last newline: an event that is being written, or never will be whole."""
        return max(0, self._size() - self.offset)

    def close(self) -> None:
        """Close the file; `poll` opens it again."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _size(self) -> int:
        if self._fd < 0:
            try:
                self._fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                return 0
        return os.fstat(self._fd).st_size

    def _whole_lines(self, size: int) -> bytes:
        """Up to the last newline in the next chunk; a longer line is read whole."""
        want = CHUNK_BYTES
        while True:
            data = os.pread(self._fd, want, self.offset)
            end = data.rfind(b"\n") + 1
            if end or self.offset + len(data) >= size or len(data) < want:
                return data[:end]
            want *= 2


class Decoded(Struct, Generic[E]):
    """All events of a log, and what could not be read of it."""

    events: list[E]
    undecodable: int
    torn_bytes: int


def chunks(path: Path) -> Iterator[Chunk]:
    """The whole lines of a file as it is now, in chunks; memory stays bounded."""
    reader = LogReader(path)
    try:
        while (chunk := reader.poll()) and not chunk.restarted:
            yield chunk
    finally:
        reader.close()


def read_all(path: Path, decode_lines: DecodeLines[E]) -> Decoded[E]:
    """Every event of the log. Events of unknown types are what ``decode_lines`` makes of them."""
    events: list[E] = []
    undecodable = end = 0
    for chunk in chunks(path):
        found, bad = decode_lines(chunk.data)
        events.extend(found)
        undecodable += bad
        end = chunk.offset + len(chunk.data)
    size = path.stat().st_size if path.exists() else 0
    return Decoded(events, undecodable, max(0, size - end))
