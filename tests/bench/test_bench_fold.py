"""Figures of the fold: decode and apply per second, seek, and memory, on a log of a million events.

CPU time of the best of several rounds, in turns: what else the machine does is not our speed.
"""

import gc
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from bench.figures import ms, tell
from bench.long_run import write_long_run

from runner.core import events as ev
from runner.core.state import State, apply, fold
from runner.engine.log.reader import chunks
from runner.past.history import History

pytestmark = [pytest.mark.bench, pytest.mark.timeout(600)]

EVENTS = 1_000_000
RATE_TARGET = 1_500_000
ROUNDS = 5
SEEK_TARGET_S = 0.1
SEEKS = 200
MEMORY_TARGET_MB = 150


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("long-run")
    write_long_run(folder, EVENTS)
    return folder


def seconds(work: Callable[[], object]) -> float:
    """CPU of this process, so that what else runs on the machine does not count."""
    gc.collect()
    began = time.process_time()
    work()
    return time.process_time() - began


def decode_all(run_dir: Path) -> int:
    return sum(len(ev.decode_lines(chunk.data)[0]) for chunk in chunks(run_dir / "events.jsonl"))


def fold_all(run_dir: Path) -> State:
    state = State()
    for chunk in chunks(run_dir / "events.jsonl"):
        fold(ev.decode_lines(chunk.data)[0], state)
    return state


def apply_all(run_dir: Path) -> State:
    state = State()
    for chunk in chunks(run_dir / "events.jsonl"):
        for event in ev.decode_lines(chunk.data)[0]:
            apply(state, event)
    return state


def test_events_folded_a_second(run_dir: Path) -> None:
    works = {"decode": decode_all, "decode + fold": fold_all, "decode + apply each": apply_all}
    best = dict.fromkeys(works, float("inf"))
    for _ in range(ROUNDS):
        for name, work in works.items():
            best[name] = min(best[name], seconds(lambda work=work: work(run_dir)))
    state = fold_all(run_dir)
    assert state == apply_all(run_dir)
    assert state.seq == EVENTS
    assert state.totals.calls > EVENTS / 12
    assert len(state.done) == state.rows.written
    size = (run_dir / "events.jsonl").stat().st_size
    rows = "".join(f"\n  {name:20} {EVENTS / took / 1e6:5.2f} M/s" for name, took in best.items())
    tell(
        f"{EVENTS:,} events ({size / 1e6:.0f} MB, {len(state.done):,} tasks done), CPU, best of"
        f" {ROUNDS} (target of decode + fold {RATE_TARGET / 1e6:.1f} M/s):{rows}"
    )


def test_seeking_in_a_long_run(run_dir: Path) -> None:
    history = History(run_dir)
    began = time.perf_counter()
    cpu = seconds(history.refresh)
    opened = time.perf_counter() - began
    assert history.events == EVENTS
    chance = random.Random(1)
    walls: list[float] = []
    cpus: list[float] = []
    for _ in range(SEEKS):
        moment = chance.uniform(history.first_at, history.last_at)
        began, cpu_began = time.perf_counter(), time.process_time()
        state = history.state_at(moment)
        cpus.append(time.process_time() - cpu_began)
        walls.append(time.perf_counter() - began)
        assert state.at <= moment
    history.close()
    tell(
        f"seek in {EVENTS:,} events, p50 / p99 ms: wall {ms(walls)}, CPU {ms(cpus)} (target p99"
        f" {SEEK_TARGET_S * 1e3:.0f}); first reading {opened:.1f} s, CPU {cpu:.1f} s"
    )


READER = """
import sys, threading, time
from pathlib import Path
import psutil
from runner.past.history import History
me, most = psutil.Process(), [0]

def watch():
    while True:
        most[0] = max(most[0], me.memory_info().rss)
        time.sleep(0.02)

threading.Thread(target=watch, daemon=True).start()
time.sleep(0.1)
{work}
time.sleep(0.1)
print(most[0])
"""
WORKS = {
    "nothing": "",
    "fold": "h = History(Path(sys.argv[1]), snapshot_events=1 << 60, snapshot_bytes=1 << 60)\n"
    "h.refresh()",
    "fold and snapshots": "History(Path(sys.argv[1])).refresh()",
}


def test_memory_of_a_reader(run_dir: Path) -> None:
    peaks = {name: peak_mb(work, run_dir) for name, work in WORKS.items()}
    empty = peaks.pop("nothing")
    rows = "".join(f"\n  {name:20} {peak - empty:+6.0f} MB" for name, peak in peaks.items())
    tell(
        f"memory of a reader at {EVENTS:,} events, over {empty:.0f} MB for an empty one"
        f" (target +{MEMORY_TARGET_MB}):{rows}"
    )


def peak_mb(work: str, run_dir: Path) -> float:
    code = READER.format(work=work)
    done = subprocess.run(
        [sys.executable, "-c", code, str(run_dir)], capture_output=True, check=True, text=True
    )
    return int(done.stdout) / 1e6
