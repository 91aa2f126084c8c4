"""The demo as a run: endpoint, plan, engine, and whether every task ended as it was rehearsed.

Apart from `runner.rehearse`, which knows no engine, and from the command line, which only shows it.
The endpoint is a session of its own on an idle leash, not a child of the dashboard: people leave
the dashboard, and the run goes on without it.
"""

import contextlib
import os
import secrets
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from runner import launch
from runner.engine.durable import write_file
from runner.errors import EngineError, StartFailed
from runner.past.reading import task_results
from runner.rehearse.demo import (
    WORKERS,
    as_rehearsed,
    demo_plan,
    demo_script,
    demo_tasks,
    expected,
)
from runner.runs import RunInfo

PLANS: Final = ".demo"
"""Below the runs folder: the plans of demos. A hidden folder without a log is no run."""
IDLE_EXIT_S: Final = 900.0
"""The endpoint of a demo that was left ends after so long without a connection. A paused demo has
none either, so it is long; the demo's own command ends the endpoint as soon as the run is over."""
_START_S: Final = 20.0


class Demo(Struct, frozen=True):
    """A demo under way. ``endpoint_pid`` is the server that plays the models."""

    info: RunInfo
    quick: bool
    endpoint_pid: int

    def close(self) -> None:
        """End the endpoint; nothing happens if it is gone already."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.endpoint_pid, signal.SIGTERM)


class Surprise(Struct, frozen=True):
    """A task that did not end as rehearsed. ``got`` and ``wanted`` are ``outcome cause``."""

    task_id: str
    got: str
    wanted: str


class Ready(msgspec.Struct):
    """What a server prints once it accepts connections."""

    port: int
    pid: int


def start_demo(
    runs_dir: Path,
    *,
    quick: bool,
    workers: int = WORKERS,
    overrides: Mapping[str, str] | None = None,
) -> Demo:
    """Start endpoint and engine. ``quick`` takes under 45 s, the full one about three minutes."""
    bypass_proxies()
    run_id = f"demo-{secrets.token_hex(2)}"
    folder = runs_dir / PLANS / run_id
    script = folder / "script.json"
    try:
        folder.mkdir(parents=True)
        write_file(script, msgspec.json.encode(demo_script(quick=quick)))
        write_file(folder / "tasks.jsonl", demo_tasks().encode())
    except OSError as error:
        raise EngineError(f"{folder} cannot be written: {error.strerror}") from error
    server = start_server(
        [
            *(sys.executable, "-m", "runner.rehearse"),
            *("--script", str(script.resolve()), "--idle-exit", str(IDLE_EXIT_S)),
        ],
        _START_S,
    )
    try:
        plan = demo_plan(f"http://127.0.0.1:{server.port}/v1", quick=quick, workers=workers)
        write_file(folder / "plan.toml", plan.encode())
        info = launch(
            folder / "plan.toml", runs_dir=runs_dir, overrides=overrides or {}, run_id=run_id
        )
    except BaseException:
        os.kill(server.pid, signal.SIGTERM)
        raise
    return Demo(info, quick, server.pid)


def surprises(run_dir: Path, *, quick: bool) -> list[Surprise]:
    """Every task that did not end as rehearsed; empty is what the demo is to show."""
    found = task_results(run_dir)
    wrong: list[Surprise] = []
    for task_id, wanted in expected(quick=quick).items():
        ended = found.get(task_id)
        if ended is None:
            wrong.append(Surprise(task_id, "not run", " ".join(wanted).strip()))
        elif not as_rehearsed(wanted, ended.outcome, ended.cause):
            got = f"{ended.outcome} {ended.cause}".strip()
            wrong.append(Surprise(task_id, got, " ".join(wanted).strip()))
    return wrong


def bypass_proxies() -> None:
    """Have this process and what it starts talk to loopback directly, whatever proxy is set."""
    for name in ("NO_PROXY", "no_proxy"):
        known = [part for part in os.environ.get(name, "").split(",") if part]
        wanted = [host for host in ("127.0.0.1", "localhost") if host not in known]
        os.environ[name] = ",".join([*known, *wanted])


def start_server(command: Sequence[str], timeout_s: float) -> Ready:
    """Start a server as a session of its own, so that no terminal's end reaches it.

    `StartFailed` if it has not said that it is ready within ``timeout_s``.
    """
    root = Path(__file__).resolve().parents[2]
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=root,
        start_new_session=True,
    )
    assert process.stdout is not None, "asked for above"
    with process.stdout as pipe:
        ready, _, _ = select.select([pipe], [], [], timeout_s)
        line = pipe.readline() if ready else b""
    try:
        return msgspec.json.decode(line, type=Ready)
    except msgspec.DecodeError as error:
        process.kill()
        process.wait()
        raise StartFailed("the demo's endpoint did not start") from error
