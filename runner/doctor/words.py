"""Diagnoses for people: plain lines for a terminal, Markdown for an issue or a chat.

Apart from the judges because both forms say the same: verdict, causes, evidence, what could not be
told, and the next command last.
"""

import time
from collections.abc import Sequence
from typing import Final

from runner.core.text import block, duration, one_line, plural, size
from runner.doctor.model import ForeignDiagnosis, Process, Unread
from runner.doctor.runs import Diagnosis, StuckWorker

_FEW_NAMED: Final = 10
_MOST_ROWS: Final = 60


def diagnosis_words(found: Diagnosis) -> list[str]:
    """A run of ours, line by line."""
    lines = [found.verdict, ""]
    lines += [f"  {line}" for line in found.evidence]
    lines += [f"  {_process_words(process)}" for process in found.processes]
    lines += [f"  {_worker_words(worker)}" for worker in found.stuck[:_FEW_NAMED]]
    if len(found.stuck) > _FEW_NAMED:
        lines.append(f"  and {len(found.stuck) - _FEW_NAMED} more stuck workers")
    lines += _unread_lines(found.unread)
    return [*lines, "", f"next: {found.next}"] if found.next else lines


def _process_words(process: Process) -> str:
    who = f"{process.role}: pid {process.pid} {process.state or process.problem}"
    if not process.state:
        return who
    uses = f"CPU {process.cpu_percent:.0f} %, {size(process.rss_bytes)}, {process.threads} threads"
    counts = process.connections.states
    sockets = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
    return f"{who}, {uses}" + (f", sockets: {sockets}" if sockets else "")


def _worker_words(worker: StuckWorker) -> str:
    who = f"worker {worker.worker}, {one_line(worker.task_id, 60)}"
    ends = "" if worker.ends_in_s is None else f"; ends by itself in {duration(worker.ends_in_s)}"
    saved = "results were saved since" if worker.saved_since else "nothing was saved since"
    return f"{who}, silent {duration(worker.silent_s)}, {worker.why}{ends}; {saved}"


def foreign_words(found: ForeignDiagnosis) -> list[str]:
    """A foreign program, line by line."""
    lines = [found.verdict]
    if found.causes:
        lines += ["", "why"]
        lines += [f"  {number}. {cause.text}" for number, cause in enumerate(found.causes, 1)]
    if found.evidence:
        lines += ["", "evidence", *(f"  {line}" for line in found.evidence)]
    if found.processes:
        lines += ["", f"  {'pid':>8} {'CPU %':>6} {'memory':>8} {'threads':>7} {'age':>7}  command"]
        lines += [f"  {_row(process)}" for process in found.processes[:_MOST_ROWS]]
    if len(found.processes) > _MOST_ROWS:
        lines.append(f"  and {len(found.processes) - _MOST_ROWS} more")
    for stack in found.stacks:
        lines += ["", f"stacks of {stack.pid}", *_indented(stack.text, 2)]
    lines += _unread_lines(found.unread)
    return [*lines, "", f"next: {found.next}"] if found.next else lines


def _row(process: Process) -> str:
    if not process.command:
        return f"{process.pid:>8} {process.problem}"
    age = duration(time.time() - process.started_at)
    uses = f"{process.cpu_percent:>6.1f} {size(process.rss_bytes):>8} {process.threads:>7}"
    return f"{process.pid:>8} {uses} {age:>7}  {one_line(process.command, 100)}"


def _indented(text: str, cells: int) -> list[str]:
    return [f"{' ' * cells}{line}" for line in block(text).splitlines()]


def _unread_lines(unread: Sequence[Unread]) -> list[str]:
    if not unread:
        return []
    rows = [f"  {item.what}: {item.why}; try: {item.command}" for item in unread[:_FEW_NAMED]]
    if len(unread) > _FEW_NAMED:
        rows.append(f"  and {plural(len(unread) - _FEW_NAMED, 'fact')} more")
    return ["", "could not be told", *rows]


def foreign_markdown(found: ForeignDiagnosis) -> list[str]:
    """The same as Markdown."""
    lines = [f"## {_md(found.verdict)}", ""]
    if found.causes:
        lines += ["### Why", ""]
        lines += [
            f"{number}. **{cause.kind}**: {_md(cause.text)}"
            for number, cause in enumerate(found.causes, 1)
        ]
        lines.append("")
    lines += ["### Evidence", "", *(f"- {_md(line)}" for line in found.evidence), ""]
    lines += ["| pid | CPU % | memory | threads | started | command |", "|--:|--:|--:|--:|---|---|"]
    lines += [_markdown_row(process) for process in found.processes]
    for stack in found.stacks:
        lines += ["", f"### Stacks of {stack.pid}", "", *_indented(stack.text, 4)]
    if found.unread:
        lines += ["", "### Could not be told", ""]
        lines += [
            f"- {_md(item.what)}: {_md(item.why)}; try {_md(item.command)}" for item in found.unread
        ]
    return [*lines, "", f"Next: {_md(found.next)}"] if found.next else lines


def _markdown_row(process: Process) -> str:
    if not process.command:
        return f"| {process.pid} | | | | | {_md(process.problem)} |"
    started = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(process.started_at))
    uses = f"{process.cpu_percent:.1f} | {size(process.rss_bytes)} | {process.threads}"
    return f"| {process.pid} | {uses} | {started} | {_md(process.command)} |"


def _md(text: str) -> str:
    """Text of a stranger that neither ends a cell nor becomes markup."""
    plain = one_line(text, 300)
    return "".join(f"\\{c}" if c in "\\`*_|<>[]" else c for c in plain)
