"""Is it hung, busy, getting on, or short of memory: a table of processes in, a judgement out.

Apart from those who read because it is pure.
"""

import collections
from collections.abc import Sequence
from typing import Final, NamedTuple

from runner.core.text import duration, plural, size
from runner.doctor.causes import causes_of, duplicates, short, unsaved
from runner.doctor.model import Cause, Class, Data, Machine, Process

IDLE_MEAN_PERCENT: Final = 5.0
BUSY_ONE_PERCENT: Final = 25.0
"""One process that computes makes the tree busy, however many others wait for it. Processes of a
harness that had hung for five hours used up to 20 %."""
SILENT_S: Final = 30.0
"""A call that brought no byte for this long is no normal wait: the plan's own default limit."""
UNSAVED_S: Final = 900.0
SHORT_OF_MEMORY: Final = 0.05
ALL_OF_MEMORY: Final = 0.85


class Judgement(NamedTuple):
    """A class, a sentence, and what it comes from."""

    kind: Class
    verdict: str
    causes: list[Cause]
    evidence: list[str]

    @property
    def hung(self) -> bool:
        """Whether a person has to do something."""
        return self.kind in ("idle-hung", "memory-starved")


class Scene(NamedTuple):
    """All that is judged. ``now`` is wall clock; CPU was measured over ``window_s``."""

    processes: Sequence[Process]
    data: Data | None
    machine: Machine
    window_s: float
    now: float


def judge(scene: Scene) -> Judgement:
    """What is the matter with these processes, all of them taken as one program."""
    there = [process for process in scene.processes if process.command]
    if not there:
        return Judgement("idle", "no such process can be looked at", [], [])
    scene = scene._replace(processes=there)
    kind = _class(scene)
    ill = kind in ("idle-hung", "memory-starved")
    causes = causes_of(there, scene.data, scene.machine, scene.now) if ill else []
    return Judgement(kind, _verdict(kind, scene), causes, _evidence(scene))


def _class(scene: Scene) -> Class:
    processes, machine = scene.processes, scene.machine
    held = sum(process.rss_bytes for process in processes)
    if held > ALL_OF_MEMORY * machine.memory_bytes or (
        machine.available_bytes < SHORT_OF_MEMORY * machine.memory_bytes
    ):
        return "memory-starved"
    if _saved_lately(scene.data):
        return "progressing"
    used = [process.cpu_percent for process in processes]
    if max(used) >= BUSY_ONE_PERCENT or sum(used) / len(used) >= IDLE_MEAN_PERCENT:
        return "busy"
    heard = [p.connections.heard_s for p in processes if p.connections.heard_s is not None]
    if heard and min(heard) < SILENT_S:
        return "progressing"
    states = _states(processes)
    if scene.data is None and states["LISTEN"]:
        return "idle"  # a server that nobody asks anything
    waits = max((p.connections.waits_s or 0.0 for p in processes), default=0.0)
    if scene.data is not None or waits >= SILENT_S or states["CLOSE_WAIT"]:
        return "idle-hung"
    return "idle"


def _saved_lately(data: Data | None) -> bool:
    return data is not None and data.newest_age_s is not None and data.newest_age_s < UNSAVED_S


def _states(processes: Sequence[Process]) -> collections.Counter[str]:
    states: collections.Counter[str] = collections.Counter()
    for process in processes:
        states.update(process.connections.states)
    return states


def _verdict(kind: Class, scene: Scene) -> str:
    processes, data = scene.processes, scene.data
    who = plural(len(processes), "process", "processes")
    cpu = f"{sum(process.cpu_percent for process in processes):.1f} % CPU together"
    match kind:
        case "memory-starved":
            held = size(sum(process.rss_bytes for process in processes))
            left = size(scene.machine.available_bytes)
            return f"MEMORY-STARVED: {who} hold {held}, {left} of the machine are left"
        case "progressing":
            if data is not None and data.newest_age_s is not None and _saved_lately(data):
                return f"progressing: {data.newest} was saved {duration(data.newest_age_s)} ago"
            return f"progressing: {who} wait, and answers arrive"
        case "busy":
            return f"busy: {who}, {cpu}"
        case "idle-hung":
            lost = f"; {unsaved(data)}" if data is not None else ""
            return f"IDLE-HUNG: {who} did nothing for {scene.window_s:g} s, {cpu}{lost}"
        case "idle":
            return f"idle: {who}, {cpu}; nothing says that more should happen"


def _evidence(scene: Scene) -> list[str]:
    processes, machine, data = scene.processes, scene.machine, scene.data
    used = [process.cpu_percent for process in processes]
    held = sum(process.rss_bytes for process in processes)
    ages = [scene.now - process.started_at for process in processes]
    who = plural(len(processes), "process", "processes")
    threads = plural(sum(process.threads for process in processes), "thread")
    room = f"{size(machine.available_bytes)} of {size(machine.memory_bytes)} free"
    lines = [
        f"{who}, {threads}, started {duration(max(ages))} to {duration(min(ages))} ago",
        f"CPU over {scene.window_s:g} s: {sum(used):.1f} % together, {max(used):.1f} % the busiest",
        f"memory {size(held)} together, {room}",
    ]
    if states := _states(processes):
        counts = ", ".join(f"{count} {state}" for state, count in states.most_common())
        lines.append(f"TCP connections: {counts}")
    lines += [f"{count} times: {short(command)}" for command, count in duplicates(processes)]
    if data is not None:
        lines.append(f"data: {plural(data.files, 'Parquet file')}; {unsaved(data)}")
    return lines
