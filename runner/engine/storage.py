"""Rows and log seen from the loop: notices become events, trouble becomes a pause.

Apart from the writers because they know nothing of a run: they write, retry and tell. Here a disk
that fails pauses the run with its reason, and the run goes on by itself when the disk does.
"""

import threading
from pathlib import Path
from typing import Any, Final

from runner.core import events as ev
from runner.core.rows import Row
from runner.core.text import plural
from runner.engine import elsewhere, probe
from runner.engine import results as res
from runner.engine.journal import Journal
from runner.engine.log import EventLog
from runner.engine.results.writer import ResultsWriter

FREE_EVERY_S: Final = 5.0
LOG_TROUBLE_S: Final = 2.0


class Storage:
    """The engine's hands on rows and log."""

    def __init__(
        self,
        run_dir: Path,
        journal: Journal,
        log: EventLog,
        rows: ResultsWriter,
        notices: res.Notices,
    ) -> None:
        self._run_dir = run_dir
        self._journal = journal
        self._log = log
        self._rows = rows
        self._notices = notices
        self._free_asked = 0.0
        self._asking: threading.Thread | None = None
        self.free_bytes = 0
        self.finished = False
        self.log_kept = True

    def warm(self) -> None:
        """Load what the first row needs."""
        self._rows.warm()

    def put_row(self, number: int, row: Row) -> None:
        """Take a finished row; the writer holds it until it is durable."""
        self._rows.put(number, row)

    def step(self, now: float) -> None:
        """Turn notices into events, pause or go on, and look at the room on the disk."""
        for notice in self._notices.drain():
            event = told(notice)
            if event is None:
                self.finished = True
            else:
                self._journal.emit(event)
        for trouble in self._log.troubles():
            self._journal.emit(ev.LogFailed(error=trouble.error, for_s=trouble.for_s))
        self._pause_or_go_on()
        if now - self._free_asked >= FREE_EVERY_S and not (
            self._asking and self._asking.is_alive()
        ):
            self._free_asked = now
            self._asking = threading.Thread(target=self._ask_free, name="free", daemon=True)
            self._asking.start()

    def _ask_free(self) -> None:
        """In a thread: even asking a stalled disk for its room may block."""
        self.free_bytes = probe.free_bytes(self._run_dir)

    def _pause_or_go_on(self) -> None:
        """Pause while results or log do not reach the disk; lift it by itself."""
        why = self.trouble()
        paused = "disk" in self._journal.state.pauses
        if why and not paused:
            self._journal.emit(ev.RunPaused(cause="disk", text=why))
        elif paused and not why:
            self._journal.emit(ev.RunUnpaused(cause="disk"))

    def trouble(self) -> str:
        """Why no new attempts may start, in words; empty while all is well."""
        rows, log = self._rows.status(), self._log.status()
        waiting = f"{plural(rows.waiting, 'result waits', 'results wait')} for the disk"
        if rows.error:
            return f"{waiting}: {rows.error}"
        if not self._rows.has_room:
            return waiting
        if log.error:
            return f"the log waits for the disk: {log.error}"
        return "" if self._log.has_room else "the log waits for the disk"

    def ping(self) -> dict[str, Any]:
        """The parts of ``ping`` that concern the disk, from memory."""
        rows, log = self._rows.status(), self._log.status()
        return {
            "log": {"behind_bytes": log.behind_bytes, "error": log.error},
            "rows": {"waiting": rows.waiting, "error": rows.error},
            "free_bytes": self.free_bytes,
        }

    def waiting(self) -> int:
        """Rows that are not yet durable."""
        return self._rows.status().waiting

    def finish(self) -> None:
        """No more rows: write all, merge to one file, then `finished`."""
        self._rows.finish()

    def close(self, timeout_s: float) -> bool:
        """End both writers; True if everything is durable. ``log_kept`` tells of the log alone."""
        self._journal.flush()
        rows = self._rows.close(timeout_s)
        self.step(0.0)
        self._journal.flush()
        self.log_kept = self._log.close(timeout_s)
        return self.log_kept and rows

    def save_rows(self, folder: Path) -> Path | None:
        """Save rows that the run folder does not take to another place; None if there are none."""
        return self._rows.emergency(folder)

    def save_log(self, folder: Path) -> Path:
        """Save the end of a log that the run folder does not take to another place."""
        return elsewhere.save(folder, self._journal.state.run_id, self._log.unwritten())


def told(notice: res.Notice) -> ev.Event | None:
    """What a writer's notice is as an event; None for `Finished`."""
    if isinstance(notice, res.Written):
        return ev.RowsWritten(
            first=notice.first,
            last=notice.last,
            rows=notice.rows,
            bytes=notice.bytes,
            part=notice.part,
            digest=notice.digest,
            waited_s=round(notice.waited_s, 6),
        )
    if isinstance(notice, res.Compacted):
        return ev.PartsCompacted(
            first=notice.first,
            last=notice.last,
            rows=notice.rows,
            bytes=notice.bytes,
            part=notice.part,
            digest=notice.digest,
            members=notice.members,
        )
    if isinstance(notice, res.Failed):
        return ev.RowsFailed(error=notice.error, waiting=notice.waiting)
    if isinstance(notice, res.Recovered):
        return ev.RowsRecovered(waited_s=round(notice.waited_s, 3))
    if isinstance(notice, res.CompactFailed):
        return ev.PartsFailed(error=notice.error, part=notice.part)
    return None
