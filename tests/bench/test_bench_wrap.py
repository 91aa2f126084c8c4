"""What the proxy costs a wrapped script: CPU of the runner for each call, and added latency.

The script itself does both sides in turn, straight to the endpoint and through the proxy, so noise
of the machine meets both alike. It waits for its orders on stdin, so that nothing but calls is
measured: CPU is that of engine, zygote and host between two answers, the endpoint's is not in it.
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
from support.running import PACKAGE, Watched, wait_for

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


for line in sys.stdin:
    door, lanes, calls, stream = json.loads(line)
    with ThreadPoolExecutor(lanes) as pool:
        took = sum(pool.map(lane, [(door, calls, stream)] * lanes), [])
    print(json.dumps(took), flush=True)
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
]


class Wrapped:
    """``pilot-tui wrap`` around the script, which does what it is told."""

    def __init__(self, folder: Path, server: Rehearsal) -> None:
        (folder / "bench.py").write_text(SCRIPT)
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tui", "wrap", "--run-id", "w", "--"),
                *(sys.executable, "bench.py", server.base_url),
            ],
            cwd=folder,
            env={
                **os.environ,
                "PYTHONPATH": str(PACKAGE),
                "OPENAI_BASE_URL": server.base_url,
                "OPENAI_API_KEY": "a-real-key",
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.run = Watched(folder / "runs" / "w")

    def do(self, door: str, load: Load) -> list[float]:
        """Seconds of each call."""
        process = self.process
        assert process.stdin is not None
        assert process.stdout is not None
        order = json.dumps([door, load.lanes, load.calls, load.stream])
        process.stdin.write(order + "\n")
        process.stdin.flush()
        took: list[float] = json.loads(process.stdout.readline())
        return took

    def tree(self) -> tuple[psutil.Process, list[psutil.Process]]:
        """The engine, and what it has started: zygote and host."""
        engine = psutil.Process(self.run.state().engine_pid)
        return engine, engine.children(recursive=True)

    def close(self) -> None:
        self.process.communicate(timeout=30)
        wait_for(lambda: not engine_alive(self.run.dir))


def cpu_s(processes: list[psutil.Process]) -> float:
    """User and system seconds so far."""
    return sum(sum(process.cpu_times()[:2]) for process in processes)


@pytest.mark.parametrize("load", LOADS, ids=lambda load: load.name.replace(" ", "-"))
def test_what_the_proxy_costs_a_call(tmp_path: Path, load: Load) -> None:
    with Rehearsal.start(Script(default=f"ok,latency={load.latency_s}")) as server:
        one = Wrapped(tmp_path, server)
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
        f"\n{load.name:28} runner's CPU {engine_ms + host_ms:.2f} ms a call"
        f" (host {host_ms:.2f}, engine {engine_ms:.2f}; target {CPU_TARGET_MS})"
        f"   p50 {direct:.2f} -> {proxy:.2f} ms: {proxy - direct:+.2f}"
        f" (target {ADDED_TARGET_MS})\n"
    )
