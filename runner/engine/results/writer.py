"""The results writer: from a finished attempt to a durable row in milliseconds, whatever happens.

Apart from the engine's loop because the disk may stall for as long as it likes: the loop only puts
rows in and drains notices. Group commit: the thread takes all rows that wait and writes one part,
so a lone row is durable at once and a flood batches itself.
"""

import importlib
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from runner.core.rows import Row
from runner.engine.durable import REAL_DISK, Disk, explain
from runner.engine.results.compactor import MERGE_AT, Compactor
from runner.engine.results.notices import Failed, Notices, Recovered, Written
from runner.engine.results.parts import Part
from runner.engine.results.queue import BATCH_BYTES, PROMPT, Batch, Pace, RowQueue

if TYPE_CHECKING:
    from runner.engine.results.partfile import Stored

BUDGET_BYTES: Final = 64 * 1024 * 1024
BUDGET_ROWS: Final = 20_000
BACKOFF_S: Final = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Waits between tries of the same part; the last one repeats."""
STALL_S: Final = 2.0
"""A write that takes longer is shown as trouble, though the disk may still answer."""


class RowsStatus(Struct, frozen=True):
    """What ``ping`` says of the rows: ``error`` is "" or the trouble in words."""

    waiting: int
    waiting_bytes: int
    oldest_s: float
    error: str


class ResultsWriter:
    """Writes rows as parts in ``folder``, which must exist; tells `Notices` what became of them.

    ``next_row`` is the first commit number to come, ``digests`` the file name -> digest of parts
    that the log knows: a part is merged only if its bytes are still those. The engine calls `put`,
    `has_room`, `status` and `finish`, none of which waits for the disk; `close` and `emergency` do.
    """

    def __init__(  # noqa: PLR0913 - only the folder, the box and the number have no default
        self,
        folder: Path,
        notices: Notices,
        *,
        next_row: int,
        digests: Mapping[str, str] | None = None,
        disk: Disk = REAL_DISK,
        merge_at: int = MERGE_AT,
        budget_bytes: int = BUDGET_BYTES,
        budget_rows: int = BUDGET_ROWS,
        pace: Pace = PROMPT,
    ) -> None:
        self._folder = folder
        self._notices = notices
        self._disk = disk
        self._queue = RowQueue(next_row, budget_bytes, budget_rows, pace=pace)
        self._compactor = Compactor(
            folder,
            notices,
            disk,
            {part: known for name, known in (digests or {}).items() if (part := Part.parse(name))},
            merge_at,
            behind=lambda: self._queue.waiting[1] > BATCH_BYTES,
        )
        self._one_file = True
        self._error = ""
        self._busy_since: float | None = None
        self._abandoned = threading.Event()
        self._thread = threading.Thread(target=self._run, name="results", daemon=True)

    def start(self) -> None:
        """Start the writer's and the compactor's threads."""
        self._compactor.start()
        self._thread.start()

    @staticmethod
    def warm() -> None:
        """Load Arrow (a tenth of a second, the GIL held) now, not under the first row."""
        importlib.import_module("runner.engine.results.partfile")

    def put(self, seq: int, row: Row) -> bool:
        """Take the row of commit number ``seq``, always; False: start no new attempts now.

        The memory held is bounded by pausing, not by refusing: an attempt that has ended cannot be
        taken back. Go on when `has_room` says so after a `Written`. ValueError for a number out of
        turn or after `finish`.
        """
        return self._queue.put(seq, row)

    @property
    def has_room(self) -> bool:
        """Whether new attempts may be started."""
        return self._queue.has_room

    def status(self) -> RowsStatus:
        """How many rows wait and why; from memory, also while the disk does not answer."""
        waiting, held = self._queue.waiting
        error, since = self._error, self._busy_since
        if not error and since is not None and time.monotonic() - since > STALL_S:
            error = f"the disk has not answered for {time.monotonic() - since:.0f} s"
        return RowsStatus(waiting, held, self._queue.oldest_s, error)

    def finish(self, *, one_file: bool = True) -> None:
        """No more rows: write what waits, merge all parts into one file, then tell `Finished`."""
        self._one_file = one_file
        self._queue.close()

    def close(self, timeout_s: float) -> bool:
        """End without merging and wait; True if every row is durable.

        After False the rows are still in memory: `emergency` saves them. Blocks up to
        ``timeout_s``.
        """
        if not self._queue.closed:
            self.finish(one_file=False)
        until = time.monotonic() + timeout_s
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            return False
        self._compactor.abandon()
        self._compactor.join(max(0.0, until - time.monotonic()))
        return self._queue.waiting[0] == 0

    def emergency(self, folder: Path) -> Path | None:
        """Give up on the run folder and write all waiting rows to a file in another one.

        ``folder`` should be on another device; it is made if need be. The file's path, or None if
        no row waits. Raises OSError. `recover.adopt` takes the file in at resume. The writer's
        threads are abandoned: should one come back to life, the part that it writes is covered by
        the adopted one.
        """
        from runner.engine.results.emergency import save

        self._abandoned.set()
        self._queue.close()
        self._compactor.abandon()
        self._thread.join(1.0)
        left = self._queue.unacknowledged()
        return save(folder, *left) if left else None

    def _run(self) -> None:
        while not self._abandoned.is_set() and (batch := self._queue.take()):
            stored = self._commit(batch)
            if stored is None:
                return
            self._queue.acknowledge()
            self._notices.put(
                Written(
                    first=batch.part.first,
                    last=batch.part.last,
                    rows=batch.part.rows,
                    bytes=stored.bytes,
                    part=batch.part.name,
                    digest=stored.digest,
                    waited_s=time.monotonic() - batch.since,
                )
            )
            self._compactor.added(stored)
        self._compactor.finish(self._one_file)

    def _commit(self, batch: Batch) -> "Stored | None":
        """Write the batch, however long that takes; None if the rows were given up on.

        Every try uses the same name: what a failed try may have left under it is replaced.
        """
        from runner.engine.results.partfile import store
        from runner.engine.results.schema import to_table

        failed_at: float | None = None
        tries = 0
        while not self._abandoned.is_set():
            self._busy_since = time.monotonic()
            try:
                target = self._folder / batch.part.name
                stored = store(target, batch.part, [to_table(batch.rows)], self._disk)
            except OSError as error:
                self._tell(explain(error))
            except Exception as error:  # noqa: BLE001 - a dead thread would hold all later rows unseen
                self._tell(f"{type(error).__name__}: {error}")
            else:
                self._error = ""
                if failed_at is not None:
                    self._notices.put(Recovered(time.monotonic() - failed_at))
                return stored
            finally:
                started, self._busy_since = self._busy_since, None
            failed_at = failed_at or started
            self._abandoned.wait(BACKOFF_S[min(tries, len(BACKOFF_S) - 1)])
            tries += 1
        return None

    def _tell(self, error: str) -> None:
        """One notice for each new kind of trouble, not one a try."""
        if error != self._error:
            self._error = error
            self._notices.put(Failed(error, self._queue.waiting[0]))
