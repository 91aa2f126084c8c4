"""How a run is told event by event, as an engine would have written it: plan, attempts, pulses.

Apart from `scene`, which says what happened that night. Everything is folded by the real fold;
nothing here builds a state by hand.
"""

import json
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

from runner import ev
from runner.core.plan import (
    Endpoint,
    Limits,
    Loops,
    Model,
    Plan,
    Price,
    Resources,
    RunSection,
    Stop,
    Tasks,
    Watch,
)
from runner.core.rows import Row


class Served(NamedTuple):
    """A model and the endpoint that answers for it."""

    name: str
    endpoint: str
    deployment: str
    workers: int


MODELS = (
    Served("qwen2.5-72b", "azure-eu", "qwen-a", 40),
    Served("llama-3.3-70b", "vllm-gpu1", "llama-3.3-70b", 20),
    Served("o4-mini", "azure-us", "o4-a", 30),
    Served("deepseek-v3", "deepseek", "deepseek-v3", 10),
)
NAMES = (
    "django-11099",
    "sympy-20590",
    "flask-4992",
    "astropy-7166",
    "requests-2317",
    "sphinx-8595",
    "pylint-7080",
    "xarray-4094",
    "pytest-5262",
    "matplotlib-23",
)
PROMPTS = ("optimal", "cot", "flawed_missing_step", "flawed_wrong_tool")
START = 1_760_000_000.0
"""2025-10-09 08:53:20 UTC."""
PULSE_S = 15.0


def make_plan(workers: int) -> Plan:
    limits = Limits(attempt=900, first_byte=60, idle=60, call=300, turns=50)
    patient = Limits(attempt=900, first_byte=300, idle=300, call=600, turns=50)
    watch = Watch(slow_after=20, stuck_after=40)
    return Plan(
        run=RunSection(name="flawed-5.3", workers=workers, max_attempts=2),
        limits=limits,
        watch=watch,
        stop=Stop(cost=80),
        loops=Loops(),
        resources=Resources(),
        endpoints=tuple(Endpoint(name=m.endpoint, base_url=f"https://{m[1]}.test") for m in MODELS),
        models=tuple(
            Model(
                name=model.name,
                endpoint=model.endpoint,
                deployments=(model.deployment,),
                workers=model.workers,
                limits=patient if model.name == "o4-mini" else limits,
                watch=Watch(slow_after=120, stuck_after=240) if model.name == "o4-mini" else watch,
                price=Price(in_=2, out=8),
            )
            for model in MODELS
        ),
        tasks=Tasks(executor="interactive", source="tasks.jsonl"),
    )


@dataclass
class Log:
    """Collects events at rising times and numbers them at the end."""

    found: list[ev.Event] = field(default_factory=list)

    def add(self, at: float, event: ev.Event) -> None:
        event.at = at
        self.found.append(event)

    def lines(self) -> list[ev.Event]:
        self.found.sort(key=lambda event: event.at)
        for seq, event in enumerate(self.found, 1):
            event.seq = seq
        return self.found


class Span(NamedTuple):
    """An attempt's time on its worker; it makes no progress from ``quiet_from`` on."""

    worker: int
    attempt_id: str
    began: float
    ended: float
    quiet_from: float


class Story:
    """One run, told worker by worker."""

    def __init__(self, workers: int, tasks: int, lasted_s: float, seed: int = 7) -> None:
        self.random = Random(seed)
        self.log = Log()
        self.workers = workers
        self.now = START + lasted_s
        self.rows: list[Row] = []
        self.ended: list[ev.AttemptEnded] = []
        self.spans: list[Span] = []
        self.bodies = b""
        self.tasks_of: dict[str, ev.AttemptStarted] = {}
        self.model_of = [model for model in MODELS for _ in range(model.workers)]
        self.log.add(
            START,
            ev.EngineStarted(
                epoch=1,
                wall=START,
                boot_id="b",
                pid=4711,
                run_id="7f3a",
                version="0.1.0",
                tasks_total=tasks,
                plan=make_plan(workers),
            ),
        )
        for host in range(-(-workers // 10)):
            slots = list(range(host * 10, min(workers, host * 10 + 10)))
            self.log.add(START + 0.1, ev.HostStarting(host=host, workers=slots))
            self.log.add(START + 0.3, ev.HostStarted(host=host, pid=4800 + host))

    def model(self, worker: int) -> Served:
        return self.model_of[worker * 37 % len(self.model_of)]

    def start(self, worker: int, at: float, n: int, task: str = "") -> str:
        name, endpoint, deployment, _ = self.model(worker)
        attempt_id = f"a{worker:04d}-{n}"
        prompt = PROMPTS[(worker + n) % len(PROMPTS)]
        name_of = NAMES[(worker * 7 + n * 3) % len(NAMES)]
        task = task or f"{name_of}@{name}/prompt={prompt}/i={worker}-{n % 100}"
        event = ev.AttemptStarted(
            task_id=task,
            attempt=1,
            attempt_id=attempt_id,
            worker=worker,
            host=worker // 10,
            model=name,
            deployment=deployment,
            endpoint=endpoint,
        )
        self.tasks_of[attempt_id] = event
        self.log.add(at, event)
        self.log.add(at + 0.2, ev.AttemptRunning(attempt_id=attempt_id, worker=worker))
        return attempt_id

    def call(
        self, worker: int, attempt_id: str, n: int, at: float, latency_s: float, tokens: int = 2600
    ) -> None:
        who = {"attempt_id": attempt_id, "worker": worker}
        wait = min(0.3, latency_s / 2)
        self.log.add(at, ev.TurnStarted(**who, turn=n, max_turns=50))
        self.log.add(at, ev.CallStarted(**who, n=n, stream=True))
        self.log.add(at + wait, ev.FirstByte(**who, n=n, wait_s=wait))
        self.log.add(
            at + latency_s,
            ev.CallEnded(
                **who,
                n=n,
                latency_s=latency_s,
                bytes=1800,
                how="ok",
                tokens_in=tokens,
                tokens_out=70,
                cost=tokens * 1.6e-6,
            ),
        )

    def message(
        self, worker: int, attempt_id: str, turn: int, at: float, role: str, text: str
    ) -> None:
        body = json.dumps({"role": role, "content": text}).encode()
        self.log.add(
            at,
            ev.MessageAdded(
                attempt_id=attempt_id,
                worker=worker,
                turn=turn,
                role=role,
                offset=len(self.bodies),
                length=len(body),
            ),
        )
        self.bodies += body + b"\n"

    def end(
        self,
        worker: int,
        attempt_id: str,
        at: float,
        outcome: str,
        cause: str = "",
        error: str = "",
        turns: int = 0,
    ) -> ev.AttemptEnded:
        """The end; its row is numbered and written by `settle`."""
        started = self.tasks_of[attempt_id]
        event = ev.AttemptEnded(
            task_id=started.task_id,
            attempt=1,
            attempt_id=attempt_id,
            worker=worker,
            host=worker // 10,
            outcome=outcome,
            cause=cause,
            elapsed_s=at - started.at,
            rung="",
            row=0,
            model=started.model,
            score={"passed": 1.0, "partial": 0.5, "failed": 0.0}.get(outcome),
            turns=turns,
            calls=turns,
            tokens_in=turns * 7800,
            tokens_out=turns * 70,
            cost=turns * 0.0125,
            error=error,
        )
        self.ended.append(event)
        self.log.add(at, event)
        return event

    def settle(self, last_at: float) -> None:
        """Number the rows as they were committed; each is written a second later, the last now."""
        self.ended.sort(key=lambda event: event.at)
        for number, event in enumerate(self.ended, 1):
            event.row = number
            self.log.add(
                event.at + 1 if number < len(self.ended) else last_at,
                ev.RowsWritten(
                    first=number,
                    last=number,
                    rows=1,
                    bytes=2_300,
                    part=f"r-{number}.parquet",
                    digest="d",
                    waited_s=0.4,
                ),
            )

    def pulses(self) -> None:
        """Signs of life of every attempt that makes progress, each `PULSE_S`; the engine's own."""
        at = START + PULSE_S
        while at < self.now - 1:
            slots = [
                ev.SlotPulse(span.worker, "code", span.began, at - 1, at - 1, 900)
                for span in self.spans
                if span.began < at < span.ended and at < span.quiet_from
            ]
            self.pulse(at, slots)
            at += PULSE_S
        self.pulse(self.now - 0.4, [])

    def pulse(self, at: float, slots: list[ev.SlotPulse]) -> None:
        hosts = [
            ev.HostPulse(host, at - 0.2, 14.0, 260_000_000, 24, 0, 100.0)
            for host in range(-(-self.workers // 10))
        ]
        self.log.add(
            at,
            ev.Pulse(
                slots=slots,
                hosts=hosts,
                engine_cpu_percent=4.0,
                engine_rss_bytes=180_000_000,
                free_bytes=88_000_000_000,
                memory_percent=41,
            ),
        )
