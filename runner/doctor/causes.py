"""What a hang comes from, each with its figures.

Apart from the judgement because these are the causes that one diagnosis by hand found in a harness
of 25 processes: too many at once, no limit on waiting, errors that nobody sees, nothing saved. Here
they are looked for each time.
"""

import collections
import re
from collections.abc import Sequence
from typing import Final

from runner.core.text import duration, one_line, plural, size
from runner.doctor.model import Cause, Data, Machine, Process

MUCH_OF_MEMORY: Final = 0.5
_HIDES: Final = re.compile(r"(?:^|\s)(--silent|--quiet|--no-output|-qq?)(?=[\s=]|$)")
_FEW: Final = 3
_COMMAND_CHARS: Final = 60


def causes_of(
    processes: Sequence[Process], data: Data | None, machine: Machine, now: float
) -> list[Cause]:
    """All that apply, in the order in which they come about."""
    found = [
        _memory(processes, machine),
        _crowding(processes, machine),
        _no_limit(processes, now),
        _hidden(processes),
        _not_saved(data, processes, now),
    ]
    return [cause for cause in found if cause is not None]


def _memory(processes: Sequence[Process], machine: Machine) -> Cause | None:
    """Each copy loads all of it again."""
    if len(processes) < _FEW:
        return None
    held = sum(process.rss_bytes for process in processes)
    share = held / machine.memory_bytes if machine.memory_bytes else 0.0
    weight = "memory is short" if share >= MUCH_OF_MEMORY else "not short by that alone"
    text = (
        f"each copy loads everything again: {len(processes)} x {size(held // len(processes))} = "
        f"{size(held)} of {size(machine.memory_bytes)} memory ({share:.1%}), {weight}"
    )
    return Cause("memory", text)


def _crowding(processes: Sequence[Process], machine: Machine) -> Cause | None:
    """Several launches that fight for the same cores, limits and files."""
    pids = {process.pid for process in processes}
    parents = {process.parent for process in processes}
    controllers = [p for p in processes if p.pid in parents and p.parent not in pids]
    started = [process for process in processes if process.parent in pids]
    twice = duplicates(processes)
    if len(processes) <= 2 * machine.cores and not twice:
        return None
    parts = [f"{len(processes)} processes on {plural(machine.cores, 'core')}"]
    if controllers:
        parts.append(f"{plural(len(controllers), 'controller')} started {len(started)} of them")
    if twice:
        extra = sum(count - 1 for _, count in twice)
        named = ", ".join(f"{count} x {short(command)}" for command, count in twice[:_FEW])
        more = f" and {len(twice) - _FEW} more" if len(twice) > _FEW else ""
        parts.append(f"{plural(extra, 'duplicate')} of a command that runs already: {named}{more}")
    return Cause("crowding", "started on top of each other: " + "; ".join(parts))


def duplicates(processes: Sequence[Process]) -> list[tuple[str, int]]:
    """Commands that were launched more than once, the most frequent first.

    The workers of a pool bear the command of the process that forked them: they are no launch.
    """
    command_of = {process.pid: process.command for process in processes}
    launches = collections.Counter(
        process.command
        for process in processes
        if command_of.get(process.parent) != process.command
    )
    return [(command, count) for command, count in launches.most_common() if count > 1]


def _no_limit(processes: Sequence[Process], now: float) -> Cause:
    """Calls that wait without an end."""
    waiting = [p for p in processes if p.connections.states.get("ESTABLISHED")]
    left = sum(p.connections.states.get("CLOSE_WAIT", 0) for p in processes)
    parts = [f"the oldest process runs for {duration(_oldest_s(processes, now))}"]
    if waiting:
        open_ = sum(p.connections.states["ESTABLISHED"] for p in waiting)
        silent = max((p.connections.waits_s or 0.0 for p in waiting), default=0.0)
        parts.append(
            f"{plural(open_, 'connection')} ESTABLISHED in "
            f"{plural(len(waiting), 'process', 'processes')}, e.g. to "
            f"{waiting[0].connections.remote}, silent for up to {duration(silent)}"
        )
    if left:
        parts.append(f"{left} in CLOSE_WAIT: the server hung up and nobody noticed")
    return Cause("no_limit", "no time limit ends a wait: " + "; ".join(parts))


def _hidden(processes: Sequence[Process]) -> Cause | None:
    """Errors that nobody can see."""
    silent = [found[1] for p in processes if (found := _HIDES.search(p.command))]
    thrown = [process for process in processes if process.output == "/dev/null"]
    parts: list[str] = []
    if silent:
        parts.append(f"{len(silent)} of {len(processes)} processes run with {silent[0]}")
    if thrown:
        parts.append(f"{len(thrown)} of {len(processes)} write their errors to /dev/null")
    return Cause("hidden_errors", "errors are hidden: " + "; ".join(parts)) if parts else None


def _not_saved(data: Data | None, processes: Sequence[Process], now: float) -> Cause | None:
    if data is None:
        return None
    parts = [unsaved(data)]
    parts += [f"{name}/ is empty" for name in data.empty_folders[:_FEW]]
    if data.stale_tmp:
        oldest = duration(data.oldest_tmp_age_s)
        parts.append(f"{plural(data.stale_tmp, 'unfinished file')} (*.tmp), up to {oldest} old")
    parts.append(f"the oldest process runs for {duration(_oldest_s(processes, now))}")
    return Cause("not_saved", "results are not saved: " + "; ".join(parts))


def _oldest_s(processes: Sequence[Process], now: float) -> float:
    return max(now - process.started_at for process in processes)


def unsaved(data: Data) -> str:
    """When something was last saved, in a clause."""
    if data.newest_age_s is None:
        return f"there is no Parquet file in {data.folder}"
    return f"{data.newest} was last written {duration(data.newest_age_s)} ago"


def short(command: str) -> str:
    """A command line, cut."""
    return one_line(command, _COMMAND_CHARS)
