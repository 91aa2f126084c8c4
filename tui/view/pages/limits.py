"""Limits: what is in force, what the plan said, who changed it and when."""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from runner import Plan, ev
from tui.text import clock, plain
from tui.view.line import DIM, HI, TEXT, Ink, Line
from tui.view.table import Cell, Column, cell

COLUMNS: Final = (
    Column("key", 0, least=29),
    Column("in force", 11, "right"),
    Column("plan said", 11, "right", drop=1),
    Column("changed", 8, "right", drop=2),
    Column("by", 14, drop=3),
    Column("what it does", 40, drop=4),
)
BY: Final[tuple[Callable[["Limit"], str | float] | None, ...]] = (
    lambda item: item.key,
    None,
    None,
    lambda item: item.change.at if item.change else 0.0,
    lambda item: item.change.origin if item.change else "",
    None,
)
"""Values are of many kinds, so there is no order among them."""
_SECTIONS: Final = ("limits", "watch", "run", "stop", "loops", "resources")
_NOT_LIMITS: Final = ("run.name", "run.seed", "run.order", "resources.isolation", "resources.hosts")
_WORDS: Final = {
    "limits.connect": "to reach the endpoint, DNS and TLS included",
    "limits.first_byte": "from sent to the answer's first byte",
    "limits.idle": "between two bytes of an answer",
    "limits.call": "one request, from sent to complete",
    "limits.prepare": "before an attempt starts",
    "limits.score": "judging a result",
    "limits.attempt": "one attempt, waits included",
    "limits.run": "the whole run, over restarts",
    "limits.turns": "turns of the agent",
    "limits.retries": "times one call is sent again",
    "limits.retry_wait": "longest single wait before that",
    "limits.retry_total": "all such waits of an attempt",
    "limits.retry_on": "what a call is sent again for",
    "watch.slow_after": "seconds without progress: amber",
    "watch.stuck_after": "seconds without progress: red",
    "watch.heartbeat": "how often processes report",
    "run.workers": "tasks at work at once",
    "run.max_attempts": "times a task is tried",
    "run.start_interval": "between first starts of workers",
    "stop.error_rate": "pause above this share of errors",
    "stop.over": "among so many last attempts",
    "stop.tokens": "pause at so many tokens, 0 never",
    "stop.cost": "pause at this cost, 0 never",
    "resources.freeze_after": "silent process is replaced after",
    "resources.max_memory_percent": "no new tasks above this memory",
    "resources.max_host_memory_mb": "a process above it is replaced, 0 never",
    "resources.adaptive": "fewer workers while it says too much",
    "resources.min_workers": "never fewer workers than these",
    "loops.repeat": "the same action comes again and again",
    "loops.cycle": "a few actions alternate",
    "loops.search": "it only searches and never acts",
    "loops.unclosed_tag": "it never closes its tag",
    "loops.no_action": "it talks and does nothing",
    "loops.done": "everything is achieved: end and score",
}


class Limit(NamedTuple):
    """One key of the plan that limits something."""

    key: str
    value: str
    planned: str
    change: ev.PlanChanged | None


def limits_in_force(
    plan: Plan | None, first: Plan | None, changes: Sequence[ev.PlanChanged]
) -> list[Limit]:
    """All keys that limit something; of models only what differs from the general ones."""
    if plan is None:
        return []
    last = {change.key: change for change in changes}
    before = dict(_values(first)) if first is not None else {}
    return [Limit(key, value, before.get(key, ""), last.get(key)) for key, value in _values(plan)]


def _values(plan: Plan) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for section in _SECTIONS:
        for name, value in _fields(getattr(plan, section)):
            if f"{section}.{name}" not in _NOT_LIMITS:
                found.append((f"{section}.{name}", _text(value)))
    for model in plan.models:
        for section in ("limits", "watch"):
            general = dict(_fields(getattr(plan, section)))
            for name, value in _fields(getattr(model, section)):
                if value != general[name]:
                    found.append((f"models.{model.name}.{section}.{name}", _text(value)))
    return found


def _fields(section: Any) -> list[tuple[str, Any]]:
    return [(name, getattr(section, name)) for name in section.__struct_fields__]


def _text(value: Any) -> str:
    if isinstance(value, (tuple, list)):
        return ", ".join(str(item) for item in value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return f"{value:g}" if isinstance(value, float) else str(value)


def limit_cells(item: Limit) -> Sequence[Cell]:
    """A cell for each of `COLUMNS`."""
    changed = item.change is not None or (item.planned and item.planned != item.value)
    change = item.change
    return (
        cell(plain(item.key, 80), HI if changed else TEXT),
        cell(plain(item.value, 60), Ink("accent", bold=True) if changed else TEXT),
        cell(plain(item.planned, 60), DIM),
        cell(clock(change.at) if change else "", DIM),
        cell(plain(change.origin, 40) if change else "", DIM),
        cell(_WORDS.get(item.key, ""), DIM),
    )


def matches(item: Limit, text: str) -> bool:
    """Whether every word of ``text`` stands in the line."""
    line = f"{item.key} {item.value} {_WORDS.get(item.key, '')}".lower()
    return all(word in line for word in text.lower().split())


def limit_detail(item: Limit, cells: int, *, acting: bool) -> list[Line]:
    """What it does, and how it is changed."""
    words = _WORDS.get(item.key, "")
    line = Line().add(f"  {plain(item.key, 80)} = {plain(item.value, 60)}", HI)
    line.whole(cells, f"   {words}", DIM)
    how = Line().add("  enter: another value" if acting else "  nothing can be changed now", DIM)
    return [line, how.whole(cells, ", for attempts from now on" if acting else "", DIM)]
