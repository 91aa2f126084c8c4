"""Lists with heads: columns that stand, a pointer, as many rows as there are lines.

Apart because endpoints, results, incidents, errors, limits and runs are all lists. Rows are asked
for one by one, so a list of 100,000 costs what its visible part costs.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

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


_LEAST_CELLS: Final = 8


class Order(NamedTuple):
    """What a list is ordered by: the ``place`` of a column, -1 for as it comes."""

    place: int = -1
    backwards: bool = False
    among: tuple[int, ...] = ()
    """Columns that there is an order by."""

    def by(self, place: int, columns: Sequence[Column]) -> "Order":
        """Ordered by that column; the other way round where it is ordered by it already.

        Numbers, which stand at the right, begin with the largest.
        """
        if place == self.place:
            return self._replace(backwards=not self.backwards)
        return self._replace(place=place, backwards=place >= 0 and columns[place].align == "right")


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
    """(place, width) of the columns that have room; the flexible one takes what is left.

    Where nothing more can be dropped, as on a phone, it gives way down to `_LEAST_CELLS`.
    """
    kept = list(range(len(columns)))
    while len(kept) > 1 and _least(columns, kept) > cells:
        last = max(kept, key=lambda place: (columns[place].drop, place))
        if not columns[last].drop:
            break
        kept.remove(last)
    spare = cells - _least(columns, kept)
    return [
        (place, columns[place].cells or max(_LEAST_CELLS, columns[place].least + spare))
        for place in kept
    ]


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
    order: Order = Order(),  # noqa: B008  # a tuple never changes
) -> list[Line]:
    """The heads and ``lines - 1`` rows from ``top`` on.

    Row N has the target ``row:N``, the head of column N ``sort:N`` if there is an order by it.
    """
    fitted = fit_columns(columns, cells)
    drawn = [_heads(columns, fitted, order, glyphs).fit(cells)]
    for place in range(top, min(len(rows), top + lines - 1)):
        line = _row(columns, fitted, rows.row(place), place, glyphs)
        if place == selected:
            line = line.on("select")
            line.pieces[0] = Piece(glyphs.pointer, HI._replace(bg="select"), f"row:{place}")
        drawn.append(line.fit(cells, Ink("text", "select" if place == selected else "bg")))
    drawn += [Line().fit(cells) for _ in range(lines - len(drawn))]
    return drawn[:lines]


def _heads(
    columns: Sequence[Column], fitted: Sequence[tuple[int, int]], order: Order, glyphs: Glyphs
) -> Line:
    """The heads; the one that the list is ordered by carries an arrow in the gap behind it."""
    line = Line().add(" ")
    for place, size in fitted:
        column = columns[place]
        chosen = place == order.place
        sign = (glyphs.down if order.backwards else glyphs.up) if chosen else ""
        ink = HI if chosen else DIM
        if column.align == "right":
            words = pad(column.head, size, "right", glyphs.more) + (sign or " ")
        else:
            words = pad(f"{column.head}{sign}", size + 1, more=glyphs.more)
        line.add(words, ink, f"sort:{place}" if place in order.among else "")
    return line


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
