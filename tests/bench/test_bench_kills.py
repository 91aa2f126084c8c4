"""From a person's kill to the free slot, 500 times for each kind of thing that hangs.

Times are those of the log: the order received, the attempt ended, the next attempt on that slot.
The targets are p99s for a machine with nothing else to do.
"""

import random
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from bench.figures import LONG, Follower, ms, quantile, tell
from support.running import Project

from runner.client import Control
from runner.core import events as ev
from runner.core.state import State, WorkerState

pytestmark = [pytest.mark.bench, pytest.mark.timeout(1800)]

KILLS = 500
CALLS = """
def run(task, ctx):
    while True:
        stream = ctx.client.chat.completions.create(
            model=ctx.model, messages=[{"role": "user", "content": "go"}], stream=True
        )
        for _chunk in stream:
            pass
"""
SPINS = "def run(task, ctx):\n    while True:\n        pass\n"
SLEEPS = "import time\n\ndef run(task, ctx):\n    time.sleep(1e6)\n"
HOLDS_GIL = "def run(task, ctx):\n    return sum(range(10**13)) > 0\n"
HELD_S = 0.2
"""After this long `HOLDS_GIL` holds the lock for sure; it may have taken it before its host could
say that it runs."""


def in_a_call(worker: WorkerState) -> bool:
    return worker.phase in ("wait", "stream")


def at_work(worker: WorkerState) -> bool:
    return worker.running_at > 0


def frozen(worker: WorkerState) -> bool:
    return time.time() - worker.started_at > HELD_S


@dataclass(frozen=True)
class Kind:
    """``busy`` workers make calls of ``latency_s``; the ``waiting`` ones are what is killed.

    ``at_once``: so many orders are under way at the same time. ``apart_s``: between two orders,
    and only once all that are to wait do so; an idle host is one that has done with the last kill.
    """

    name: str
    target_s: float | None
    code: str = CALLS
    ready: Callable[[WorkerState], bool] = in_a_call
    behaviour: str = "silent"
    busy: int = 0
    waiting: int = 10
    latency_s: float = 0.05
    resources: str = ""
    at_once: int = 1
    apart_s: float = 0.0


ALONE = 'isolation = "process"'
KINDS = [
    Kind("silent, idle", 0.005, apart_s=0.05),
    Kind("drip, idle", 0.005, behaviour="drip_sse", apart_s=0.05),
    Kind("silent, one after the other", None),
    Kind("silent, half on calls of 1 s", None, busy=50, waiting=50, latency_s=1.0),
    Kind("silent, 90 of 100 on calls of 50 ms", 0.25, busy=90),
    Kind("busy loop", 0.8, SPINS, at_work, waiting=2, resources="hosts = 2", at_once=2),
    Kind("process, silent", 0.2, waiting=2, resources=ALONE),
    Kind("process, busy loop", 0.2, SPINS, at_work, waiting=1, resources=ALONE),
    Kind("process, in C", 0.2, SLEEPS, at_work, waiting=2, resources=ALONE),
    Kind("process, GIL held", 0.7, HOLDS_GIL, frozen, waiting=2, resources=ALONE, at_once=2),
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name.replace(" ", "-"))
def test_from_a_kill_to_the_free_slot(project: Project, kind: Kind) -> None:
    calling = "\n".join(f't{n:03d} = "ok,latency={kind.latency_s}"' for n in range(kind.busy))
    plan = project.write(
        tasks=kind.busy + kind.waiting + KILLS,
        workers=kind.busy + kind.waiting,
        code=kind.code,
        script=f'default = "{kind.behaviour}"\n[tasks]\n{calling}',
        limits=LONG,
        more=f"[resources]\n{kind.resources}",
    )
    run = project.launch(plan)
    log = Follower(run)
    log.until(lambda state: len(targets(state, kind, set())) == kind.waiting)
    answered = kill_all(run.dir, log, kind)
    log.until(lambda state: state.totals.attempts == kind.busy + kind.waiting + KILLS)
    assert "storm" not in log.state.pauses  # ordered ends are no sign of trouble
    assert len(log.state.workers) == kind.busy + kind.waiting
    with Control(run.dir) as control:
        control.ask("stop")
    run.ended()
    log.look()
    ended, free = kill_times(log.events)
    assert len(ended) == KILLS
    p99 = quantile(ended, 0.99)
    target = f"target {kind.target_s * 1e3:.0f}" if kind.target_s else "no target"
    verdict = "" if kind.target_s is None or p99 <= kind.target_s else ", MISSED"
    tell(
        f"{KILLS} kills, {kind.name}, p50 / p99 ms:  ordered -> ended {ms(ended)}"
        f" ({target}{verdict})   -> next attempt on the slot {ms(free)}"
        f"   asked -> answered {ms(answered)}"
    )


def kill_all(run_dir: Path, log: Follower, kind: Kind) -> list[float]:
    """Kill so many attempts; seconds from each question to its answer."""
    chance, killed = random.Random(3), set[str]()  # the log is a little behind the answers
    under_way: set[Future[float]] = set()
    answered: list[float] = []
    enough = kind.waiting if kind.apart_s else max(1, kind.waiting // 2)
    with ThreadPoolExecutor(kind.at_once) as killers:
        for _ in range(KILLS):
            if len(under_way) == kind.at_once:
                done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                answered += [one.result() for one in done]
            least = enough if kind.at_once == 1 else 1
            log.until(lambda state, least=least: len(targets(state, kind, killed)) >= least)
            time.sleep(kind.apart_s)
            worker = chance.choice(targets(log.state, kind, killed))
            killed.add(worker.attempt_id)
            under_way.add(killers.submit(kill, run_dir, worker.worker, worker.attempt_id))
        answered += [one.result() for one in under_way]
    return answered


def kill(run_dir: Path, worker: int, attempt_id: str) -> float:
    began = time.monotonic()
    with Control(run_dir) as control:
        answer: dict[str, Any] = control.ask("kill", worker=worker, attempt_id=attempt_id)
    assert answer["ok"], answer
    assert answer["cause"] == "killed:user", answer
    return time.monotonic() - began


def targets(state: State, kind: Kind, killed: set[str]) -> list[WorkerState]:
    """Workers that hang and were not killed yet."""
    return [
        worker
        for worker in state.workers
        if worker.busy
        and worker.attempt_id not in killed
        and int(worker.task_id[1:]) >= kind.busy
        and kind.ready(worker)
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
