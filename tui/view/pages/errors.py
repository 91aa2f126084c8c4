"""Errors by cause: a line a cause, the most frequent first; the last one's own words below."""

from collections.abc import Callable, Sequence
from typing import Final

from runner import Mishap
from tui.text import clock, fitting, plain, wrap
from tui.view.line import DIM, HI, TEXT, Ink, Line
from tui.view.table import Cell, Column, cell

COLUMNS: Final = (
    Column("count", 7, "right"),
    Column("kind", 10),
    Column("what", 0, least=28),
    Column("where", 30, drop=1),
    Column("first", 8, "right", drop=3),
    Column("last", 8, "right", drop=2),
)
BY: Final[tuple[Callable[[Mishap], str | float], ...]] = (
    lambda item: item.count,
    lambda item: item.kind,
    lambda item: item.what,
    lambda item: item.where,
    lambda item: item.first_at,
    lambda item: item.last_at,
)
_KINDS: Final = {
    "attempt": ("attempt", "not_scored"),
    "call": ("call", "slow"),
    "backoff": ("back-off", "backoff"),
    "tool": ("tool", "text"),
    "dropped": ("too late", "dim"),
    "process": ("process", "stuck"),
    "disk": ("disk", "stuck"),
    "engine": ("engine", "slow"),
    "log": ("log", "slow"),
}


def error_cells(item: Mishap) -> Sequence[Cell]:
    """A cell for each of `COLUMNS`."""
    word, role = _KINDS.get(item.kind, (item.kind, "text"))
    return (
        cell(str(item.count), HI),
        cell(word, Ink(role)),
        cell(plain(item.what, 120)),
        cell(plain(item.where, 60), DIM),
        cell(clock(item.first_at), DIM),
        cell(clock(item.last_at), DIM),
    )


def matches(item: Mishap, text: str) -> bool:
    """Whether every word of ``text`` stands in the line."""
    line = f"{item.kind} {item.what} {item.where} {item.text}".lower()
    return all(word in line for word in text.lower().split())


def error_detail(item: Mishap, cells: int) -> list[Line]:
    """What the last one said, and which attempts it hit."""
    said = wrap(plain(item.text, 400), cells - 4, 2) if item.text else ["(no more is known)"]
    lines = [Line().add("  " + part, TEXT) for part in said]
    if item.attempts:
        ids = [plain(attempt, 60) for attempt in reversed(item.attempts)]
        line = Line().add("  last attempts: ", DIM)
        lines.append(line.add(fitting(ids, cells - line.width - 1, ", "), TEXT))
    return lines
