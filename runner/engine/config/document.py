"""A plan with everything that belongs to it, read from a file or changed in mid-run.

Apart from the checks because it alone knows their order.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import msgspec

from runner.core.plan import Plan
from runner.engine.config import files, keys, override, phases
from runner.engine.config.check import check
from runner.engine.config.findings import Findings, as_table
from runner.engine.config.lines import Path as KeyPath
from runner.engine.config.resolve import resolve
from runner.engine.config.text import PlanText, parse, read_text
from runner.engine.task_file import SourceFile, SourceIndex
from runner.engine.tasks import NoTasks, TaskSource
from runner.errors import PlanError, Problem

CHANGEABLE: Final[Mapping[str, tuple[str, ...]]] = {
    "run": ("workers", "max_attempts"),
    "endpoints": ("qps", "max_in_flight"),
    "models": ("limits", "watch", "workers"),
    "limits": (),
    "watch": (),
    "stop": (),
    "loops": (),
}
"""What may change under a running engine; no keys listed means all of the section."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanDocument:
    """A plan that can run. ``plan`` is resolved; the other fields say where it comes from.

    ``content`` are the file's exact bytes; ``overrides`` what changes them, to be kept with the
    run, so that a resume reads the same; ``folder`` what its files are relative to; ``digests``
    those of ``plan``, ``source``, ``tools`` and ``entry``, empty where there is none; ``warnings``
    what will not do what it seems to.
    """

    file: Path
    folder: Path
    content: bytes
    overrides: Mapping[str, str]
    plan: Plan
    source: SourceFile | None
    digests: Mapping[str, str]
    warnings: tuple[Problem, ...]

    def tasks(
        self,
        *,
        limit: int | None = None,
        only: Sequence[str] = (),
        shard: tuple[int, int] | None = None,
    ) -> TaskSource | NoTasks:
        """The tasks of the plan, or a part of them; `PlanError` if that part is empty."""
        if self.source is None:
            return NoTasks()
        return TaskSource(self.plan, self.source, limit=limit, only=only, shard=shard)


def read_plan(
    path: str | Path,
    overrides: Mapping[str, str] | None = None,
    *,
    folder: str | Path | None = None,
    environ: Mapping[str, str] | None = None,
    check_entry: bool = True,
    index: SourceIndex | None = None,
) -> PlanDocument:
    """The plan at ``path`` with ``overrides`` (dotted key to TOML value), or `PlanError`.

    ``pilot:5.3`` and the like are the ready plans of the package; files that overrides name in them
    are relative to the working folder.
    The error has every problem of plan, overrides, environment, task file and entry at once.
    ``folder`` is for a copy: its files are then relative to that folder. ``environ`` is where key
    variables are looked up, by default the process's own. ``check_entry`` imports a python
    executor, or lets the interactive one look at its files, in a process of its own: 0.2 s as a
    rule, 30 s at most. ``index`` is what another process found in the task file: a million tasks
    take more than a second to read.
    """
    ready = phases.find(str(path))
    file = ready or Path(path)
    text = read_text(file)
    if folder is None:
        folder = Path.cwd() if ready else file.parent
    home = Path(os.path.abspath(folder))  # noqa: PTH100
    findings, sound = _settle(
        text,
        str(path) if ready else file.name,
        overrides or {},
        os.environ if environ is None else environ,
    )
    source = files.open_source(sound, home, findings, index)
    tools = files.tools_digest(sound, home, findings)
    files.check_programs(sound, home, findings)
    if check_entry:
        files.check_entry(sound, home, findings)
        files.check_library(sound, home, source, findings)
    wrap = as_table(sound.get("tasks")).get("executor") == "wrap"
    if findings.problems or (source is None and not wrap):
        raise PlanError(findings.problems)
    document = PlanDocument(
        file=ready or home / file.name,
        folder=home,
        content=text.content,
        overrides=dict(overrides or {}),
        plan=resolve(sound, home),
        source=source,
        digests={
            "plan": files.digest(text.content),
            "source": source.digest if source else "",
            "tools": tools,
            "entry": files.entry_digest(as_table(sound["tasks"]), home),
        },
        warnings=tuple(findings.warnings),
    )
    document.tasks()
    return document


def change(document: PlanDocument, key: str, value: str) -> tuple[PlanDocument, Any]:
    """The document with ``key`` set to the TOML ``value``, and the resolved value before.

    `PlanError` for a key that cannot change under a running engine, and for everything that the
    plan as a whole would be refused for.
    """
    text = parse(document.content, document.file)
    try:
        raw, _, _ = override.apply(text.raw, document.overrides)
        place = override.locate(raw, key)
    except override.BadOverrideError as error:
        raise PlanError([error.problem]) from error
    _refuse_fixed(place, key)
    # Of two overrides of one place the later holds, so a key that comes again goes to the end.
    merged = {name: old for name, old in document.overrides.items() if name != key}
    merged[key] = value
    findings, sound = _settle(text, document.file.name, merged, None)
    if findings.problems:
        raise PlanError(findings.problems)
    changed = replace(
        document,
        overrides=merged,
        plan=resolve(sound, document.folder),
        warnings=tuple(findings.warnings),
    )
    return changed, _value_at(document.plan, place)


def _settle(
    text: PlanText,
    name: str,
    overrides: Mapping[str, str],
    environ: Mapping[str, str] | None,
) -> tuple[Findings, dict[str, Any]]:
    """All checks that need no file; without ``environ`` the key variables are not looked at."""
    raw, places, problems = override.apply(text.raw, overrides)
    findings = Findings(name, raw, text.lines, places)
    findings.problems += problems
    sound = check(raw, findings)
    known = [] if environ is None else keys.check_keys(sound, environ, findings)
    keys.check_pasted(text, name, known, findings)
    return findings, sound


def _refuse_fixed(place: KeyPath, key: str) -> None:
    inner = [part for part in place[1:] if isinstance(part, str)]
    allowed = CHANGEABLE.get(str(place[0]))
    if allowed is not None and inner and (not allowed or inner[0] in allowed):
        return
    listed = [f"{section}.{word}" for section, all_ in CHANGEABLE.items() for word in all_ or "*"]
    hint = f"what can: {', '.join(listed)}"
    text = "cannot change under a run"
    raise PlanError([Problem(file="--set", key=key, text=text, hint=hint)])


def _value_at(plan: Plan, place: KeyPath) -> Any:
    """The resolved value at a place; None for a key that the plan does not have."""
    value: Any = msgspec.to_builtins(plan)
    for part in place:
        value = value[part] if isinstance(part, int) else as_table(value).get(part)
    return value
