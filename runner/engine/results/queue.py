"""Rows between the engine's loop and the writer thread: bounded, accounted, cut into batches.

Apart because it holds the only lock that both sides take, and nothing is done under it but moving
references: a disk that stalls never makes `put` wait.
"""

import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from runner.core.rows import Row
from runner.engine.results.parts import Part

BATCH_BYTES: Final = 4 * 1024 * 1024
"""zstd-1 takes a batch of this size in about 40 ms; one longer row is a batch of its own."""
FLOOD_WINDOW_S: Final = 1.0
_ROW_BYTES: Final = 2_000
_CALL_BYTES: Final = 300


class Pace(Struct, frozen=True):
    """From ``flood_rows`` rows within `FLOOD_WINDOW_S` on, a batch gathers for ``linger_s``: a part
    each would be too many files.
    """

    flood_rows: int
    linger_s: float


PROMPT: Final = Pace(flood_rows=50, linger_s=0.15)
UNHURRIED: Final = Pace(flood_rows=5, linger_s=0.25)
"""For rows of single calls, which cost less than a part of their own and which nobody waits for."""


class Batch(Struct, frozen=True):
    """Rows that become one part. ``bytes`` is their size in memory, ``since`` the oldest `put`."""

    part: Part
    rows: list[Row]
    bytes: int
    since: float


class _Waiting(Struct, frozen=True):
    row: Row
    bytes: int
    since: float


class RowQueue:
    """Rows in commit order. `put` is for the engine's thread, all else for the writer's.

    A row counts as waiting until its batch is acknowledged. The queue takes every row, since an
    ended attempt cannot be taken back; the bound works by pausing: once `has_room` is False no new
    attempt may start, so at most the rows of the attempts under way come on top of the budget.
    """

    def __init__(
        self,
        next_row: int,
        budget_bytes: int,
        budget_rows: int,
        clock: Callable[[], float] = time.monotonic,
        pace: Pace = PROMPT,
    ) -> None:
        self._pace = pace
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._clock = clock
        self._budget = (budget_rows, budget_bytes)
        self._next = next_row
        self._queue: deque[_Waiting] = deque()
        self._queued_bytes = 0
        self._batch: Batch | None = None
        self._arrivals: deque[float] = deque(maxlen=pace.flood_rows)
        self._closed = False

    @property
    def waiting(self) -> tuple[int, int]:
        """Rows not yet acknowledged, and their bytes in memory."""
        with self._lock:
            batch = self._batch
            rows = len(self._queue) + (len(batch.rows) if batch else 0)
            return rows, self._queued_bytes + (batch.bytes if batch else 0)

    @property
    def oldest_s(self) -> float:
        """How long the oldest row has been waiting; 0 if none is."""
        with self._lock:
            if self._batch:
                return self._clock() - self._batch.since
            return self._clock() - self._queue[0].since if self._queue else 0.0

    @property
    def has_room(self) -> bool:
        """False while new attempts must not be started."""
        rows, held = self.waiting
        return rows < self._budget[0] and held < self._budget[1]

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def put(self, number: int, row: Row) -> bool:
        """Take the row of commit number ``number``; `has_room` afterwards. Never blocks on I/O.

        ValueError if the number is not the one after the last: a hole would read as a lost row.
        """
        item = _Waiting(row, size_of(row), self._clock())
        with self._lock:
            if self._closed or number != self._next:
                raise ValueError(
                    f"row {number} cannot be taken: the queue is closed"
                    if self._closed
                    else f"row {number} is out of turn, {self._next} is next"
                )
            self._next += 1
            self._queue.append(item)
            self._queued_bytes += item.bytes
            self._arrivals.append(item.since)
            # A taker that lingers needs no waking before the batch is full.
            if len(self._queue) == 1 or self._queued_bytes >= BATCH_BYTES:
                self._changed.notify_all()
        return self.has_room

    def close(self) -> None:
        """No more rows; `take` returns what is left, then None."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def take(self) -> Batch | None:
        """Wait for rows and take all, up to `BATCH_BYTES`; None once closed and empty.

        The batch counts as waiting until `acknowledge`.
        """
        with self._changed:
            while not self._due():
                if self._closed:
                    return None
                due = self._queue[0].since + self._pace.linger_s if self._queue else None
                self._changed.wait(None if due is None else due - self._clock())
            taken = [self._queue.popleft()]
            held = taken[0].bytes
            while self._queue and held + self._queue[0].bytes <= BATCH_BYTES:
                item = self._queue.popleft()
                held += item.bytes
                taken.append(item)
            self._queued_bytes -= held
            first = self._next - len(self._queue) - len(taken)
            part = Part(first, first + len(taken) - 1)
            self._batch = Batch(part, [item.row for item in taken], held, taken[0].since)
            return self._batch

    def acknowledge(self) -> None:
        """The batch that was taken last is durable."""
        with self._changed:
            self._batch = None

    def unacknowledged(self) -> tuple[Part, list[Row]] | None:
        """All waiting rows in order, for the emergency file; they stay where they are."""
        with self._changed:
            rows = [*self._batch.rows] if self._batch else []
            rows.extend(item.row for item in self._queue)
            return (Part(self._next - len(rows), self._next - 1), rows) if rows else None

    def _due(self) -> bool:
        if not self._queue:
            return False
        if self._closed or self._queued_bytes >= BATCH_BYTES:
            return True
        now = self._clock()
        many = len(self._arrivals) == self._pace.flood_rows
        flooded = many and now - self._arrivals[0] <= FLOOD_WINDOW_S
        return not flooded or now - self._queue[0].since >= self._pace.linger_s


def size_of(row: Row) -> int:
    """About how much memory the row holds, in bytes; its long texts exactly."""
    texts = sys.getsizeof(row.messages) + sys.getsizeof(row.extra) + sys.getsizeof(row.error)
    return _ROW_BYTES + texts + _CALL_BYTES * len(row.tool_calls)
