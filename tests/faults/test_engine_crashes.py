"""A whole engine killed again and again, with its compactor and a reader at work.

After every kill: no acknowledged row is lost, none is doubled, no number is missing, and a resume
ends with exactly one result for each task.
"""

import contextlib
import json
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.running import PACKAGE, Project, Watched, checked, wait_for

from runner import results
from runner.core import events as ev
from runner.engine.results.read import recorded
from runner.engine.verify import verify
from runner.errors import RunLocked
from runner.runs import engine_alive

TASKS = 150
LONGEST_S = 3.5
"""About as long as the tasks take: 64 parts, after which they are merged, are there before."""
KILLS_A_RUN = 4
AGENT = """
import random

def run(task, ctx):
    with ctx.turn():
        ctx.sleep(random.uniform(0.02, 0.1))
    return {"outcome": "passed", "score": 1.0, "text": task.id * 200}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    monkeypatch.setenv("PYTHONPATH", str(PACKAGE))
    found = Project(tmp_path)
    try:
        yield found
    finally:
        found.close()


class Reader:
    """Reads all results over and over, as a report or a notebook does, and remembers them."""

    def __init__(self, run: Watched) -> None:
        self._folder = run.dir / "results"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read)
        self.seen: set[str] = set()
        self.reads = 0
        self.bad: list[str] = []
        self._thread.start()

    def _read(self) -> None:
        while not self._stop.wait(0.01):
            try:
                ids = [row.attempt_id for row in recorded(self._folder)]
            except Exception as error:  # noqa: BLE001 - the test tells it
                self.bad.append(repr(error))
                return
            self.reads += 1
            if len(ids) != len(set(ids)):
                self.bad.append("a row was read twice")
            if lost := self.seen - set(ids):
                self.bad.append(f"rows that were read are gone: {sorted(lost)}")
            self.seen |= set(ids)

    def close(self) -> None:
        """Stop, then say what was wrong."""
        self._stop.set()
        self._thread.join(20)
        assert self.bad == []
        assert self.reads


def acknowledged(run: Watched) -> set[int]:
    """Commit numbers of rows that the log says are safe."""
    written = [*run.of(ev.RowsWritten), *run.of(ev.RowsFound)]
    return {number for event in written for number in range(event.first, event.last + 1)}


def kill_after(run: Watched, delay_s: float) -> bool:
    """SIGKILL to the engine after a while; False if it had ended by then."""
    time.sleep(delay_s)
    if engine_alive(run.dir):
        pid = json.loads((run.dir / "run.lock").read_text())["pid"]
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not engine_alive(run.dir))
    return not run.of(ev.RunEnded)


def crash(
    project: Project, kills: int, chance: random.Random, longest_s: float = LONGEST_S
) -> tuple[int, int]:
    """One run that is killed up to ``kills`` times; how often it was, and mergers seen."""
    run = project.launch(project.write(tasks=TASKS, workers=4, code=AGENT))
    reader = Reader(run)
    killed = 0
    try:
        for _ in range(kills):
            if not kill_after(run, chance.uniform(0, longest_s)):
                break
            killed += 1
            safe = acknowledged(run)
            report = verify(run.dir)
            assert (report.doubled, report.missing, report.gaps) == (0, 0, 0), report
            assert report.bad_parts == []
            there = {row.row for row in recorded(run.dir / "results")}
            assert safe <= there
            run = resume(project, run)
        state = run.ended()
    finally:
        reader.close()
    assert state.status == "finished"
    frame = results(run.dir)
    assert sorted(frame["task_id"]) == [f"t{number:03d}" for number in range(TASKS)]
    assert set(frame["outcome"]) == {"passed"}
    scored = run.rows().filter(run.rows()["outcome"] == "passed")
    assert scored.height == TASKS  # nothing that was finished ran a second time
    assert reader.seen <= set(run.rows()["attempt_id"])
    checked(run)
    return killed, len(run.of(ev.PartsCompacted))


def resume(project: Project, run: Watched) -> Watched:
    """Resume; hosts of the dead engine may hold its lock for a moment longer."""
    until = time.monotonic() + 10
    while True:
        try:
            return project.resume(run)
        except RunLocked:
            if time.monotonic() > until:
                raise


def test_an_engine_is_killed_three_times(project: Project) -> None:
    killed, _ = crash(project, 3, random.Random(4), longest_s=1.0)
    assert killed == 3


@pytest.mark.drill
@pytest.mark.timeout(7200)
def test_an_engine_is_killed_at_random_points(project: Project) -> None:
    """`PILOT_KILLS=200` for the long form."""
    wanted = int(os.environ.get("PILOT_KILLS", "20"))
    seed = int(os.environ.get("PILOT_SEED", "1"))
    chance = random.Random(seed)
    killed = mergers = runs = 0
    while killed < wanted:
        again, merged = crash(project, KILLS_A_RUN, chance)
        killed, mergers, runs = killed + again, mergers + merged, runs + 1
        assert runs <= wanted  # a run that ends before it is killed is no round
    assert mergers > runs
