"""The log's writer thread: events and transcript bodies, in the order in which they happened.

Apart from the engine's loop because the disk may stall; the loop encodes, appends here and goes
on. One thread for both files, because a body must be with the OS before the event that points at
it.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

from msgspec import Struct

from runner.engine.durable import REAL_DISK, Disk, explain
from runner.engine.log.appender import Appender
from runner.engine.log.transcript import TRANSCRIPT, open_transcript

EVENTS: Final = "events.jsonl"
SYNC_EVERY_S: Final = 1.0
BUDGET_BYTES: Final = 32 * 1024 * 1024
PIECE_BYTES: Final = 1024 * 1024
"""Waiting batches are joined up to about this size: one write call for many events."""
BACKOFF_S: Final = (0.1, 0.2, 0.5, 1.0)
STALL_S: Final = 2.0


class LogStatus(Struct, frozen=True):
    """What ``ping`` says of the log: ``error`` is "" or the trouble in words."""

    behind_bytes: int
    error: str


class Trouble(Struct, frozen=True):
    """A trouble that is over: becomes ``LogFailed``, which could not be written while it lasted."""

    error: str
    for_s: float


class _Batch(Struct, frozen=True):
    events: bytes
    bodies: bytes
    sync: bool


class EventLog:
    """Appends to ``events.jsonl`` and ``transcript.jsonl`` of a run folder; one writer a run.

    Construction opens both, unpacks a sealed transcript and cuts torn tails (see ``torn_bytes``);
    raises OSError. A damaged transcript is set aside and told by `troubles`. ``body_end`` is the
    highest end of a body that the log points at, so that no offset is used twice after a power cut.
    `append`, `place`, `status`, `has_room` and `troubles` are for the engine's thread and never
    wait for the disk.
    """

    def __init__(self, run_dir: Path, *, body_end: int = 0, disk: Disk = REAL_DISK) -> None:
        self._events = Appender(run_dir / EVENTS, disk)
        try:
            damage = open_transcript(run_dir, disk)
            self._bodies = Appender(run_dir / TRANSCRIPT, disk, body_end)
        except BaseException:
            self._events.close()
            raise
        self.torn_bytes = self._events.torn_bytes
        """Bytes of an unfinished event that were cut off on opening."""
        self._next_body = self._bodies.end
        self._placed: list[bytes] = []
        self._changed = threading.Condition()
        self._queue: deque[_Batch] = deque()
        self._taken: list[_Batch] = []
        self._appended = 0
        self._done = 0
        self._closing = False
        self._given_up = False
        self._unsynced_since: float | None = None
        self._error = ""
        self._failed_at = 0.0
        self._busy_since: float | None = None
        self._troubles = deque([Trouble(damage, 0.0)] if damage else [])
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)

    def start(self) -> None:
        """Start the thread. What was appended before is written then."""
        self._thread.start()

    def place(self, body: bytes) -> tuple[int, int]:
        """Take a body for the transcript: (offset, length) for the event that points at it.

        It goes to the OS before the events of the next `append`, which must carry that event.
        """
        at = self._next_body
        self._next_body += len(body) + 1
        self._placed += (body, b"\n")
        return at, len(body)

    def append(self, events: bytes, *, sync: bool = False) -> bool:
        """Queue whole lines, newlines included; `has_room` afterwards. Always takes them.

        ``sync``: fsync right after (ends of attempts); all else is fsynced within a second.
        """
        bodies = b"".join(self._placed)
        self._placed.clear()
        with self._changed:
            self._queue.append(_Batch(events, bodies, sync))
            self._appended += len(events) + len(bodies)
            self._changed.notify()
        return self.has_room

    @property
    def has_room(self) -> bool:
        """False while new attempts must not be started: too much waits for the disk."""
        return self._appended - self._done < BUDGET_BYTES

    def status(self) -> LogStatus:
        """How far the file is behind and why. Takes no lock: plain reads of single values."""
        error, since = self._error, self._busy_since
        if not error and since is not None and time.monotonic() - since > STALL_S:
            error = f"the disk has not answered for {time.monotonic() - since:.0f} s"
        return LogStatus(max(0, self._appended - self._done), error)

    def troubles(self) -> list[Trouble]:
        """Troubles that ended since the last call, for ``LogFailed`` events."""
        ended: list[Trouble] = []
        while self._troubles:
            ended.append(self._troubles.popleft())
        return ended

    def close(self, timeout_s: float) -> bool:
        """Write and fsync what waits, then end the thread; True if all of it is durable.

        Blocks up to ``timeout_s``. After False the thread has been told to give up: the file may
        lack the last events, which resume takes from the results.
        """
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(timeout_s)
        self._given_up = True
        return not self._thread.is_alive() and self._done == self._appended

    def unwritten(self) -> bytes:
        """After a `close` that failed: the last line that is surely durable, and all after it.

        Lines may stand twice where the disk fails while it is asked. Bodies are not among it.
        """
        with self._changed:
            waiting = [batch.events for batch in (*self._taken, *self._queue)]
        return b"".join([self._events.unsure(), *waiting])

    def _run(self) -> None:
        while not self._given_up and (batch := self._take()):
            self._insist(batch)
            if not self._given_up:
                self._taken = []
        self._insist(_Batch(b"", b"", sync=True))
        for file in (self._bodies, self._events):
            try:
                file.close()
            except OSError as error:
                self._error = explain(error)

    def _take(self) -> _Batch | None:
        """All that waits up to `PIECE_BYTES`, as one batch; an empty one when a sync is due."""
        with self._changed:
            while not self._queue:
                if self._closing:
                    return None
                due = self._sync_due_s()
                if due is not None and due <= 0:
                    return _Batch(b"", b"", sync=True)
                self._changed.wait(due)
            taken = [self._queue.popleft()]
            size = len(taken[0].events) + len(taken[0].bodies)
            while self._queue and size < PIECE_BYTES:
                taken.append(self._queue.popleft())
                size += len(taken[-1].events) + len(taken[-1].bodies)
            self._taken = taken
        due = self._sync_due_s()
        return _Batch(
            events=b"".join(batch.events for batch in taken),
            bodies=b"".join(batch.bodies for batch in taken),
            sync=any(batch.sync for batch in taken) or (due is not None and due <= 0),
        )

    def _sync_due_s(self) -> float | None:
        if self._unsynced_since is None:
            return None
        return self._unsynced_since + SYNC_EVERY_S - time.monotonic()

    def _insist(self, batch: _Batch) -> None:
        """Carry the batch out step by step; a step that fails is tried again until it is done."""
        if batch.bodies:
            self._until_done(lambda: self._write(self._bodies, batch.bodies))
        if batch.events:
            self._until_done(lambda: self._write(self._events, batch.events))
        if batch.sync:
            # Bodies first, so that after a power cut no event points at a body that is not there.
            self._until_done(self._bodies.sync)
            self._until_done(self._events.sync)
            self._unsynced_since = None

    def _write(self, file: Appender, data: bytes) -> None:
        file.write(data)
        self._done += len(data)
        if self._unsynced_since is None:
            self._unsynced_since = time.monotonic()

    def _until_done(self, step: Callable[[], None]) -> None:
        tries = 0
        while not self._given_up:
            self._busy_since = time.monotonic()
            try:
                step()
            except OSError as error:
                self._tell(explain(error))
            except Exception as error:  # noqa: BLE001 - a dead thread would stop the log unseen
                self._tell(f"{type(error).__name__}: {error}")
            else:
                if self._error:
                    self._troubles.append(Trouble(self._error, time.monotonic() - self._failed_at))
                    self._error = ""
                return
            finally:
                self._busy_since = None
            time.sleep(BACKOFF_S[min(tries, len(BACKOFF_S) - 1)])
            tries += 1

    def _tell(self, error: str) -> None:
        if not self._error:
            self._failed_at = time.monotonic()
        self._error = error
