"""Speed and CPU of the runner beside a plain thread pool and the strongest peer.

Everything runs against the rehearsal endpoint on the same machine, so the ratios are what counts.
A shared machine changes its speed by a third within a minute: the plain pool runs before and after
each row, and the ratio is against the mean of the two. CPU is that of whole process trees between
two moments: all workers ready, last call ended. What came before is start-up.
"""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
from bench.figures import LONG, Follower, Gate, cpu_s, endpoint, own_cpu_s, tell, tell_row
from bench.peers import POOL, answer_of, peer_program
from support.running import Project

from runner.rehearse import Rehearsal

pytestmark = [pytest.mark.bench, pytest.mark.timeout(1200)]

WALL_TARGET = 0.6
CPU_TARGET = 1.1


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


def by_program(load: Load, command: Callable[[Rehearsal], tuple[str, ...]]) -> Cost:
    """What a program says of itself, and what the endpoint used meanwhile."""
    began = time.monotonic()
    with endpoint(load.latency_s) as server:
        before = own_cpu_s(psutil.Process(server.pid))
        told = answer_of(*command(server))
        served = own_cpu_s(psutil.Process(server.pid)) - before
    start_s = time.monotonic() - began - told["wall_s"]
    return Cost(told["wall_s"], told["cpu_s"], 0.0, served, told["start_cpu_s"], start_s)


def plain_pool(load: Load) -> Cost:
    size = (str(load.workers), str(load.calls))
    return by_program(load, lambda server: (*POOL, "load", *size, server.base_url))


def inspect_ai(load: Load, peer: Path, logs: Path) -> Cost:
    size = (str(load.workers), str(load.calls))
    program = (*peer_program(peer), "load", *size)
    return by_program(load, lambda server: (*program, server.base_url, str(logs)))


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


@pytest.mark.parametrize("load", LOADS, ids=lambda load: f"{load.workers}x{load.calls}")
def test_many_streamed_calls(project: Project, peer: Path | None, load: Load) -> None:
    rows: dict[str, Callable[[], Cost]] = {
        f"hosts = {hosts}": partial(pilot, project, load, hosts)
        for hosts in ('"auto"', "1", "2", "4")
    }
    if peer is not None:
        rows["inspect-ai"] = partial(inspect_ai, load, peer, project.folder / "logs")
    tell(
        f"{load.workers} workers x {load.calls} streamed calls of {load.latency_s * 1e3:.0f} ms:"
        f" ideal {load.ideal_s:.1f} s (targets: wall <= {WALL_TARGET}x the pool at 50 ms,"
        f" CPU <= {CPU_TARGET}x)\n"
        "                  wall s  x ideal  x pool   calls/s   CPU ms a call  x pool  (engine)"
        "  (endpoint)   start-up s, CPU s"
    )
    before = plain_pool(load)
    row("plain pool", load, before, before, before)
    for name, measure in rows.items():
        cost = measure()
        after = plain_pool(load)
        row(name, load, cost, before, after)
        before = after
    row("plain pool", load, before, before, before)


def row(name: str, load: Load, cost: Cost, before: Cost, after: Cost) -> None:
    """Print one, against the pool's runs just before and after it."""
    wall_s, cpu = (before.wall_s + after.wall_s) / 2, (before.cpu_s + after.cpu_s) / 2
    tell_row(
        f"  {name:14} {cost.wall_s:8.2f} {cost.wall_s / load.ideal_s:8.2f}"
        f" {cost.wall_s / wall_s:7.2f} {load.total / cost.wall_s:9.0f}"
        f" {cost.cpu_s / load.total * 1e3:13.2f} {cost.cpu_s / cpu:9.2f}"
        f" {cost.engine_cpu_s / load.total * 1e3:9.2f}"
        f" {cost.endpoint_cpu_s / load.total * 1e3:11.2f}"
        f" {cost.start_s:12.1f} {cost.start_cpu_s:6.1f}"
    )
