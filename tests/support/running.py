"""A whole run against the rehearsal endpoint: real engine, real hosts, real files.

At teardown every invariant of a run is checked on what it left (see `checked`), so that no test can
forget to.
"""

import contextlib
import itertools
import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

from runner.client import Control
from runner.core import events as ev
from runner.core.state import State, fold
from runner.engine.verify import verify
from runner.errors import EngineGone
from runner.rehearse import Rehearsal, Script
from runner.runs import RunInfo, engine_alive, engine_pid
from runner.start.launching import launch, resume_run

PACKAGE = Path(__file__).resolve().parents[2]

THREE_TURNS = """
def run(task, ctx):
    for _ in range(3):
        with ctx.turn():
            stream = ctx.client.chat.completions.create(
                model=ctx.model, messages=[{"role": "user", "content": "go"}], stream=True
            )
            for _chunk in stream:
                pass
    return {"outcome": "passed", "score": 1.0}
"""
LONG = "first_byte = 600\nidle = 600\ncall = 900\nattempt = 1200"
"""Limits beyond the end of any test: what an order or a fault is to end does not end by itself."""


def held(*task_ids: str, code: str = THREE_TURNS) -> str:
    """``code`` whose attempts of these tasks begin only after `Project.go`.

    So a run is neither over nor short of work before the test has done with it, however slow either
    of them is.
    """
    return f"""{code}
import pathlib

begin, GO = run, pathlib.Path(__file__).with_name("go")


def run(task, ctx):
    while task.id in {set(task_ids)} and not GO.exists():
        ctx.sleep(0.05)
    return begin(task, ctx)
"""


def wait_for(what: Callable[[], Any], timeout_s: float = 20.0) -> Any:
    """The first true value of ``what``; the test fails after ``timeout_s``."""
    until = time.monotonic() + timeout_s
    while True:
        found = what()
        if found:
            return found
        if time.monotonic() > until:
            raise AssertionError(f"nothing within {timeout_s} s")
        time.sleep(0.01)


class Project:
    """A plan folder, its rehearsal endpoint, and the runs started from it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runs = folder / "runs"
        self.started: list[RunInfo] = []
        self._servers = contextlib.ExitStack()
        self._endpoint: Rehearsal | None = None

    def write(
        self,
        *,
        tasks: int,
        code: str = THREE_TURNS,
        script: str = 'default = "ok"',
        workers: int = 4,
        limits: str = "",
        more: str = "",
        base_url: str = "",
    ) -> Path:
        """Write tasks, executor and plan; starts the endpoint unless one is given."""
        if not base_url:
            self._endpoint = Rehearsal.start(Script.decode(script.encode(), toml=True))
            base_url = self._servers.enter_context(self._endpoint).base_url
        lines = (json.dumps({"id": f"t{number:03d}"}) + "\n" for number in range(tasks))
        (self.folder / "tasks.jsonl").write_text("".join(lines))
        (self.folder / "agent.py").write_text(code)
        plan = self.folder / "plan.toml"
        plan.write_text(f"""
[run]
name = "test"
workers = {workers}
start_interval = 0
[limits]
{limits or "first_byte = 3"}
[watch]
slow_after = 1
stuck_after = 2
[stop]
error_rate = 0
[[endpoints]]
name = "here"
base_url = "{base_url}"
task_header = "x-pilot-task"
[[models]]
name = "m"
endpoint = "here"
[tasks]
executor = "python"
source = "tasks.jsonl"
entry = "agent:run"
{more}
""")
        return plan

    def met(self, task_id: str, calls: int = 1) -> None:
        """Wait until the endpoint has counted that many calls of the task.

        A call killed before that is none to the endpoint: its script plays the same part again.
        """
        endpoint = self._endpoint
        assert endpoint is not None, "the plan names an endpoint of its own"
        wait_for(lambda: endpoint.stats()["tasks"].get(task_id, 0) >= calls)

    def go(self) -> None:
        """Let go on what is `held`."""
        (self.folder / "go").touch()

    def launch(self, plan: Path, **options: Any) -> "Watched":
        """Start the run."""
        return self._watch(launch(plan, runs_dir=self.runs, **options))

    def resume(self, run: "Watched", **options: Any) -> "Watched":
        """Start its engine again."""
        return self._watch(resume_run(run.dir, **options))

    def _watch(self, info: RunInfo) -> "Watched":
        self.started.append(info)
        return Watched(info.run_dir)

    def close(self) -> None:
        """End engines that still run, by pid, then the endpoint."""
        for info in self.started:
            while engine_alive(info.run_dir):
                if pid := engine_pid(info.run_dir):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                time.sleep(0.01)
        self._servers.close()


class Watched:
    """A run under test, seen only through its folder and its socket."""

    def __init__(self, folder: Path) -> None:
        self.dir = folder

    def events(self) -> list[ev.Event]:
        """All whole lines of the log."""
        data = (self.dir / "events.jsonl").read_bytes()
        found, bad = ev.decode_lines(data[: data.rfind(b"\n") + 1])
        assert bad == 0
        return found

    def of(self, kind: type[Any]) -> list[Any]:
        """Events of one type."""
        return [event for event in self.events() if isinstance(event, kind)]

    def state(self) -> State:
        """The fold of the log."""
        return fold(self.events())

    def until(self, what: Callable[[State], Any], timeout_s: float = 20.0) -> State:
        """The first state for which ``what`` is true."""

        def look() -> State | None:
            state = self.state()
            return state if state.epoch and what(state) else None

        return wait_for(look, timeout_s)

    def ended(self, timeout_s: float = 60.0) -> State:
        """The last state, once the engine has left."""
        wait_for(lambda: not engine_alive(self.dir), timeout_s)
        return self.state()

    def ask(self, op: str, **fields: Any) -> dict[str, Any]:
        """One answer from the engine, once the log has all that had happened when it was given.

        An engine answers from memory, before its writer has put the events of the order on the
        disk. What a stop does is in the log when the engine has `ended`.
        """
        with Control(self.dir) as control:
            answer = control.ask(op, **fields)
            if op in {"ping", "stop"}:
                return answer
            try:
                last = control.ask("ping")["seq"]
            except EngineGone:  # the order ended the last attempt
                wait_for(lambda: not engine_alive(self.dir))
            else:
                wait_for(lambda: self.state().seq >= last)
        return answer

    def rows(self) -> pl.DataFrame:
        """The rows, as any stranger reads them."""
        return pl.read_parquet(str(self.dir / "results" / "*.parquet"))

    def pids(self) -> list[int]:
        """Every process that bears this run's mark."""
        mark = f"PILOT_RUN_DIR={self.dir}".encode()
        found: list[int] = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    if mark in (entry / "environ").read_bytes().split(b"\0"):
                        found.append(int(entry.name))
        return found


def checked(run: Watched) -> None:
    """What holds for every run that has ended, however it went."""
    state = run.state()
    events = run.events()
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert all(a.at <= b.at for a, b in itertools.pairwise(events))
    started = [event.attempt_id for event in events if isinstance(event, ev.AttemptStarted)]
    assert len(started) == len(set(started))
    report = verify(run.dir)
    assert report.ok, report
    rows = run.rows()
    assert sorted(rows["attempt_id"]) == sorted(started)
    assert len(state.done) == state.tasks_total or state.status == "stopped"
    wait_for(lambda: not run.pids(), 3.0)
