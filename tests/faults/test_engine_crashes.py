"""A whole engine killed again and again, with its compactor and a reader at work.

It is killed in mid-run and while it takes up the run again. After every kill: no acknowledged row
is lost, none is doubled, no number is missing, every message that the log points at is there, and a
resume ends with exactly one result for each task.
"""

import contextlib
import math
import os
import random
import signal
import sys
import threading
import time
from collections import Counter

import msgspec
import pytest
from support.running import Project, Watched, checked, wait_for

from runner import results
from runner.core import events as ev
from runner.engine.log import TranscriptReader
from runner.engine.results.read import recorded
from runner.engine.verify import verify
from runner.errors import RunLocked, StartFailed
from runner.runs import engine_alive

TASKS = 500
LONGEST_S = 1.5
"""Some 60 parts at 4 workers, so that the merge after 64 falls into every second life."""
START_S = 0.6
"""About as long as an engine takes to read the past of a run and say that it is ready."""
KILLS_A_RUN = 10
KILLS_A_TEST = 20
KILLS = int(os.environ.get("PILOT_KILLS", "20"))
AGENT = """
import random

def run(task, ctx):
    with ctx.turn():
        ctx.say("user", task.id * 100)
        ctx.sleep(random.uniform(0.02, 0.1))
    return {"outcome": "passed", "score": 1.0, "text": task.id * 200}
"""


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


def engine_pid(run: Watched) -> int:
    """Who holds the lock, or held it last."""
    try:
        return msgspec.json.decode((run.dir / "run.lock").read_bytes())["pid"]
    except msgspec.DecodeError:
        return 0  # taken a moment ago, by an engine that has not signed yet


def kill_after(run: Watched, delay_s: float) -> bool:
    """SIGKILL to the engine after a while; False if it had ended by then."""
    time.sleep(delay_s)  # the random point itself, not a wait for something
    if engine_alive(run.dir):
        with contextlib.suppress(ProcessLookupError):
            os.kill(engine_pid(run), signal.SIGKILL)
    wait_for(lambda: not engine_alive(run.dir))
    return not run.of(ev.RunEnded)


def kill_while_it_starts(project: Project, run: Watched, delay_s: float) -> bool:
    """Resume, and SIGKILL to the new engine ``delay_s`` after it has signed the lock."""
    before = engine_pid(run)

    def start() -> None:
        with contextlib.suppress(StartFailed):
            resume(project, run)

    starting = threading.Thread(target=start)
    starting.start()
    wait_for(lambda: engine_pid(run) not in (0, before))
    killed = kill_after(run, delay_s)
    starting.join(30)
    return killed


def inspect(run: Watched) -> None:
    """What holds at every moment at which no engine lives."""
    safe = acknowledged(run)
    report = verify(run.dir)
    assert (report.doubled, report.missing, report.gaps) == (0, 0, 0), report
    assert report.bad_parts == []
    assert (report.log.undecodable, report.log.out_of_sequence) == (0, 0), report
    assert safe <= {row.row for row in recorded(run.dir / "results")}
    bodies = TranscriptReader(run.dir)
    for event in run.of(ev.MessageAdded):
        body = bodies.read(event.offset, event.length)
        assert body is not None, event
        assert msgspec.json.decode(body)["role"] == event.role


def crash(
    project: Project, kills: int, chance: random.Random, longest_s: float = LONGEST_S
) -> Counter[str]:
    """One run that is killed up to ``kills`` times: kills of both kinds, rows read, merges."""
    run = project.launch(project.write(tasks=TASKS, workers=4, code=AGENT))
    reader = Reader(run)
    seen = Counter[str]()
    try:
        while seen.total() < kills:
            run.until(lambda state: state.running_tasks or state.status == "finished", 60)
            if not kill_after(run, chance.uniform(0, longest_s)):
                break
            seen["in mid-run"] += 1
            inspect(run)
            while seen.total() < kills and chance.random() < 1 / 3:
                if not kill_while_it_starts(project, run, chance.uniform(0, START_S)):
                    break
                seen["while it starts"] += 1
                inspect(run)
            if not run.of(ev.RunEnded):
                run = resume(project, run)
        state = run.ended()
    finally:
        reader.close()
    assert state.status == "finished"
    frame = results(run.dir)
    assert sorted(frame["task_id"]) == [f"t{number:03d}" for number in range(TASKS)]
    assert set(frame["outcome"]) == {"passed"}
    rows = run.rows()
    scored = rows.filter(rows["outcome"] == "passed")
    assert scored.height == TASKS  # nothing that was finished ran a second time
    assert reader.seen <= set(rows["attempt_id"])
    inspect(run)
    checked(run)
    seen["rows"], seen["reads"] = rows.height, reader.reads
    seen["merges"] = len(run.of(ev.PartsCompacted))
    return seen


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
    seen = crash(project, 3, random.Random(4), longest_s=1.0)
    assert seen["in mid-run"] + seen["while it starts"] == 3


@pytest.mark.drill
@pytest.mark.timeout(280)
@pytest.mark.parametrize("batch", range(math.ceil(KILLS / KILLS_A_TEST)))
def test_an_engine_is_killed_at_random_points(project: Project, batch: int) -> None:
    """`PILOT_KILLS=200` for the long form, 20 a test, so that none comes near the watchdog."""
    wanted = min(KILLS_A_TEST, KILLS - batch * KILLS_A_TEST)
    chance = random.Random(batch)
    total = Counter[str]()
    began = time.monotonic()
    while (killed := total["in mid-run"] + total["while it starts"]) < wanted:
        total += crash(project, min(KILLS_A_RUN, wanted - killed), chance)
        total["runs"] += 1
        assert total["runs"] <= wanted  # a run that ends before it is killed is no round
    sys.stderr.write(
        f"{killed} kills in {time.monotonic() - began:.0f} s, {dict(total)}: "
        "0 lost, 0 doubled, 0 gaps, 0 bad reads\n"
    )
    if wanted == KILLS_A_TEST:  # of a handful, none may have fallen there
        assert total["while it starts"]
        assert total["merges"] >= total["runs"]
    assert total["rows"] > total["runs"] * TASKS  # attempts were under way when it was killed
