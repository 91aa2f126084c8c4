"""Figures of the runner beside a plain thread pool: speed, CPU, collateral damage, kills.

Everything runs against the rehearsal endpoint on the same machine, so the ratios are what counts:
each table holds the plain pool's row, measured in the same minutes. CPU is that of whole process
trees between two moments: all workers ready, last call ended. What came before is start-up.
"""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
from support.running import PACKAGE, Project, Watched, wait_for

from runner.client import Control
from runner.core import events as ev
from runner.core.state import State, WorkerState, fold
from runner.past.tail import Tail
from runner.rehearse import Rehearsal, Script

pytestmark = [pytest.mark.bench, pytest.mark.timeout(900)]

WALL_TARGET = 0.6
CPU_TARGET = 1.1
KILLS = 300
BLOCKED_S = 6.0
TURNS_BESIDE = 20
LONG = "first_byte = 600\nidle = 600\ncall = 600\nattempt = 3600"


class Load(NamedTuple):
    """So many workers, each with so many streamed calls of so many seconds."""

    workers: int
    calls: int
    latency_s: float

    @property
    def ideal_s(self) -> float:
        return self.calls * self.latency_s

    @property
    def total(self) -> int:
        return self.workers * self.calls


LOADS = [Load(100, 10, 0.05), Load(200, 5, 0.2)]


class Cost(NamedTuple):
    """What a load took: wall and CPU of the work, CPU and wall of what came before.

    The endpoint's CPU is not in ``cpu_s``, but it takes its share of the same cores.
    """

    wall_s: float
    cpu_s: float
    engine_cpu_s: float
    endpoint_cpu_s: float
    start_cpu_s: float
    start_s: float


def tell(text: str) -> None:
    sys.stdout.write(f"\n{text}\n")


def quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    monkeypatch.setenv("PYTHONPATH", str(PACKAGE))
    found = Project(tmp_path)
    try:
        yield found
    finally:
        found.close()


def endpoint(latency_s: float) -> Rehearsal:
    return Rehearsal.start(Script(default=f"ok,latency={latency_s}"))


def cpu_s(processes: list[psutil.Process]) -> float:
    """User and system seconds of live processes; of children that ended too."""
    total = 0.0
    for process in processes:
        times = process.cpu_times()
        total += times.user + times.system + times.children_user + times.children_system
    return total


# ------------------------------------------------------------------------------------- throughput

# Both wait at a gate until every worker is there, so that what is measured is calls and no starts.
POOL = """
import json, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
from openai import OpenAI

workers, calls, url = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
client = OpenAI(base_url=url, api_key="none")
gate = threading.Barrier(workers + 1)

def task(number):
    gate.wait()
    for _ in range(calls):
        stream = client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "go"}], stream=True
        )
        for _chunk in stream:
            pass

with ThreadPoolExecutor(workers) as pool:
    waiting = [pool.submit(task, number) for number in range(workers)]
    gate.wait()
    began, start_cpu = time.monotonic(), time.process_time()
    for one in waiting:
        one.result()
    wall, cpu = time.monotonic() - began, time.process_time() - start_cpu
print(json.dumps({"wall_s": wall, "cpu_s": cpu, "start_cpu_s": start_cpu}))
"""

# A reader's open() of a named pipe waits, without any CPU, until there is a writer.
GATED = """
import os

def run(task, ctx):
    open({go!r}).close()
    for _ in range({calls}):
        stream = ctx.client.chat.completions.create(
            model=ctx.model, messages=[{{"role": "user", "content": "go"}}], stream=True
        )
        for _chunk in stream:
            pass
    open({leave!r}).close()
    return {{"outcome": "passed", "score": 1.0}}
"""


def plain_pool(load: Load) -> Cost:
    began = time.monotonic()
    with endpoint(load.latency_s) as server:
        arguments = [str(load.workers), str(load.calls), server.base_url]
        before = own_cpu_s(psutil.Process(server.pid))
        done = subprocess.run(
            [sys.executable, "-c", POOL, *arguments], capture_output=True, check=True, text=True
        )
        served = own_cpu_s(psutil.Process(server.pid)) - before
    told = json.loads(done.stdout)
    start_s = time.monotonic() - began - told["wall_s"]
    return Cost(told["wall_s"], told["cpu_s"], 0.0, served, told["start_cpu_s"], start_s)


class Gate:
    """A named pipe that executors wait at until it is opened."""

    def __init__(self, path: Path) -> None:
        self.path = path
        os.mkfifo(path)
        self._fd = -1

    def open(self) -> None:
        self._fd = os.open(self.path, os.O_RDWR)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)


class Follower:
    """The state of a run, folded from what is new in its log: cheap enough to look often."""

    def __init__(self, run: Watched) -> None:
        self._tail = Tail(run.dir)
        self.state = State()
        self.events: list[ev.Event] = []

    def look(self) -> State:
        while (batch := self._tail.poll()) is not None:
            self.events += batch.events
            fold(batch.events, self.state)
        return self.state

    def until(self, what: Callable[[State], object], timeout_s: float = 60.0) -> None:
        wait_for(lambda: what(self.look()), timeout_s)


def pilot(project: Project, load: Load, hosts: str) -> Cost:
    go, leave = Gate(project.folder / f"go-{hosts}"), Gate(project.folder / f"leave-{hosts}")
    began = time.monotonic()
    with endpoint(load.latency_s) as server:
        plan = project.write(
            tasks=load.workers,
            workers=load.workers,
            code=GATED.format(go=str(go.path), leave=str(leave.path), calls=load.calls),
            limits=LONG,
            more=f"[resources]\nhosts = {hosts}",
            base_url=server.base_url,
        )
        run = project.launch(plan)
        log = Follower(run)
        log.until(lambda state: sum(w.running_at > 0 for w in state.workers) == load.workers)
        engine = psutil.Process(log.state.engine_pid)
        tree = [engine, *engine.children(recursive=True)]
        time.sleep(0.5)  # the last of the hosts has settled
        start_s = time.monotonic() - began
        served = psutil.Process(server.pid)
        before, engine_before, served_before = cpu_s(tree), own_cpu_s(engine), own_cpu_s(served)
        opened = time.time()
        go.open()
        log.until(lambda state: state.totals.calls == load.total, 300.0)
        cost = Cost(
            log.state.at - opened,
            cpu_s(tree) - before,
            own_cpu_s(engine) - engine_before,
            own_cpu_s(served) - served_before,
            before,
            start_s,
        )
        leave.open()
        state = run.ended()
        assert state.totals.errors == 0
        assert state.outcomes == {"passed": load.workers}
    go.close()
    leave.close()
    return cost


def own_cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


@pytest.mark.parametrize("load", LOADS, ids=lambda load: f"{load.workers}x{load.calls}")
def test_many_streamed_calls(project: Project, load: Load) -> None:
    base = plain_pool(load)
    costs = {"plain pool": base}
    for hosts in ('"auto"', "1", "2", "4"):
        costs[f"hosts = {hosts}"] = pilot(project, load, hosts)
    costs["plain, again"] = plain_pool(load)  # how far the machine itself has moved meanwhile
    tell(
        f"{load.workers} workers x {load.calls} streamed calls of {load.latency_s * 1e3:.0f} ms:"
        f" ideal {load.ideal_s:.1f} s (targets: wall <= {WALL_TARGET}x the pool at 50 ms,"
        f" CPU <= {CPU_TARGET}x)\n"
        "                  wall s  x ideal  x pool   calls/s   CPU ms a call  x pool  (engine)"
        "  (endpoint)   start-up s, CPU s"
    )
    for name, cost in costs.items():
        each = cost.cpu_s / load.total * 1e3
        tell_row(
            f"  {name:14} {cost.wall_s:8.2f} {cost.wall_s / load.ideal_s:8.2f}"
            f" {cost.wall_s / base.wall_s:7.2f} {load.total / cost.wall_s:9.0f}"
            f" {each:13.2f} {cost.cpu_s / base.cpu_s:9.2f}"
            f" {cost.engine_cpu_s / load.total * 1e3:9.2f}"
            f" {cost.endpoint_cpu_s / load.total * 1e3:11.2f}"
            f" {cost.start_s:12.1f} {cost.start_cpu_s:6.1f}"
        )


def tell_row(text: str) -> None:
    sys.stdout.write(text + "\n")


# ------------------------------------------------------------------------------------- collateral

BESIDE = """
import re, time

def run(task, ctx):
    began = time.monotonic()
    if task.id == "t000" and {blocked_s}:
        {block}
    for _ in range({turns}):
        stream = ctx.client.chat.completions.create(
            model=ctx.model, messages=[{{"role": "user", "content": "go"}}], stream=True
        )
        for _chunk in stream:
            pass
    return {{"outcome": "passed", "score": 1.0}}
"""
BLOCKS = {
    "nothing (control)": "pass",
    "time.sleep": "time.sleep({blocked_s})",
    "a busy loop": "sum(1 for _ in iter(lambda: time.monotonic() > began + {blocked_s}, True))",
    "a regex, GIL held": 're.match(r"(a+)+$", "a" * 60 + "b")',
}


@pytest.mark.parametrize("hosts", ['"auto"', "1"], ids=["auto", "one-host"])
def test_one_executor_blocks_among_twenty(project: Project, hosts: str) -> None:
    tell(
        f"one executor blocks for {BLOCKED_S:.0f} s among 20 (hosts = {hosts}):"
        " what becomes of the 19 others (target 0 harmed)\n"
        "                       harmed   attempts lost   elapsed p50, longest s"
    )
    for name, block in BLOCKS.items():
        blocked_s = BLOCKED_S if block != "pass" else 0
        code = BESIDE.format(
            blocked_s=blocked_s, block=block.format(blocked_s=blocked_s), turns=TURNS_BESIDE
        )
        plan = project.write(
            tasks=20,
            workers=20,
            code=code,
            script='default = "ok,latency=0.05"',
            limits="attempt = 20",
            more=f"[resources]\nhosts = {hosts}\nfreeze_after = 2",
        )
        run = project.launch(plan)
        state = run.ended(120.0)
        ends = [e for e in run.of(ev.AttemptEnded) if e.task_id != "t000"]
        lost = [e for e in ends if e.outcome != "passed"]
        took = [e.elapsed_s for e in ends if e.outcome == "passed"]
        harmed = [task for task, o in state.done.items() if task != "t000" and o != "passed"]
        assert not harmed, [(end.cause, end.error) for end in lost]
        assert len(state.done) == 20
        tell_row(
            f"  {name:20} {len(harmed):8} {len(lost):15} {quantile(took, 0.5):13.2f},"
            f" {max(took):.2f}"
        )


# ------------------------------------------------------------------------------------------ kills

# The first tasks call for ever; each of the others waits in one call until it is killed.
TARGETS = """
def run(task, ctx):
    while True:
        stream = ctx.client.chat.completions.create(
            model=ctx.model, messages=[{"role": "user", "content": "go"}], stream=True
        )
        for _chunk in stream:
            pass
"""


class Kills(NamedTuple):
    """So many workers are busy with calls of so many seconds, the others wait for a killer."""

    name: str
    busy: int
    waiting: int
    latency_s: float


KILLED = [
    Kills("idle", 0, 10, 1.0),
    Kills("half on calls of 1 s", 50, 50, 1.0),
    Kills("90 of 100 on calls of 50 ms", 90, 10, 0.05),
]


@pytest.mark.parametrize("kills", KILLED, ids=lambda kills: kills.name.replace(" ", "-"))
def test_from_a_kill_to_the_next_attempt(project: Project, kills: Kills) -> None:
    busy = "\n".join(f't{n:03d} = "ok,latency={kills.latency_s}"' for n in range(kills.busy))
    plan = project.write(
        tasks=kills.busy + kills.waiting + KILLS,
        workers=kills.busy + kills.waiting,
        code=TARGETS,
        script=f'default = "silent"\n[tasks]\n{busy}',
        limits=LONG,
    )
    run = project.launch(plan)
    log = Follower(run)
    log.until(lambda state: len(waiting(state, kills, set())) == kills.waiting)
    chance = random.Random(3)
    answered: list[float] = []
    killed: set[str] = set()  # the log is a little behind the answers
    with Control(run.dir) as control:
        for _ in range(KILLS):
            log.until(lambda state: len(waiting(state, kills, killed)) > kills.waiting // 2)
            worker = chance.choice(waiting(log.state, kills, killed))
            killed.add(worker.attempt_id)
            began = time.monotonic()
            answer = control.ask("kill", worker=worker.worker, attempt_id=worker.attempt_id)
            answered.append(time.monotonic() - began)
            assert answer["ok"]
            assert answer["cause"] == "killed:user"
        log.until(lambda state: state.totals.attempts == kills.busy + kills.waiting + KILLS)
        control.ask("stop")
    run.ended()
    log.look()
    ended, free = kill_times(log.events)
    assert len(ended) == KILLS
    tell(
        f"{KILLS} kills, {kills.name}, p50 / p99 ms:"
        f"  ordered -> ended {ms(ended)}   -> next attempt on the slot {ms(free)}"
        f"   asked -> answered {ms(answered)}"
    )


def waiting(state: State, kills: Kills, killed: set[str]) -> list[WorkerState]:
    """Workers in a call that never answers and that was not killed yet."""
    return [
        worker
        for worker in state.workers
        if worker.phase == "wait"
        and int(worker.task_id[1:]) >= kills.busy
        and worker.attempt_id not in killed
    ]


def kill_times(events: list[ev.Event]) -> tuple[list[float], list[float]]:
    """Seconds from each order to the attempt's end, and to the next attempt on its slot."""
    asked: dict[str, float] = {}
    freed: dict[int, float] = {}
    ended: list[float] = []
    free: list[float] = []
    for event in events:
        if isinstance(event, ev.KillRequested):
            asked[event.attempt_id] = event.at
        elif isinstance(event, ev.AttemptEnded) and event.attempt_id in asked:
            freed[event.worker] = asked.pop(event.attempt_id)
            ended.append(event.at - freed[event.worker])
        elif isinstance(event, ev.AttemptStarted) and event.worker in freed:
            free.append(event.at - freed.pop(event.worker))
    return ended, free


def ms(values: list[float]) -> str:
    return f"{quantile(values, 0.5) * 1e3:.1f} / {quantile(values, 0.99) * 1e3:.1f}"
