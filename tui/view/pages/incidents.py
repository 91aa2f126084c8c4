"""Incidents: a line an episode, joined over workers and time."""

from collections.abc import Callable, Sequence
from typing import Final

from runner import Incident, duration, incident_words, plural
from tui.text import clock, fitting, plain, wrap
from tui.view.line import DIM, HI, TEXT, Ink, Line
from tui.view.table import Cell, Column, cell

COLUMNS: Final = (
    Column("from", 8),
    Column("to", 8),
    Column("for", 7, "right", drop=1),
    Column("what happened", 0),
)
BY: Final[tuple[Callable[[Incident], str | float], ...]] = (
    lambda item: item.began_at,
    lambda item: float("inf") if item.open else item.ended_at,
    lambda item: item.ended_at - item.began_at,
    incident_words,
)
_ROLES: Final = {
    "hang": "stuck",
    "process": "stuck",
    "disk": "stuck",
    "rate_limit": "backoff",
    "restart": "accent",
    "pause": "slow",
    "lag": "slow",
}
LEAD_S: Final = 10.0
"""A replay of an incident begins this long before it."""


def incident_cells(item: Incident) -> Sequence[Cell]:
    """A cell for each of `COLUMNS`."""
    role = _ROLES.get(item.kind, "text")
    return (
        cell(clock(item.began_at), HI),
        cell("goes on" if item.open else clock(item.ended_at), Ink("stuck") if item.open else DIM),
        cell(duration(item.ended_at - item.began_at), DIM),
        cell(plain(incident_words(item), 300), Ink(role)),
    )


def matches(item: Incident, text: str) -> bool:
    """Whether every word of ``text`` stands in the line."""
    line = incident_words(item).lower()
    return all(word in line for word in text.lower().split())


def incident_detail(item: Incident, cells: int) -> list[Line]:
    """The whole sentence, which workers, what enter does."""
    lines = [
        Line().add("  " + part, TEXT)
        for part in wrap(plain(incident_words(item), 400), cells - 4, 2)
    ]
    if item.workers:
        numbers = [f"{number:03d}" for number in sorted(item.workers)]
        line = Line().add(f"  {plural(len(numbers), 'worker')}: ", DIM)
        lines.append(line.add(fitting(numbers, cells - line.width - 1, ", "), TEXT))
    lines.append(Line().add("  enter: watch it from 10 s before", DIM))
    return lines
