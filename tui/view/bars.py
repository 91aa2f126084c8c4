"""Bars of whole cells: limits that fill up, and the outcomes of a run.

Whole cells on purpose: a bar that moves by eighths would be sent to the terminal eight times as
often and says no more.
"""

from collections.abc import Sequence

from tui.glyphs import Glyphs
from tui.view.line import EDGE, Ink, Line


def limit_bar(share: float, cells: int, glyphs: Glyphs, role: str = "spark") -> Line:
    """``[####------]``: how much of a limit is used up; the role turns amber near its end."""
    filled = min(cells, max(0, int(share * cells)))
    ink = Ink("slow" if share > 0.85 and role == "spark" else role)
    return Line().add(glyphs.full * filled, ink).add(glyphs.empty * (cells - filled), EDGE)


def shares_bar(parts: Sequence[tuple[str, int]], total: int, cells: int, glyphs: Glyphs) -> Line:
    """One bar of ``parts`` (role, number) out of ``total``; each part that exists has a cell."""
    line = Line()
    left = cells
    for role, count in parts:
        if count <= 0 or left <= 0:
            continue
        size = min(left, max(1, round(count / max(1, total) * cells)))
        line.add(glyphs.bar[role] * size, Ink("dim" if role == "running" else role))
        left -= size
    return line.add(glyphs.empty * left, EDGE)
