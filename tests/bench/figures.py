"""What the benches of the runner share: figures as people read them, logs as they grow, gates."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
from support.running import Watched, wait_for

from runner.core import events as ev
from runner.core.state import State, fold
from runner.past.tail import Tail
from runner.rehearse import Rehearsal, Script

LONG = "first_byte = 600\nidle = 600\ncall = 600\nattempt = 3600"


def tell(text: str) -> None:
    """A table's head, or a figure that stands alone."""
    sys.stdout.write(f"\n{text}\n")


def tell_row(text: str) -> None:
    """A line below it."""
    sys.stdout.write(text + "\n")


def quantile(values: list[float], share: float) -> float:
    """The ``share`` quantile of values in any order."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def ms(values: list[float]) -> str:
    """p50 and p99 of seconds, in milliseconds."""
    return f"{quantile(values, 0.5) * 1e3:.1f} / {quantile(values, 0.99) * 1e3:.1f}"


def endpoint(latency_s: float) -> Rehearsal:
    """A rehearsal endpoint that answers each call after so long."""
    return Rehearsal.start(Script(default=f"ok,latency={latency_s}"))


def cpu_s(processes: list[psutil.Process]) -> float:
    """User and system seconds of live processes; of children that ended too."""
    total = 0.0
    for process in processes:
        times = process.cpu_times()
        total += times.user + times.system + times.children_user + times.children_system
    return total


def own_cpu_s(process: psutil.Process) -> float:
    """User and system seconds of one process."""
    times = process.cpu_times()
    return times.user + times.system


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
