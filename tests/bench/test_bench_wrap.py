"""What the proxy costs a program: CPU of the runner for each call, and added latency.

The program is a wrapped script, each of whose calls is an attempt with a row, or that of a command
executor, all of whose calls are one attempt's. It does both sides in turn, straight to the endpoint
and through the proxy, so noise of the machine meets both alike. It waits for its orders on a named
pipe, so that nothing but calls is measured: CPU is that of engine, zygote and host between two
answers, the endpoint's is not in it.
"""

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
from bench.figures import LONG
from support.running import PACKAGE, Project, Watched, wait_for

from runner.rehearse import Rehearsal, Script
from runner.runs import engine_alive

pytestmark = [pytest.mark.bench, pytest.mark.timeout(600)]

CPU_TARGET_MS = 1.0
ADDED_TARGET_MS = 2.0
ROUNDS = 5

# http.client, because an SDK's own 2 ms of CPU would hide what is measured.
SCRIPT = """
import http.client, json, os, sys, time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

doors = {"direct": sys.argv[1], "proxy": os.environ["OPENAI_BASE_URL"]}
key = os.environ["OPENAI_API_KEY"]
head = {"authorization": f"Bearer {key}", "content-type": "application/json"}


def lane(work):
    door, calls, stream = work
    url = urlsplit(doors[door])
    link = http.client.HTTPConnection(url.hostname, url.port)
    body = json.dumps({"model": "m", "stream": stream,
                       "messages": [{"role": "user", "content": "go " * 200}]})
    took = []
    for number in range(calls + 1):
        began = time.perf_counter()
        link.request("POST", url.path + "/chat/completions", body, head)
        answer = link.getresponse()
        data = answer.read()
        if number:  # the first one connects
            took.append(time.perf_counter() - began)
        assert answer.status == 200 and len(data) > 100, (answer.status, data)
    link.close()
    return took


orders = open(sys.argv[2])
answers = open(sys.argv[3], "w")
for line in orders:
    door, lanes, calls, stream = json.loads(line)
    with ThreadPoolExecutor(lanes) as pool:
        took = sum(pool.map(lane, [(door, calls, stream)] * lanes), [])
    print(json.dumps(took), file=answers, flush=True)
print(json.dumps({"outcome": "passed", "score": 1}))
"""


class Load(NamedTuple):
    """So many lanes at once, so many calls each; the endpoint takes so many seconds a call."""

    name: str
    lanes: int
    calls: int
    stream: bool
    latency_s: float


LOADS = [
    Load("one lane, whole answers", 1, 100, False, 0.01),
    Load("one lane, streams", 1, 100, True, 0.01),
    Load("twenty lanes, whole answers", 20, 10, False, 0.1),
    Load("twenty lanes, streams", 20, 10, True, 0.1),
    Load("one lane, back to back", 1, 300, False, 0.0),
    Load("twenty lanes, back to back", 20, 100, False, 0.0),
]
"""With pauses between calls the machine goes to sleep and all caches are cold: the same work takes
twice to three times the CPU that it takes back to back."""


class Program:
    """`SCRIPT` at work in a run, which does what it is told."""

    def __init__(self, folder: Path, server: Rehearsal) -> None:
        (folder / "bench.py").write_text(SCRIPT)
        pipes = [folder / name for name in ("orders", "answers")]
        for pipe in pipes:
            os.mkfifo(pipe)
        command = (sys.executable, "bench.py", server.base_url, *map(str, pipes))
        self.run = self.start(folder, server, command)
        self._orders, self._answers = pipes[0].open("w"), pipes[1].open()

    def start(self, folder: Path, server: Rehearsal, command: tuple[str, ...]) -> Watched:
        """Have it started."""
        raise NotImplementedError

    def do(self, door: str, load: Load) -> list[float]:
        """Seconds of each call."""
        order = json.dumps([door, load.lanes, load.calls, load.stream])
        self._orders.write(order + "\n")
        self._orders.flush()
        took: list[float] = json.loads(self._answers.readline())
        return took

    def tree(self) -> tuple[psutil.Process, list[psutil.Process]]:
        """The engine, and what it has started for us: zygote and host."""
        engine = psutil.Process(self.run.state().engine_pid)
        ours = [one for one in engine.children(recursive=True) if "bench.py" not in one.cmdline()]
        return engine, ours

    def close(self) -> None:
        self._orders.close()
        wait_for(lambda: not engine_alive(self.run.dir))
        self._answers.close()


class Wrapped(Program):
    """As ``pilot-tui wrap`` runs it."""

    def start(self, folder: Path, server: Rehearsal, command: tuple[str, ...]) -> Watched:
        self._launcher = subprocess.Popen(
            [sys.executable, "-m", "tui", "wrap", "--run-id", "w", "--", *command],
            cwd=folder,
            env={
                **os.environ,
                "PYTHONPATH": str(PACKAGE),
                "OPENAI_BASE_URL": server.base_url,
                "OPENAI_API_KEY": "a-real-key",
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        return Watched(folder / "runs" / "w")

    def close(self) -> None:
        super().close()
        self._launcher.wait(30)


class Commanded(Program):
    """As the only task of a command executor."""

    def start(self, folder: Path, server: Rehearsal, command: tuple[str, ...]) -> Watched:
        project = Project(folder)
        plan = project.write(
            tasks=1, workers=1, limits=f"{LONG}\nturns = 100000", base_url=server.base_url
        )
        text = plan.read_text()
        text = text.replace('executor = "python"', 'executor = "command"')
        text = text.replace('entry = "agent:run"', f"argv = {json.dumps(command)}")
        plan.write_text(text)
        return project.launch(plan)


def cpu_s(processes: list[psutil.Process]) -> float:
    """User and system seconds so far."""
    return sum(sum(process.cpu_times()[:2]) for process in processes)


@pytest.mark.parametrize("load", LOADS, ids=lambda load: load.name.replace(" ", "-"))
@pytest.mark.parametrize("kind", [Wrapped, Commanded], ids=["wrap", "command"])
def test_what_the_proxy_costs_a_call(tmp_path: Path, kind: type[Program], load: Load) -> None:
    with Rehearsal.start(Script(default=f"ok,latency={load.latency_s}")) as server:
        one = kind(tmp_path, server)
        one.do("proxy", load)  # everything is warm, and the engine there
        engine, others = one.tree()
        took: dict[str, list[float]] = {"direct": [], "proxy": []}
        cost = {"engine": 0.0, "host": 0.0}
        for _ in range(ROUNDS):
            took["direct"] += one.do("direct", load)
            before = cpu_s([engine]), cpu_s(others)
            took["proxy"] += one.do("proxy", load)
            cost["engine"] += cpu_s([engine]) - before[0]
            cost["host"] += cpu_s(others) - before[1]
        one.close()
    calls = ROUNDS * load.lanes * (load.calls + 1)
    direct, proxy = (statistics.median(took[door]) * 1e3 for door in ("direct", "proxy"))
    engine_ms, host_ms = (cost[part] / calls * 1e3 for part in ("engine", "host"))
    sys.stdout.write(
        f"\n{kind.__name__.lower():9} {load.name:28}"
        f" runner's CPU {engine_ms + host_ms:.2f} ms a call"
        f" (host {host_ms:.2f}, engine {engine_ms:.2f}; target {CPU_TARGET_MS})"
        f"   p50 {direct:.2f} -> {proxy:.2f} ms: {proxy - direct:+.2f}"
        + (f" (target {ADDED_TARGET_MS})\n" if load.latency_s else " (the cores are all in use)\n")
    )
