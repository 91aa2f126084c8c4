"""The home screen: this user's runs, live ones first."""

import time
from collections.abc import Callable, Sequence
from typing import Final

from runner import Glance, size
from tui.text import plain
from tui.view.line import DIM, HI, TEXT, Ink, Line
from tui.view.table import Cell, Column, cell

COLUMNS: Final = (
    Column("state", 9),
    Column("run", 26),
    Column("name", 0),
    Column("started", 16, drop=1),
    Column("last event", 16, drop=2),
    Column("results", 8, "right", drop=3),
    Column("log", 8, "right", drop=4),
)
BY: Final[tuple[Callable[[Glance], str | float], ...]] = (
    lambda item: item.status,
    lambda item: item.info.run_id,
    lambda item: item.info.name,
    lambda item: item.info.created,
    lambda item: item.last_at,
    lambda item: item.rows,
    lambda item: item.log_bytes,
)
_ROLES: Final = {
    "running": "accent",
    "finished": "passed",
    "stopped": "slow",
    "lost": "stuck",
    "empty": "dim",
}


def run_cells(item: Glance) -> Sequence[Cell]:
    """A cell for each of `COLUMNS`."""
    live = item.status == "running"
    return (
        cell(item.status, Ink(_ROLES.get(item.status, "text"), bold=live)),
        cell(plain(item.info.run_id, 60), HI if live else TEXT),
        cell(plain(item.info.name, 80), TEXT),
        cell(day_clock(item.info.created), DIM),
        cell(day_clock(item.last_at), DIM),
        cell(str(item.rows) if item.rows else "", TEXT),
        cell(size(item.log_bytes) if item.log_bytes else "", DIM),
    )


def day_clock(at: float) -> str:
    """``2026-05-28 21:07``, local; empty where it is not known."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at)) if at else ""


def matches(item: Glance, text: str) -> bool:
    """Whether every word of ``text`` stands in the line."""
    line = f"{item.status} {item.info.run_id} {item.info.name} {item.info.run_dir}".lower()
    return all(word in line for word in text.lower().split())


def run_detail(item: Glance, cells: int) -> list[Line]:
    """Where it lies, and what enter does."""
    verb = "watch it" if item.status == "running" else "look at it and play it back"
    lines = [Line().add("  " + plain(str(item.info.run_dir), cells), DIM)]
    lines.append(Line().add("  enter: ", DIM).add(verb, TEXT))
    if item.why:
        lines[0].add("   ended: " + plain(item.why, 120), TEXT)
    if item.status == "lost":
        lines[1].whole(cells, "   its engine is gone", Ink("stuck"))
        lines[1].whole(cells, ": R there starts it again", Ink("stuck"))
    return lines
