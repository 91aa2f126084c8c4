"""What is the matter with a run of ours: the verdict, what it was told from, what to type.

Apart from ``status``, which believes the log: this looks at the processes themselves, so it tells a
dead engine from a stopped one and a busy host from an idle one. It changes nothing.
"""

import shutil
from pathlib import Path
from typing import Final

from msgspec import Struct, field

from runner.core.health import health, outlook, silent_s, stalled_s, watch_of
from runner.core.state import State
from runner.core.text import duration, one_line, plural, size
from runner.core.verdict import verdict
from runner.core.why import doing, why
from runner.doctor import processes
from runner.doctor.model import Process, Unread
from runner.engine.leftovers import bears_mark
from runner.past.reading import Reading, read_run

SAMPLE_S: Final = 0.5
_OVERDUE_S: Final = 10.0
"""A worker that was told to end and has not for so long is a hang that nobody ends."""
_DISK_LOW_BYTES: Final = 1_000_000_000


class StuckWorker(Struct, frozen=True):
    """A worker without progress, and what it waits for."""

    worker: int
    task_id: str
    phase: str
    silent_s: float
    why: str
    ends_in_s: float | None
    saved_since: bool
    """Whether anybody's result was saved since this worker got no further."""


class Diagnosis(Struct, kw_only=True):
    """What ``doctor RUN --json`` prints. ``healthy`` is the exit code: 0 if true, 1 if not."""

    run_id: str
    verdict: str
    healthy: bool
    evidence: list[str]
    processes: list[Process]
    stuck: list[StuckWorker] = field(default_factory=list[StuckWorker])
    unread: list[Unread] = field(default_factory=list[Unread])
    next: str = ""
    """The command to type next; empty where nothing is to be done."""


def diagnose(run_dir: Path) -> Diagnosis:
    """Look at a run from all sides. Takes about half a second, in which CPU use is measured."""
    reading = read_run(run_dir)
    state, now, engine = reading
    over = state.status in ("finished", "stopped")
    seen = processes.look(_roles(state, run_dir, engine_there=engine.alive and not over), SAMPLE_S)
    ill, advice = _judge(reading, seen.processes, run_dir.name)
    return Diagnosis(
        run_id=state.run_id or run_dir.name,
        verdict=ill or verdict(state, now, engine).text,
        healthy=not ill,
        evidence=_evidence(reading, run_dir),
        processes=seen.processes,
        stuck=[] if over or not engine.alive else _stuck(state, now),
        unread=seen.unread,
        next=advice,
    )


def _roles(state: State, run_dir: Path, *, engine_there: bool) -> dict[int, str]:
    """Pid -> what it is. Without an engine: what it left behind, by the mark that all bear."""
    if engine_there:
        hosts = {host.pid: f"host {host.host}" for host in state.hosts.values() if host.pid}
        return {state.engine_pid: "engine", **hosts}
    pids = [int(entry.name) for entry in Path("/proc").glob("[0-9]*")]
    return {pid: "left behind" for pid in pids if bears_mark(pid, run_dir)}


def _stuck(state: State, now: float) -> list[StuckWorker]:
    found: list[StuckWorker] = []
    for worker in state.workers:
        if not worker.busy or health(worker, watch_of(state.plan, worker.model), now) != "stuck":
            continue
        look = outlook(state, worker, now)
        found.append(
            StuckWorker(
                worker=worker.worker,
                task_id=worker.task_id,
                phase=worker.phase,
                silent_s=round(silent_s(worker, now), 3),
                why=f"{doing(worker)}: {why(state, worker, now)}",
                ends_in_s=round(look.ends_in_s, 3) if look else None,
                saved_since=state.rows.last_write_at > now - stalled_s(worker, now),
            )
        )
    return found


def _judge(reading: Reading, found: list[Process], name: str) -> tuple[str, str]:
    """What is wrong in a sentence, empty if nothing is; and the command to type."""
    state, now, engine = reading
    if state.status in ("finished", "stopped"):
        return "", f"pilot-tui report {name}"
    said = verdict(state, now, engine)
    if not engine.alive:
        return said.text, f"pilot-tui resume {name}"
    stopped = [item for item in found if item.role == "engine" and item.state == "stopped"]
    if stopped:
        pid = stopped[0].pid
        return f"{said.text} Its process {pid} is stopped.", f"kill -CONT {pid}"
    if said.alarm == "needs_you":
        return said.text, f"pilot-tui attach {name}"
    overdue = [
        worker
        for worker in state.workers
        if worker.killing_at and now - worker.killing_at > _OVERDUE_S
    ]
    if overdue:
        worker = overdue[0]
        waited = duration(now - worker.killing_at)
        text = f"worker {worker.worker} was told to end {waited} ago and has not. {said.text}"
        return text, f"pilot-tui kill {name} --worker {worker.worker}"
    return "", f"pilot-tui attach {name}"


def _evidence(reading: Reading, run_dir: Path) -> list[str]:
    state, now, engine = reading
    rows = state.rows
    saved = f"{plural(rows.written, 'row')} saved in {plural(rows.parts, 'file')}"
    lines = [
        f"{len(state.done)} of {state.tasks_total} tasks are done, {len(state.owner)} under way",
        f"{saved}, {len(state.awaited)} waiting",
    ]
    over = state.status in ("finished", "stopped")
    if rows.last_write_at and not over:
        lines.append(f"last saved {duration(now - rows.last_write_at)} ago")
    if state.finished_at and not over:
        lines.append(f"last task done {duration(now - state.finished_at[-1])} ago")
    if engine.alive and engine.silent_s:
        lines.append(f"the engine's last word came {duration(engine.silent_s)} ago")
    if rows.error:
        lines.append(f"saving fails: {one_line(rows.error, 120)}")
    for host in state.hosts.values():
        if host.status == "frozen":
            frozen = duration(now - host.frozen_at)
            lines.append(f"process {host.host} (pid {host.pid}) does not answer since {frozen}")
    if state.zombies:
        lines.append(f"{plural(len(state.zombies), 'abandoned thread')} still run")
    return [*lines, _disk(run_dir), _memory()]


def _disk(run_dir: Path) -> str:
    try:
        free = shutil.disk_usage(run_dir).free
    except OSError as error:
        return f"the disk cannot be asked: {error.strerror}"
    low = ": nearly full" if free < _DISK_LOW_BYTES else ""
    return f"{size(free)} free on the disk{low}"


def _memory() -> str:
    found = processes.machine()
    return f"{size(found.available_bytes)} of {size(found.memory_bytes)} memory free"
