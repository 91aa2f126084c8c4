"""What changed between a run's beginning and its resume, in words for the person who decides.

Apart from `launch`, which only asks whether to go on: plans are compared key by key as they resolve
now, tasks by their number and by those that the log knows.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

import msgspec

from runner.core.text import one_line, plural
from runner.errors import PlanError
from runner.runs import LOG

if TYPE_CHECKING:
    from runner.core.plan import Plan
    from runner.engine.config import PlanDocument
    from runner.engine.folder import About

_SHOWN: Final = 20
_CHARS: Final = 60


class Edited(NamedTuple):
    """A plan file that is not what the run began with."""

    document: "PlanDocument"
    """As it is now, in order."""
    before: "Plan | None"
    """As it was; None if that cannot be told any more, e.g. because its task file is gone."""


def changed_plan(run_dir: Path, found: "About") -> Edited | None:
    """The user's plan file, where it is not what the run began with.

    None where it is the same, or gone: the copy in the run folder holds then. `PlanError` for a
    changed one that cannot be used.
    """
    from runner.engine.config import read_plan
    from runner.engine.folder import PLAN, document_of

    file = Path(found.plan_file)
    try:
        if not found.plan_file or file.read_bytes() == (run_dir / PLAN).read_bytes():
            return None
    except OSError:
        return None
    document = read_plan(file, found.overrides, folder=found.plan_folder)
    try:
        before = document_of(run_dir, found, check_entry=False).plan
    except PlanError:
        before = None
    return Edited(document, before)


def lost_plan(run_dir: Path, found: "About") -> str:
    """That the run folder's copy of the plan is gone, and where another may be; else empty."""
    from runner.engine.config.files import digest
    from runner.engine.folder import PLAN

    copy = run_dir / PLAN
    if copy.exists():
        return ""
    text = f"{copy} is not there: a run without its plan cannot be resumed"
    if not found.plan_file:
        return text
    try:
        same = digest(Path(found.plan_file).read_bytes()) == found.digests.get("plan")
    except OSError:
        return f"{text}. It was copied from {found.plan_file}, which is gone too"
    if same:
        return f"{text}. It was copied from {found.plan_file}: copy that back"
    changed = "which has changed since: copy that back and resume with --allow-changed"
    return f"{text}. It was copied from {found.plan_file}, {changed}"


def differences(
    run_dir: Path, found: "About", edited: Edited | None, now: "PlanDocument"
) -> list[str]:
    """A line for each change; empty if there is none."""
    lines: list[str] = []
    for name, digest in now.digests.items():
        if digest == found.digests.get(name):
            continue
        if name == "plan":
            before = edited.before if edited else None
            lines += ["plan:", *plan_changes(before, now.plan)] if before else ["plan: changed"]
        elif name == "source":
            lines.append(f"source: {task_changes(run_dir, found, now)}")
        else:
            lines.append(f"{name}: its file was edited")
    return lines


def plan_changes(before: "Plan", now: "Plan") -> list[str]:
    """``  limits.call: 120 -> 60`` for each key that differs, of 20 at most."""
    old, new = (dict(_flat(msgspec.to_builtins(plan))) for plan in (before, now))
    keys = [key for key in {**old, **new} if old.get(key) != new.get(key)]
    lines = [f"  {key}: {_word(old, key)} -> {_word(new, key)}" for key in keys]
    if not lines:
        return ["  only comments, order or layout"]
    rest = len(lines) - _SHOWN
    return lines if rest <= 0 else [*lines[:_SHOWN], f"  and {plural(rest, 'key')} more"]


def task_changes(run_dir: Path, found: "About", now: "PlanDocument") -> str:
    """How the tasks of the file differ from those of the run, as far as its log knows them.

    The log holds no task that never started, so of those only the number is told.
    """
    from runner.past.reading import read_state

    try:
        source = now.tasks(limit=found.limit, only=found.only, shard=found.shard)
    except PlanError as error:
        return one_line(str(error), 200)
    if not (run_dir / LOG).exists():
        return "edited"
    state = read_state(run_dir)
    known = {*state.done, *state.tasks}
    gone = sum(1 for task_id in known if source.find(task_id) is None)
    added = len(source) - state.tasks_total + gone
    parts = [
        f"{plural(added, 'task')} added" if added > 0 else "",
        f"{plural(-added, 'task')} removed that never ran" if added < 0 else "",
        f"{plural(gone, 'task')} removed that had run" if gone else "",
    ]
    told = ", ".join(part for part in parts if part)
    return told or f"as many tasks as before ({len(source)}), edited"


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys and their values; items of lists are named, or numbered from 0."""
    if isinstance(value, dict):
        for key, item in cast("dict[str, Any]", value).items():
            yield from _flat(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list | tuple) and any(isinstance(item, dict) for item in value):  # pyright: ignore[reportUnknownVariableType]
        for number, item in enumerate(cast("list[dict[str, Any]]", value)):
            yield from _flat(item, f"{path}.{item.get('name', number)}")
    else:
        yield path, value


def _word(values: dict[str, Any], key: str) -> str:
    if key not in values:
        return "none"
    return one_line(msgspec.json.encode(values[key]).decode(), _CHARS)
