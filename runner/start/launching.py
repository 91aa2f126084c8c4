"""Starts a run, or starts one again: checks, makes the folder, and lets an engine go.

Apart from the engine because it runs in the user's process, which may end at any moment: what it
starts is a session of its own, and needs nobody.
"""

import contextlib
import json
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

import msgspec

from runner import errors
from runner.core.wrapping import door_of
from runner.errors import (
    EngineError,
    PilotError,
    PlanError,
    Problem,
    RunChanged,
    RunError,
    StartFailed,
)
from runner.runs import RunInfo, about, list_runs

if TYPE_CHECKING:
    from runner.engine.task_file import SourceFile

READY_S: Final = 60.0
ENGINE_LOG: Final = "engine.log"
HANDED_OVER_TASKS: Final = 50_000
"""Reading fewer takes less than a tenth of a second."""


def refusal(platform: str) -> str:
    """Why no engine can run on this system (as in ``sys.platform``), and what can; else empty."""
    if platform == "linux":
        return ""
    return (
        f"runs are started on Linux only, and this is {platform}: the engine needs its pidfds and "
        "/proc. Folders of runs can be looked at here: status, replay, report, incidents, verify"
    )


def _refuse_other_systems() -> None:
    words = refusal(sys.platform)
    if words:
        raise StartFailed(words)


def launch(
    plan: str | Path,
    *,
    runs_dir: Path,
    overrides: Mapping[str, str] | None = None,
    run_id: str | None = None,
    limit: int | None = None,
    only: Sequence[str] = (),
    shard: tuple[int, int] | None = None,
) -> RunInfo:
    """Check the plan, make its run folder and start the engine; returns when that answers.

    ``shard`` is (part, parts): every part of one plan may run on a machine of its own. `PlanError`
    with every problem, and nothing is started; `StartFailed` with the engine's words.
    """
    from runner.engine.boot import version
    from runner.engine.config import read_plan
    from runner.engine.folder import create

    _refuse_other_systems()
    document = read_plan(plan, overrides)
    if document.plan.is_wrap and door_of(os.environ) is None:
        text = "is for pilot-tui wrap, which makes its plan by itself"
        raise PlanError([Problem(file=document.file.name, key="tasks.executor", text=text)])
    document.tasks(limit=limit, only=only, shard=shard)
    run_dir = create(
        runs_dir,
        document,
        run_id=run_id,
        limit=limit,
        only=list(only),
        shard=shard,
        version=version(),
    )
    info = start_engine(run_dir, document.source)
    info.notes = twins(info, list_runs(runs_dir))
    return info


def twins(run: RunInfo, others: Sequence[RunInfo]) -> list[str]:
    """In words, which live runs are of the same plan or call the same endpoints.

    Three copies of one benchmark that starve each other were half of the story of the seeds.
    """
    notes: list[str] = []
    for other in others:
        if not other.live or other.run_id == run.run_id:
            continue
        shared = [url for url in run.endpoints if url in other.endpoints]
        same = run.digests.get("plan") and run.digests.get("plan") == other.digests.get("plan")
        if same and (run.shard is None or run.shard == other.shard):
            notes.append(f"run {other.run_id} is live and has the same plan")
        elif shared:
            notes.append(f"run {other.run_id} is live and calls {shared[0]} too")
    return notes


def resume_run(run_dir: Path, *, retry: Sequence[str] = (), allow_changed: bool = False) -> RunInfo:
    """Start the engine of a run that has none: after a kill, a stop, or for unscored tasks.

    ``retry`` names outcomes or causes whose tasks run again. `RunChanged` where plan, source, tools
    or entry are not what the run began with, and how they differ, unless ``allow_changed``: then
    they are taken as they are now, and ``notes`` say how they differ.
    """
    from runner.engine.durable import write_file
    from runner.engine.folder import PLAN, document_of, load, save
    from runner.start.changes import changed_plan, differences, lost_plan

    _refuse_other_systems()
    found = load(run_dir)
    if found.imported:
        raise RunError(f"{found.run_id} was imported from {found.imported}: nothing to go on with")
    if told := lost_plan(run_dir, found):
        raise RunError(told)
    edited = changed_plan(run_dir, found)
    document = edited.document if edited else document_of(run_dir, found)
    if document.plan.is_wrap:
        raise RunError("a wrapped script cannot be resumed: its calls are gone; wrap it again")
    lines = differences(run_dir, found, edited, document)
    if lines and not allow_changed:
        told = "\n".join(["changed since the run began:", *lines, "--allow-changed takes that"])
        raise RunChanged(told)
    if edited is not None:
        write_file(run_dir / PLAN, document.content)
        found.new_plan = True
    found.digests = dict(document.digests)
    found.retry = list(retry)
    save(run_dir, found)
    info = start_engine(run_dir, document.source)
    info.notes = [f"changed: {line.strip()}" for line in lines]
    return info


def start_engine(run_dir: Path, source: "SourceFile | None" = None) -> RunInfo:
    """Start the engine's process in a session of its own and wait for its word.

    A big ``source`` that was read here is handed over, so that the engine need not read it again.
    """
    ours, theirs = os.pipe()
    command = [sys.executable, "-m", "runner.engine", str(run_dir), "--ready-fd", str(theirs)]
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, theirs)
        handles = [theirs]
        if source is not None and len(source) >= HANDED_OVER_TASKS:
            file = stack.enter_context(tempfile.TemporaryFile())
            _hand_over(source, file)
            handles.append(file.fileno())
            command += ["--index-fd", str(handles[-1])]
        with (run_dir / ENGINE_LOG).open("ab") as log:
            subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=handles,
                cwd="/",
                env=_environment(),
                check=False,
            )
    with os.fdopen(ours, "rb") as pipe:
        answered, _, _ = select.select([pipe], [], [], READY_S)
        line = pipe.readline() if answered else b""
    if not line:
        when = "" if answered else f" within {READY_S:.0f} s"
        raise StartFailed(f"the engine did not start{when}; see {run_dir / ENGINE_LOG}")
    said = json.loads(line)
    if "error" in said:
        kind = getattr(errors, said["kind"], StartFailed)
        usable = isinstance(kind, type) and issubclass(kind, PilotError) and kind is not _PLAN_ERROR
        raise (kind if usable else StartFailed)(said["error"])
    found = about(run_dir)
    if found is None:
        raise EngineError(f"{run_dir} vanished")
    return found


def _hand_over(source: "SourceFile", file: IO[bytes]) -> None:
    """Write what is known of the task file; nothing where there is no room for it."""
    try:
        file.write(msgspec.msgpack.encode(source.index()))
        file.flush()
    except OSError:
        file.truncate(0)  # the engine reads the task file itself


_PLAN_ERROR: Final = errors.PlanError


def _environment() -> dict[str, str]:
    """The user's environment, with the packages of this process importable from any folder."""
    root = str(Path(__file__).resolve().parents[2])
    path = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": root if not path else f"{root}{os.pathsep}{path}"}
