"""Each trouble of a disk as the engine's storage tells it: words, a pause, and going on by itself.

The writers by themselves, step by step, are in ``test_storage_disk``; here they are tied to the
journal as in an engine, and rows and log get into trouble apart from each other.
"""

import contextlib
import errno
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.commands import plan
from support.storing import WAIT_S, FaultyDisk, eventually, make_row

from runner.core import events as ev
from runner.core.state import State
from runner.core.status import status
from runner.core.verdict import EngineSeen, verdict
from runner.engine.axis import Axis
from runner.engine.journal import Journal
from runner.engine.log import EVENTS, EventLog, read_all
from runner.engine.results import FOLDER, Notices
from runner.engine.results.read import recorded
from runner.engine.results.writer import ResultsWriter
from runner.engine.storage import Storage
from tui.source.words import disk_words

ERRNOS = [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EMFILE, errno.EFBIG, errno.ENOENT]
TROUBLES = [*(errno.errorcode[number] for number in ERRNOS), "stall"]
ROWS = 3


class Kept:
    """A storage as an engine has it, each writer on a disk of its own, turned by the test."""

    def __init__(self, run_dir: Path) -> None:
        self.run_dir = run_dir
        self.results = run_dir / FOLDER
        self.results.mkdir()
        self.disks = {"rows": FaultyDisk(), "log": FaultyDisk()}
        notices = Notices(lambda: None)
        self.log = EventLog(run_dir, disk=self.disks["log"])
        self.rows = ResultsWriter(self.results, notices, next_row=1, disk=self.disks["rows"])
        self.journal = Journal(State(), Axis(), self.log)
        self.storage = Storage(run_dir, self.journal, self.log, self.rows, notices)
        self.journal.emit(
            ev.EngineStarted(
                epoch=1,
                wall=1.0,
                boot_id="",
                pid=1,
                run_id="run",
                version="1",
                tasks_total=ROWS,
                plan=plan(),
            )
        )
        self.log.start()
        self.rows.start()

    @property
    def state(self) -> State:
        return self.journal.state

    def turn(self) -> None:
        """One turn of the engine's loop, as far as it concerns the storage."""
        self.storage.step(time.monotonic())
        self.journal.flush()

    def until(self, what: str, *, paused: bool) -> None:
        """Turn until the run is paused for its disk, or is not any more."""

        def look() -> bool:
            self.turn()
            said = self.storage.ping()
            return ("disk" in self.state.pauses, bool(said[what]["error"])) == (paused, paused)

        eventually(look)

    def end_attempts(self) -> None:
        """All attempts of the run end, each with a row."""
        for number in range(1, ROWS + 1):
            self.journal.emit(
                ev.AttemptEnded(
                    task_id=f"task-{number}",
                    attempt=1,
                    attempt_id=f"attempt-{number}",
                    worker=0,
                    host=0,
                    outcome="passed",
                    cause="",
                    elapsed_s=1.0,
                    rung="",
                    row=number,
                )
            )
            self.storage.put_row(number, make_row(number))
        self.journal.flush()

    def screen(self) -> str:
        """What a person reads: line 2 by the engine's own state, and the line that ping fills."""
        told = verdict(self.state, self.state.at, EngineSeen()).text
        return f"{told}\n{disk_words(self.storage.ping())}"


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    made = Kept(tmp_path)
    yield made
    for disk in made.disks.values():
        disk.heal()
    made.storage.close(WAIT_S)


@contextlib.contextmanager
def trouble(disk: FaultyDisk, kind: str) -> Iterator[str]:
    """The trouble, for as long as the block lasts; the word that must be said of it."""
    if kind == "stall":
        disk.gate.clear()
        yield "has not answered"
    else:
        number = getattr(errno, kind)
        disk.broken = OSError(number, os.strerror(number))
        yield kind
    disk.heal()


@pytest.mark.parametrize("kind", TROUBLES)
def test_rows_in_trouble_pause_the_run_in_words_until_it_is_over(
    kept: Kept, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.engine.results.writer.STALL_S", 0.05)
    with trouble(kept.disks["rows"], kind) as word:
        kept.end_attempts()
        kept.until("rows", paused=True)
        rows = kept.storage.ping()["rows"]
        assert (rows["waiting"], word in rows["error"]) == (ROWS, True)
        assert "3 results" in kept.screen()
        assert "none is lost" in kept.screen()
        assert word in kept.state.pauses["disk"]
        assert status(kept.state, kept.state.at, EngineSeen())["rows"]["waiting"] == ROWS
        assert not list(recorded(kept.results))
    # A busy machine may take as long for a sound write.
    monkeypatch.setattr("runner.engine.results.writer.STALL_S", 2.0)
    kept.until("rows", paused=False)
    eventually(lambda: kept.turn() or not kept.state.awaited)
    assert [row.attempt_id for row in recorded(kept.results)] == [
        f"attempt-{number}" for number in range(1, ROWS + 1)
    ]
    assert kept.screen().endswith("\n")
    assert kept.storage.close(WAIT_S)
    assert _pauses(kept.run_dir) == [ev.RunPaused, ev.RunUnpaused]


@pytest.mark.parametrize("kind", TROUBLES)
def test_a_log_in_trouble_pauses_the_run_in_words_until_it_is_over(
    kept: Kept, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.engine.log.writer.STALL_S", 0.05)
    with trouble(kept.disks["log"], kind) as word:
        kept.end_attempts()
        kept.until("log", paused=True)
        log = kept.storage.ping()["log"]
        assert (log["behind_bytes"] > 0, word in log["error"]) == (True, True)
        assert "log" in kept.screen()
        assert "nothing is lost" in kept.screen()
        assert word in kept.state.pauses["disk"]
        eventually(lambda: kept.turn() or not kept.state.awaited)  # rows do not wait for the log
    monkeypatch.setattr("runner.engine.log.writer.STALL_S", 2.0)
    kept.until("log", paused=False)
    assert kept.screen().endswith("\n")
    assert kept.storage.close(WAIT_S)
    found = read_all(kept.run_dir / EVENTS, ev.decode_lines).events
    assert [event.seq for event in found] == list(range(1, len(found) + 1))
    assert _pauses(kept.run_dir) == [ev.RunPaused, ev.RunUnpaused]
    told = [event for event in found if isinstance(event, ev.LogFailed)]
    assert [word in event.error for event in told] == ([True] if kind != "stall" else [])


def test_a_log_whose_file_was_removed_is_told(kept: Kept) -> None:
    eventually(lambda: kept.turn() or not kept.storage.ping()["log"]["behind_bytes"])
    (kept.run_dir / EVENTS).unlink()
    kept.end_attempts()
    kept.until("log", paused=True)
    assert "the file was removed" in kept.storage.ping()["log"]["error"]
    assert not kept.storage.close(0.2)


def _pauses(run_dir: Path) -> list[type[ev.Event]]:
    found = read_all(run_dir / EVENTS, ev.decode_lines).events
    return [type(event) for event in found if isinstance(event, ev.RunPaused | ev.RunUnpaused)]
