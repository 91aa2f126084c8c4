"""Writes an imported run: log, transcript and rows through the engine's own writers.

Apart from what is told because here files are made. Tests that overlapped in time lie on lanes, as
if workers had run them; events of all lanes are merged into one axis of time, and only the tests
that overlap are in memory at once.
"""

import heapq
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from runner.core import events as ev
from runner.core.plan import (
    Endpoint,
    Limits,
    Loops,
    Model,
    Plan,
    Resources,
    RunSection,
    Stop,
    Tasks,
    Watch,
)
from runner.core.rows import Row
from runner.core.state import State
from runner.core.text import plural
from runner.engine import results as res
from runner.engine.axis import Axis
from runner.engine.folder import imported_folder
from runner.engine.journal import Journal
from runner.engine.log import EventLog, seal_transcript
from runner.engine.results.parts import FOLDER
from runner.engine.results.writer import ResultsWriter
from runner.engine.rowing import ended
from runner.engine.storage import told
from runner.errors import EngineError
from runner.importing.report import Imported, Skipped
from runner.importing.timeline import ENDPOINT, HOST, Lane, tell
from runner.importing.workflowbench import Folder, Place, read_test

LANES: Final = 256
"""Tests that seem to have run at the same time; more than these are told one after the other."""
FLUSH_EVENTS: Final = 2_000
WAIT_S: Final = 120.0
"""A disk that takes longer than this has failed."""


class _Pending(Struct, frozen=True, order=True):
    """A step that is due at ``at``; ``number`` keeps steps of the same moment in order."""

    at: float
    number: int
    event: ev.Event | None
    row: Row | None


class _Clock:
    """The axis of the past: it says what it was told."""

    def __init__(self, at: float) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at


def write_run(folder: Folder, runs_dir: Path, run_id: str | None) -> Imported:
    """Make the run folder; see `runner.importing.import_logs`."""
    run_dir = imported_folder(runs_dir, run_id, name=folder.path.name, source=folder.path)
    writer = _Writer(run_dir, folder)
    try:
        found = writer.write()
    finally:
        writer.close()
    seal_transcript(run_dir)
    notes = [
        f"{skipped.file} was left out: {skipped.why}" for skipped in found.skipped
    ] + found.notes
    (run_dir / "engine.log").write_text("".join(f"{note}\n" for note in notes), "utf-8")
    return found


class _Writer:
    def __init__(self, run_dir: Path, folder: Folder) -> None:
        self._run_dir = run_dir
        self._folder = folder
        self._lanes = _lanes(folder.places, run_dir.name)
        self._clock = _Clock(folder.places[0].started_at)
        self._log = EventLog(run_dir)
        self._journal = Journal(State(), Axis(0.0, self._clock, self._clock), self._log)
        self._notices = res.Notices(lambda: None)
        self._rows = ResultsWriter(run_dir / FOLDER, self._notices, next_row=1)
        self._heap: list[_Pending] = []
        self._steps = 0
        self._commit = 0
        self._unflushed = 0
        self._finished = False
        self._found = Imported(
            run_id=run_dir.name,
            run_dir=run_dir,
            tests=0,
            turns=0,
            doubled=0,
            skipped=list(folder.skipped),
            notes=[],
        )

    def write(self) -> Imported:
        """Tell every test, then finish like an engine does."""
        self._log.start()
        self._rows.start()
        workers = max(lane.worker for lane in self._lanes) + 1
        self._begin(workers)
        for place, lane in zip(self._folder.places, self._lanes, strict=True):
            self._tell_until(lane.started_at)
            self._take(place, lane)
        self._tell_until(float("inf"))
        self._end()
        self._found.notes = self._notes()
        return self._found

    def close(self) -> None:
        """Stop the writers' threads."""
        self._rows.close(WAIT_S)
        self._journal.flush()
        self._log.close(WAIT_S)

    def _begin(self, workers: int) -> None:
        self._journal.emit(
            ev.EngineStarted(
                epoch=1,
                wall=self._journal.axis.wall,
                boot_id="",
                pid=0,
                run_id=self._run_dir.name,
                version="0",
                tasks_total=len(self._folder.places),
                plan=_plan(self._folder, workers),
                plan_file=str(self._folder.path),
            )
        )
        self._journal.emit(ev.HostStarting(host=HOST, workers=list(range(workers))))
        self._journal.emit(ev.HostStarted(host=HOST, pid=0))

    def _take(self, place: Place, lane: Lane) -> None:
        try:
            test = read_test(place.path)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            name = str(place.path.relative_to(self._folder.path))
            self._found.skipped.append(Skipped(name, f"not readable as a whole: {error}"))
            return
        told = tell(test, place, lane, self._journal.place)
        for at, event in told.steps:
            self._push(at, event, None)
        self._push(lane.started_at + place.elapsed_s, None, told.row)
        self._found.tests += 1
        self._found.turns += told.turns
        self._found.doubled += told.doubled

    def _push(self, at: float, event: ev.Event | None, row: Row | None) -> None:
        self._steps += 1
        heapq.heappush(self._heap, _Pending(at, self._steps, event, row))

    def _tell_until(self, at: float) -> None:
        """Let everything happen that is due before ``at``."""
        while self._heap and self._heap[0].at < at:
            step = heapq.heappop(self._heap)
            self._clock.at = max(self._clock.at, step.at)
            if step.event is not None:
                self._journal.emit(step.event)
            if step.row is not None:
                self._commit += 1
                self._journal.emit(ended(step.row, self._commit, then="final"))
                self._rows.put(self._commit, step.row)
            self._unflushed += 1
            if self._unflushed >= FLUSH_EVENTS:
                self._flush()

    def _flush(self) -> None:
        """Hand over to the writers; wait for them where too much is under way."""
        self._unflushed = 0
        self._drain()
        self._journal.flush()
        self._wait(lambda: self._rows.has_room and self._log.has_room)

    def _end(self) -> None:
        self._journal.flush()
        self._rows.finish()
        self._wait(lambda: self._finished)
        scored = sum(self._journal.state.outcomes.get(name, 0) for name in _SCORED)
        done = scored == len(self._folder.places)
        self._journal.emit(
            ev.RunEnded(status="finished", why="imported", exit_code=0 if done else 1)
        )
        self._journal.flush()

    def _drain(self) -> None:
        for notice in self._notices.drain():
            event = told(notice)
            if event is None:
                self._finished = True
            else:
                self._journal.emit(event)

    def _wait(self, ready: Callable[[], bool]) -> None:
        until = time.monotonic() + WAIT_S
        while True:
            self._drain()
            if ready():
                return
            error = self._rows.status().error or self._log.status().error
            if error or time.monotonic() > until:
                raise EngineError(f"{self._run_dir} cannot be written: {error or 'too slow'}")
            time.sleep(0.005)

    def _notes(self) -> list[str]:
        found, folder = self._found, self._folder
        notes = [
            "times within a test are not recorded: its turns are spread evenly over it",
            "timestamps are taken as the end of a test; those without a zone as UTC",
        ]
        if found.doubled:
            notes.append(f"{plural(found.doubled, 'message')} stood twice and count once")
        if folder.undated:
            notes.append(
                f"{plural(folder.undated, 'test')} had no timestamp: the file's time stands"
            )
        if any(place.model == "unknown" for place in folder.places):
            notes.append("some file names do not tell the model: it is called unknown")
        return notes


_SCORED: Final = ("passed", "partial", "failed")


def _plan(folder: Folder, workers: int) -> Plan:
    models = dict.fromkeys(place.model for place in folder.places)
    return Plan(
        run=RunSection(name=folder.path.name, workers=workers),
        limits=Limits(),
        watch=Watch(),
        stop=Stop(error_rate=0),
        loops=Loops(),
        resources=Resources(),
        endpoints=(Endpoint(name=ENDPOINT, base_url=""),),
        models=tuple(Model(name=name, endpoint=ENDPOINT, deployments=(name,)) for name in models),
        tasks=Tasks(executor="python"),
    )


def _lanes(places: list[Place], run_id: str) -> list[Lane]:
    """A worker for each test, so that none has two at a time; places come by their start."""
    free: list[int] = []
    busy: list[tuple[float, int]] = []
    lanes: list[Lane] = []
    used = 0
    for count, place in enumerate(places, 1):
        at = place.started_at
        while busy and busy[0][0] <= at:
            heapq.heappush(free, heapq.heappop(busy)[1])
        if free:
            worker = heapq.heappop(free)
        elif used < LANES:
            worker, used = used, used + 1
        else:
            at, worker = heapq.heappop(busy)
        heapq.heappush(busy, (at + place.elapsed_s, worker))
        lanes.append(Lane(run_id=run_id, worker=worker, attempt_id=f"1-{count:05d}", started_at=at))
    return lanes
