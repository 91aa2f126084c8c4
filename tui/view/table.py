"""Lists with heads: columns that stand, a pointer, as many rows as there are lines.

Apart because endpoints, results, incidents, errors, limits and runs are all lists. Rows are asked
for one by one, so a list of 100,000 costs what its visible part costs.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from tui.glyphs import Glyphs
from tui.text import Align, pad
from tui.view.line import DIM, HI, TEXT, Ink, Line, Piece

Cell = tuple[str, Ink]
"""What stands in a column; already harmless (`tui.text.plain`)."""


class Column(NamedTuple):
    """``cells`` wide, or at least ``least`` and all that is left where ``cells`` is 0.

    Where there is no room for all, the column with the highest ``drop`` goes first.
    """

    head: str
    cells: int
    align: Align = "left"
    drop: int = 0
    least: int = 12


class Rows(Protocol):
    """The rows of a list."""

    def __len__(self) -> int: ...

    def row(self, place: int) -> Sequence[Cell]:
        """A cell for each column."""
        ...


class ListOf:
    """Rows that are there already."""

    def __init__(self, rows: Sequence[Sequence[Cell]]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def row(self, place: int) -> Sequence[Cell]:
        """A cell for each column."""
        return self._rows[place]


def cell(text: str, ink: Ink = TEXT) -> Cell:
    """A cell."""
    return (text, ink)


def fit_columns(columns: Sequence[Column], cells: int) -> list[tuple[int, int]]:
    """(place, width) of the columns that have room; the flexible one takes what is left."""
    kept = list(range(len(columns)))
    while len(kept) > 1 and _least(columns, kept) > cells:
        last = max(kept, key=lambda place: (columns[place].drop, place))
        if not columns[last].drop:
            break
        kept.remove(last)
    spare = cells - _least(columns, kept)
    return [(place, columns[place].cells or columns[place].least + max(0, spare)) for place in kept]


def _least(columns: Sequence[Column], kept: Sequence[int]) -> int:
    return sum((columns[place].cells or columns[place].least) + 1 for place in kept) + 1


def first_row(top: int, selected: int, count: int, lines: int) -> int:
    """The first row to show, so that the pointer is seen and no line is wasted."""
    top = min(top, max(0, count - lines))
    if selected < top:
        return max(0, selected)
    return max(top, selected - lines + 1) if lines > 0 else top


def table_lines(
    columns: Sequence[Column],
    rows: Rows,
    *,
    top: int,
    selected: int,
    cells: int,
    lines: int,
    glyphs: Glyphs,
) -> list[Line]:
    """The heads and ``lines - 1`` rows from ``top`` on. Row N has the target ``row:N``."""
    fitted = fit_columns(columns, cells)
    head = Line().add(" ")
    for place, size in fitted:
        head.add(pad(columns[place].head, size, columns[place].align, glyphs.more) + " ", DIM)
    drawn = [head.fit(cells)]
    for place in range(top, min(len(rows), top + lines - 1)):
        line = _row(columns, fitted, rows.row(place), place, glyphs)
        if place == selected:
            line = line.on("select")
            line.pieces[0] = Piece(glyphs.pointer, HI._replace(bg="select"), f"row:{place}")
        drawn.append(line.fit(cells, Ink("text", "select" if place == selected else "bg")))
    drawn += [Line().fit(cells) for _ in range(lines - len(drawn))]
    return drawn[:lines]


def _row(
    columns: Sequence[Column],
    fitted: Sequence[tuple[int, int]],
    found: Sequence[Cell],
    place: int,
    glyphs: Glyphs,
) -> Line:
    target = f"row:{place}"
    line = Line().add(" ", HI, target)
    for column, size in fitted:
        text, ink = found[column]
        line.add(pad(text, size, columns[column].align, glyphs.more) + " ", ink, target)
    return line
