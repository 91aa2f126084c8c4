"""The log of a long agent run, made up: what the benches of the fold and of replay read.

100 workers, ten turns an attempt with a call, two messages and a tool each, a pulse a second.
"""

import heapq
import random
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

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

WORKERS = 100
TURNS = 10
MODELS = ("qwen2.5-72b-instruct", "deepseek-v3", "o4-mini")


def write_long_run(folder: Path, events: int) -> None:
    """The first so many events of it, as a run folder whose engine is gone."""
    with (folder / "events.jsonl").open("wb") as log:
        for seq, event in enumerate(islice(Story().events(), events), 1):
            event.seq = seq
            log.write(ev.encode(event))


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
        """Events in order, without end."""
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
