"""What the storage threads tell the engine, and the box they put it in.

Apart because it is the whole interface between the writer threads and the engine's loop: the
threads never write events; they leave a notice and wake the loop, which turns it into an event.
"""

from collections import deque
from collections.abc import Callable

from msgspec import Struct


class Written(Struct, frozen=True):
    """Rows ``first``..``last`` are durable: becomes ``RowsWritten``."""

    first: int
    last: int
    rows: int
    bytes: int
    part: str
    digest: str
    waited_s: float
    """From `put` of the oldest of these rows to the acknowledgement."""


class Compacted(Struct, frozen=True):
    """``members`` parts became one: becomes ``PartsCompacted``."""

    first: int
    last: int
    rows: int
    bytes: int
    part: str
    digest: str
    members: int


class Failed(Struct, frozen=True):
    """Rows cannot be written; ``waiting`` of them are in memory, none is lost. ``RowsFailed``."""

    error: str
    waiting: int


class Recovered(Struct, frozen=True):
    """Rows can be written again after ``waited_s``: becomes ``RowsRecovered``."""

    waited_s: float


class CompactFailed(Struct, frozen=True):
    """Parts could not be merged. Nothing is lost: they stay as they are, readers read them all.

    ``part`` is the part that is damaged, or empty where the disk was to blame.
    """

    error: str
    part: str = ""


class Finished(Struct, frozen=True):
    """After ``finish``: all rows are durable, ``parts`` files are live, the threads are done."""

    parts: int


Notice = Written | Compacted | Failed | Recovered | CompactFailed | Finished


class Notices:
    """A box that any thread fills and one thread empties.

    ``wake`` is called after each notice, from the thread that left it: it must not block. The
    engine gives ``partial(os.eventfd_write, fd, 1)``.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._box: deque[Notice] = deque()

    def put(self, notice: Notice) -> None:
        """Leave a notice and wake the reader. Append to a deque is atomic: no lock is needed."""
        self._box.append(notice)
        self._wake()

    def drain(self) -> list[Notice]:
        """All notices so far, oldest first; never blocks."""
        taken: list[Notice] = []
        while self._box:
            taken.append(self._box.popleft())
        return taken
