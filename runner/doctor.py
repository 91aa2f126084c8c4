"""What is the matter with a run: the verdict first, then what it was told from, then what to type.

Apart from ``status``, which believes the log: this looks at the processes themselves, so it tells a
dead engine from a stopped one and a busy host from an idle one. It changes nothing.
"""

import contextlib
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec import Struct, field

from runner.core.health import health, outlook, silent_s, watch_of
from runner.core.state import State
from runner.core.text import duration, one_line, plural, size
from runner.core.verdict import verdict
from runner.core.why import doing, why
from runner.reading import Reading, read_run

if TYPE_CHECKING:
    import psutil

SAMPLE_S: Final = 0.5
_OVERDUE_S: Final = 10.0
"""A worker that was told to end and has not for so long is a hang that nobody ends."""
_DISK_LOW: Final = 1_000_000_000
_FEW_NAMED: Final = 10


class Finding(Struct, frozen=True):
    """One process of the run as the kernel sees it. ``problem`` is empty if it could be read."""

    role: str
    pid: int
    state: str = ""
    cpu_percent: float = 0.0
    rss_bytes: int = 0
    threads: int = 0
    sockets: dict[str, int] = {}
    problem: str = ""


class StuckWorker(Struct, frozen=True):
    """A worker without progress, and what it waits for."""

    worker: int
    task_id: str
    phase: str
    silent_s: float
    why: str
    ends_in_s: float | None


class Diagnosis(Struct, kw_only=True):
    """What ``doctor --json`` prints. ``healthy`` is the exit code: 0 if true, 1 if not."""

    run_id: str
    verdict: str
    healthy: bool
    evidence: list[str]
    processes: list[Finding]
    stuck: list[StuckWorker] = field(default_factory=list[StuckWorker])
    next: str = ""
    """The command to type next; empty where nothing is to be done."""


def diagnose(run_dir: Path) -> Diagnosis:
    """Look at a run from all sides. Takes about half a second, in which CPU use is measured."""
    reading = read_run(run_dir)
    state, now, engine = reading
    over = state.status in ("finished", "stopped")
    stuck = [] if over else _stuck(state, now)
    processes = _processes(state, engine_there=engine.alive and not over)
    ill, advice = _judge(reading, processes, run_dir.name)
    return Diagnosis(
        run_id=state.run_id or run_dir.name,
        verdict=ill or verdict(state, now, engine).text,
        healthy=not ill,
        evidence=_evidence(reading, run_dir),
        processes=processes,
        stuck=stuck,
        next=advice,
    )


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
            )
        )
    return found


def _judge(reading: Reading, processes: list[Finding], name: str) -> tuple[str, str]:
    """What is wrong in a sentence, empty if nothing is; and the command to type."""
    state, now, engine = reading
    if state.status in ("finished", "stopped"):
        return "", f"pilot-tui report {name}"
    said = verdict(state, now, engine)
    if not engine.alive:
        return said.text, f"pilot-tui resume {name}"
    stopped = [found for found in processes if found.role == "engine" and found.state == "stopped"]
    if stopped:
        return (
            f"{said.text} Its process {stopped[0].pid} is stopped.",
            f"kill -CONT {stopped[0].pid}",
        )
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
    lines.append(_disk(run_dir))
    if state.memory_percent:
        lines.append(f"memory {state.memory_percent:.0f} % used")
    return lines


def _disk(run_dir: Path) -> str:
    try:
        free = shutil.disk_usage(run_dir).free
    except OSError as error:
        return f"the disk cannot be asked: {error.strerror}"
    low = ": nearly full" if free < _DISK_LOW else ""
    return f"{size(free)} free on the disk{low}"


def _processes(state: State, *, engine_there: bool) -> list[Finding]:
    """Engine and hosts, their CPU use measured over `SAMPLE_S`."""
    if not engine_there:
        return []
    import psutil

    wanted = [("engine", state.engine_pid)]
    wanted += [(f"host {host.host}", host.pid) for host in state.hosts.values() if host.pid]
    found: dict[int, psutil.Process] = {}
    for _, pid in wanted:
        with contextlib.suppress(psutil.Error):
            found[pid] = psutil.Process(pid)
            found[pid].cpu_percent()
    psutil.cpu_percent(interval=SAMPLE_S)
    return [_finding(role, pid, found.get(pid)) for role, pid in wanted]


def _finding(role: str, pid: int, process: "psutil.Process | None") -> Finding:
    import psutil

    if process is None:
        return Finding(role, pid, problem="is gone")
    try:
        with process.oneshot():
            return Finding(
                role,
                pid,
                state=process.status(),
                cpu_percent=round(process.cpu_percent(), 1),
                rss_bytes=process.memory_info().rss,
                threads=process.num_threads(),
                sockets=_sockets(process),
            )
    except psutil.NoSuchProcess:
        return Finding(role, pid, problem="is gone")
    except psutil.AccessDenied:
        return Finding(role, pid, problem=f"cannot be read by uid {os.getuid()}")


def _sockets(process: "psutil.Process") -> dict[str, int]:
    """TCP connections by state: many in CLOSE_WAIT are calls that nobody reads any more."""
    counts: dict[str, int] = {}
    for connection in process.net_connections("tcp"):
        counts[connection.status] = counts.get(connection.status, 0) + 1
    return counts


def diagnosis_words(found: Diagnosis) -> list[str]:
    """The same for a person, line by line."""
    lines = [found.verdict, ""]
    lines += [f"  {line}" for line in found.evidence]
    lines += [f"  {_process_words(process)}" for process in found.processes]
    lines += [f"  {_worker_words(worker)}" for worker in found.stuck[:_FEW_NAMED]]
    if len(found.stuck) > _FEW_NAMED:
        lines.append(f"  and {len(found.stuck) - _FEW_NAMED} more stuck workers")
    return [*lines, "", f"next: {found.next}"] if found.next else lines


def _process_words(process: Finding) -> str:
    who = f"{process.role}: pid {process.pid} {process.state or process.problem}"
    if process.problem:
        return who
    uses = f"CPU {process.cpu_percent:.0f} %, {size(process.rss_bytes)}, {process.threads} threads"
    sockets = ", ".join(f"{count} {state}" for state, count in sorted(process.sockets.items()))
    return f"{who}, {uses}" + (f", sockets: {sockets}" if sockets else "")


def _worker_words(worker: StuckWorker) -> str:
    who = f"worker {worker.worker}, {one_line(worker.task_id, 60)}"
    ends = "" if worker.ends_in_s is None else f"; ends by itself in {duration(worker.ends_in_s)}"
    return f"{who}, silent {duration(worker.silent_s)}, {worker.why}{ends}"
