"""Commands of the real program, and run folders written by hand for them to read."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runner.core import events as ev
from runner.core.plan import Limits, Plan, Watch
from support.story import plan_of

BEGAN = 1_790_000_000.0
COMMAND = [sys.executable, "-m", "tui"]


class Said:
    """What a finished command left."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        self.code = done.returncode
        self.out = done.stdout
        self.err = done.stderr

    @property
    def json(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.out)


Pilot = Callable[..., Said]


def plan() -> Plan:
    """A resolved plan of one model, with short thresholds."""
    return plan_of(
        name="past",
        workers=2,
        limits=Limits(first_byte=30),
        watch=Watch(slow_after=2, stuck_after=5),
        endpoint="here",
        deployment="",
        entry="agent:run",
    )


def write_run(folder: Path, events: list[ev.Event]) -> Path:
    """A run folder that holds this log; ``seq`` and the head are filled in."""
    folder.mkdir(parents=True)
    about = {"run_id": folder.name, "name": "past", "created": BEGAN}
    (folder / "run.json").write_text(json.dumps(about))
    (folder / "run.lock").touch()
    (folder / "results").mkdir()
    head = ev.EngineStarted(
        at=BEGAN,
        epoch=1,
        wall=BEGAN,
        boot_id="",
        pid=1,
        run_id=folder.name,
        version="1",
        tasks_total=2,
        plan=plan(),
    )
    with (folder / "events.jsonl").open("wb") as log:
        for seq, event in enumerate([head, *events], 1):
            event.seq = seq
            log.write(ev.encode(event))
    return folder


def started(at: float, number: int) -> ev.AttemptStarted:
    """Attempt ``number`` of task ``t<number>`` on worker ``number``."""
    return ev.AttemptStarted(
        at=BEGAN + at,
        task_id=f"t{number}",
        attempt=1,
        attempt_id=f"a{number}",
        worker=number,
        host=0,
        model="m",
        deployment="m",
        endpoint="here",
        labels={"prompt_type": "optimal"},
    )


def ended(at: float, number: int, outcome: str, cause: str = "") -> ev.AttemptEnded:
    """Its end, with commit number ``number + 1``."""
    return ev.AttemptEnded(
        at=BEGAN + at,
        task_id=f"t{number}",
        attempt=1,
        attempt_id=f"a{number}",
        worker=number,
        host=0,
        outcome=outcome,
        cause=cause,
        elapsed_s=at,
        rung="",
        row=number + 1,
        model="m",
    )
