"""Figures of the fold: decode and apply per second, seek, and memory, on a log of a million events.

The log is that of a long agent run: 100 workers, ten turns an attempt with a call, two messages and
a tool each, a pulse a second. It is made once for all tests of this file.
"""

import gc
import heapq
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runner.core import events as ev
from runner.core.loops.features import TurnFeatures
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
from runner.core.state import State, apply, fold
from runner.engine.log.reader import chunks
from runner.past.history import History

pytestmark = [pytest.mark.bench, pytest.mark.timeout(600)]

EVENTS = 1_000_000
WORKERS = 100
TURNS = 10
MODELS = ("qwen2.5-72b-instruct", "deepseek-v3", "o4-mini")
RATE_TARGET = 1_500_000
SEEK_TARGET_S = 0.1
SEEKS = 200
MEMORY_TARGET_MB = 150


def make_plan() -> Plan:
    return Plan(
        run=RunSection(name="long", workers=WORKERS),
        limits=Limits(),
        watch=Watch(),
        stop=Stop(),
        loops=Loops(),
        resources=Resources(),
        endpoints=(Endpoint(name="azure", base_url="https://azure.example"),),
        models=tuple(Model(name=n, endpoint="azure", deployments=(f"{n}-a",)) for n in MODELS),
        tasks=Tasks(executor="interactive", source="tasks.jsonl"),
    )


class Story:
    """Writes the log: each worker is a generator of (pause, event), the earliest goes on."""

    def __init__(self) -> None:
        self.random = random.Random(5)
        self.rows = 0
        self.tasks = 0
        self.offset = 0

    def events(self) -> Iterator[ev.Event]:
        """Events in order, `EVENTS` of them."""
        now = 1_760_000_000.0
        yield self.began(now)
        for host in range(WORKERS // 10):
            workers = list(range(host * 10, host * 10 + 10))
            yield at(now, ev.HostStarting(host=host, workers=workers))
            yield at(now, ev.HostStarted(host=host, pid=4000 + host))
        waiting = [(now + number * 0.05, number, self.life(number)) for number in range(WORKERS)]
        heapq.heapify(waiting)
        pulse_at, durable = now, 0
        while True:
            when, number, life = waiting[0]
            if when >= pulse_at + 1.0:
                pulse_at += 1.0
                yield self.pulse(pulse_at)
                if self.rows > durable:
                    yield self.written(pulse_at, durable + 1)
                    durable = self.rows
                continue
            pause, event = next(life)
            yield at(when, event)
            heapq.heapreplace(waiting, (when + pause, number, life))

    def began(self, now: float) -> ev.Event:
        return at(
            now,
            ev.EngineStarted(
                epoch=1,
                wall=now,
                boot_id="boot",
                pid=4711,
                run_id="long-run",
                version="0.1.0",
                tasks_total=100_000,
                plan=make_plan(),
            ),
        )

    def pulse(self, now: float) -> ev.Event:
        slots = [
            ev.SlotPulse(number, "stream", now - 0.4, now - 0.1, now - 0.1, 10_000)
            for number in self.random.sample(range(WORKERS), 60)
        ]
        hosts = [ev.HostPulse(n, now - 0.2, 31.5, 50_000_000, 14, 0, 9.5) for n in range(10)]
        return at(now, ev.Pulse(slots=slots, hosts=hosts, engine_cpu_percent=4.0))

    def written(self, now: float, first: int) -> ev.Event:
        rows = self.rows - first + 1
        part = f"r-{first:08d}-{self.rows:08d}.parquet"
        return at(
            now,
            ev.RowsWritten(
                first=first,
                last=self.rows,
                rows=rows,
                bytes=rows * 2000,
                part=part,
                digest="d" * 32,
                waited_s=0.02,
            ),
        )

    def life(self, worker: int) -> Iterator[tuple[float, ev.Event]]:
        while True:
            self.tasks += 1
            yield from self.attempt(worker, self.tasks)

    def attempt(self, worker: int, number: int) -> Iterator[tuple[float, ev.Event]]:
        attempt_id, model = f"1-{number:05d}", MODELS[number % len(MODELS)]
        ids: dict[str, Any] = {"attempt_id": attempt_id, "worker": worker}
        task_id = f"django__django-{number}@{model}/difficulty=easy"
        labels: dict[str, str | int | float | bool] = {"difficulty": "easy"}
        yield (
            0.2,
            ev.AttemptStarted(
                **ids,
                task_id=task_id,
                attempt=1,
                host=worker // 10,
                model=model,
                deployment=f"{model}-a",
                endpoint="azure",
                labels=labels,
            ),
        )
        yield 0.01, ev.AttemptRunning(**ids)
        for turn in range(1, TURNS + 1):
            yield from self.turn(ids, turn)
        self.rows += 1
        outcome = self.random.choice(("passed", "partial", "failed"))
        yield (
            0.01,
            ev.AttemptEnded(
                **ids,
                task_id=task_id,
                attempt=1,
                host=worker // 10,
                outcome=outcome,
                cause="",
                elapsed_s=27.123456,
                rung="",
                row=self.rows,
                model=model,
                score=0.5,
                turns=TURNS,
                calls=TURNS,
                tokens_in=12_000,
                tokens_out=2_000,
            ),
        )

    def turn(self, ids: dict[str, Any], turn: int) -> Iterator[tuple[float, ev.Event]]:
        wait = self.random.uniform(0.2, 3.0)
        took = wait + 0.512345
        features = TurnFeatures(kind="tool_call", signature=f"{turn:016x}", result="ok", chars=812)
        yield 0.001, ev.TurnStarted(**ids, turn=turn, max_turns=TURNS)
        yield 0.001, ev.MessageAdded(**ids, turn=turn, role="user", **self.body())
        yield wait, ev.CallStarted(**ids, n=turn, stream=True)
        yield 0.512345, ev.FirstByte(**ids, n=turn, wait_s=round(wait, 6))
        yield (
            0.002,
            ev.CallEnded(
                **ids,
                n=turn,
                latency_s=round(took, 6),
                bytes=8123,
                how="ok",
                tokens_in=1200,
                tokens_out=200,
                cost=0.0012,
            ),
        )
        yield 0.001, ev.MessageAdded(**ids, turn=turn, role="assistant", **self.body())
        yield 0.3, ev.ToolStarted(**ids, tool="run_tests", detail="pytest -x tests/test_models.py")
        yield 0.001, ev.ToolEnded(**ids, tool="run_tests", ok=True, elapsed_s=0.300123)
        yield 0.005, ev.TurnEnded(**ids, turn=turn, features=features)

    def body(self) -> dict[str, Any]:
        self.offset += 1500
        return {"offset": self.offset - 1500, "length": 1499}


def at(when: float, event: ev.Event) -> ev.Event:
    event.at = when
    return event


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("long-run")
    story = Story().events()
    with (folder / "events.jsonl").open("wb") as log:
        for seq in range(1, EVENTS + 1):
            event = next(story)
            event.seq = seq
            log.write(ev.encode(event))
    return folder


def tell(text: str) -> None:
    sys.stdout.write(f"\n{text}\n")


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


def apply_only(run_dir: Path) -> float:
    state, spent = State(), 0.0
    for chunk in chunks(run_dir / "events.jsonl"):
        found, _ = ev.decode_lines(chunk.data)
        began = time.process_time()
        for event in found:
            apply(state, event)
        spent += time.process_time() - began
    return spent


def test_events_folded_a_second(run_dir: Path) -> None:
    decoding = seconds(lambda: decode_all(run_dir))
    both = seconds(lambda: fold_all(run_dir))
    one_by_one = apply_only(run_dir)
    state = fold_all(run_dir)
    assert state.seq == EVENTS
    assert state.totals.calls > EVENTS / 12
    assert len(state.done) == state.rows.written
    size = (run_dir / "events.jsonl").stat().st_size
    tell(
        f"fold of {EVENTS:,} events ({size / 1e6:.0f} MB, {len(state.done):,} tasks done):\n"
        f"  decode            {EVENTS / decoding / 1e6:5.2f} M/s\n"
        f"  apply, each       {EVENTS / one_by_one / 1e6:5.2f} M/s\n"
        f"  decode + fold     {EVENTS / both / 1e6:5.2f} M/s"
        f"  (target {RATE_TARGET / 1e6:.1f} M/s; {both / decoding:.1f}x decoding alone)"
    )


def test_seeking_in_a_long_run(run_dir: Path) -> None:
    began = time.perf_counter()
    history = History(run_dir).refresh()
    opened = time.perf_counter() - began
    assert history.events == EVENTS
    chance = random.Random(1)
    times: list[float] = []
    cpu: list[float] = []
    for _ in range(SEEKS):
        moment = chance.uniform(history.first_at, history.last_at)
        began, cpu_began = time.perf_counter(), time.process_time()
        state = history.state_at(moment)
        times.append(time.perf_counter() - began)
        cpu.append(time.process_time() - cpu_began)
        assert state.at <= moment
    history.close()
    tell(
        f"seek in {EVENTS:,} events, p50 / p99: {p50_p99(times)} (target p99"
        f" {SEEK_TARGET_S * 1e3:.0f} ms), CPU {p50_p99(cpu)}; first reading {opened:.1f} s"
    )


def p50_p99(values: list[float]) -> str:
    ordered = sorted(values)
    half, most = ordered[len(values) // 2], ordered[int(len(values) * 0.99)]
    return f"{half * 1e3:.0f} / {most * 1e3:.0f} ms"


READER = """
import sys, threading, time
from pathlib import Path
from typing import Any
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
