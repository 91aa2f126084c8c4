"""How the lines of the run screen are shared out, from a phone (40x12) to a wall (200x60).

The shares depend on the terminal and the plan only, never on how many workers are in trouble just
now: nothing on this screen moves when something goes wrong.
"""

from dataclasses import dataclass
from typing import Final

from tui.view.layout import Shape, roomiest
from tui.view.look import Mode

TALL: Final = 30
WIDE: Final = 110
NARROW: Final = 80
SHORT: Final = 20


@dataclass(frozen=True, slots=True)
class Sections:
    """Lines of each section from top to bottom; 0 where a section is left out."""

    phone: bool
    tall: bool
    header: int
    endpoints: int
    """Lines of endpoints among those of the header."""
    trouble: int
    """With its heading."""
    totals: int
    fleet_head: int
    fleet: int
    inspector: int
    shape: Shape
    footer: int = 1


def arrange(width: int, height: int, workers: int, endpoints: int, mode: Mode) -> Sections:
    """The sections for this terminal; ``endpoints`` is how many lines they would like."""
    if width < NARROW or height < SHORT:
        return _phone(height, workers, mode)
    tall = height >= TALL
    shown = min(max(1, endpoints), max(2, (height - 28) // 2)) if tall else 0
    header = 5 + shown if tall else 4
    heights: dict[Shape, int] = {
        shape: height - header - 1 - _trouble(tall, workers, shape) - _inspector(tall, shape)
        - _head(shape)
        for shape in ("cards", "rows", "board", "strip")
    }  # fmt: skip
    shape = roomiest(width, heights, workers) if mode == "auto" else mode
    return Sections(
        phone=False,
        tall=tall,
        header=header,
        endpoints=shown,
        trouble=_trouble(tall, workers, shape),
        totals=0,
        fleet_head=_head(shape),
        fleet=max(0, heights[shape]),
        inspector=_inspector(tall, shape),
        shape=shape,
    )


def _trouble(tall: bool, workers: int, shape: Shape) -> int:
    """Heading and rows: at most 4 on a small screen and beside cards, 8 on a tall one.

    Two beside rows on a small screen: rows say why themselves, and 12 of them fit 80x24 this way.
    """
    most = 8 if tall and shape != "cards" else 2 if shape == "rows" else 4
    return 1 + min(most, max(1, workers))


def _inspector(tall: bool, shape: Shape) -> int:
    """Cards say it all themselves."""
    if shape == "cards":
        return 0
    return 5 if tall else 2


def _head(shape: Shape) -> int:
    """The heading, and the heads of columns where there are columns."""
    return 2 if shape in ("rows", "board") else 1


def _phone(height: int, workers: int, mode: Mode) -> Sections:
    """One column: verdict, trouble, totals, three buttons; the fleet only if lines are left."""
    header, totals, footer, buttons = 4, 2, 1, 1
    left = height - header - totals - footer - buttons
    trouble = max(0, min(left, 1 + min(8, max(1, workers))))
    left -= trouble
    head = 1 if left >= 3 else 0
    shape: Shape = "strip" if mode == "auto" else mode
    return Sections(
        phone=True,
        tall=False,
        header=header,
        endpoints=0,
        trouble=trouble,
        totals=totals,
        fleet_head=head,
        fleet=max(0, left - head) if head else 0,
        inspector=buttons,
        shape=shape,
        footer=footer,
    )
