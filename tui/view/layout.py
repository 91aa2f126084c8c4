"""Where each worker stands in the fleet, for each shape and size: pure geometry.

The place is the worker's number, always. Apart from the drawing so that a click and an arrow key
are answered by the same numbers that drew the cell.
"""

from dataclasses import dataclass
from typing import Final, Literal

Shape = Literal["cards", "rows", "board", "strip"]

CARD_WIDTH: Final = 39
CARD_HEIGHT: Final = 6
"""Five lines and a blank one; `SHORT_CARD` leaves out the line that says why."""
SHORT_CARD: Final = 5
ROW_WIDTH: Final = 64
WIDE_CELL: Final = 11
"""Ten characters and one for the pointer."""
SMALL_CELL: Final = 7
STRIP_FROM: Final = 300
"""From so many workers on the board becomes a strip unless somebody asks for the board."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A grid: ``columns`` x ``rows`` places of ``cell_width`` x ``cell_height`` cells."""

    shape: Shape
    columns: int
    cell_width: int
    cell_height: int
    count: int
    label: int = 0
    """Cells of the row's label, at the left."""
    group: int = 0
    """A blank cell after each ``group`` columns; 0 for none."""
    down: bool = False
    """Numbers run down the columns (rows), not along the lines."""

    @property
    def rows(self) -> int:
        """Rows of places."""
        return -(-self.count // self.columns) if self.count else 0

    @property
    def height(self) -> int:
        """Lines that the whole fleet takes."""
        return self.rows * self.cell_height

    @property
    def wide(self) -> bool:
        """Whether a board cell has room for the elapsed time."""
        return self.cell_width >= WIDE_CELL

    def index(self, column: int, row: int) -> int | None:
        """The place at this column and row of the grid; None where none is."""
        if not (0 <= column < self.columns and 0 <= row < self.rows):
            return None
        index = column * self.rows + row if self.down else row * self.columns + column
        return index if index < self.count else None

    def where(self, index: int) -> tuple[int, int]:
        """Column and row of a place."""
        if self.down:
            return index // max(1, self.rows), index % max(1, self.rows)
        return index % self.columns, index // self.columns

    def line_of(self, index: int) -> int:
        """The first line of a place, counted from the top of the fleet."""
        return self.where(index)[1] * self.cell_height

    def hit(self, x: int, y: int) -> int | None:
        """The place under cell ``x`` of line ``y``."""
        x -= self.label
        if x < 0:
            return None
        if self.group:
            block = self.group * self.cell_width + 1
            column = x // block * self.group + min(x % block, block - 2) // self.cell_width
        else:
            column = x // self.cell_width
        return self.index(column, y // self.cell_height)

    def step(self, index: int, dx: int, dy: int) -> int:
        """The place that an arrow key leads to; the same one at the edge."""
        column, row = self.where(index)
        found = self.index(column + dx, row + dy)
        if found is None and dx and not self.down:
            found = index + dx if 0 <= index + dx < self.count else None
        return index if found is None else found


def _cards(width: int, count: int, height: int) -> Layout:
    columns = max(1, width // CARD_WIDTH)
    fits = -(-count // columns) * CARD_HEIGHT <= height
    return Layout("cards", columns, width // columns, CARD_HEIGHT if fits else SHORT_CARD, count)


def _rows(width: int, count: int) -> Layout:
    columns = max(1, min(width // ROW_WIDTH, count)) if width >= 2 * ROW_WIDTH else 1
    return Layout("rows", columns, width // columns, 1, count, down=True)


def _board(width: int, count: int, height: int) -> Layout:
    label = max(3, len(str(max(0, count - 1)))) + 2
    for columns, cell in ((10, WIDE_CELL), (20, SMALL_CELL), (10, SMALL_CELL)):
        fits = label + columns * cell <= width
        if fits and (columns == 10 or -(-count // 10) > height):
            return Layout("board", columns, cell, 1, count, label)
    return Layout("board", 5, SMALL_CELL, 1, count, label)


def _strip(width: int, count: int) -> Layout:
    label = max(3, len(str(max(0, count - 1)))) + 2
    for columns in (100, 50, 20, 10):
        if label + columns + columns // 10 <= width:
            return Layout("strip", columns, 1, 1, count, label, group=10)
    return Layout("strip", 10, 1, 1, count, 0, group=10)


def lay_out(shape: Shape, width: int, height: int, count: int) -> Layout:
    """The geometry of one shape for ``count`` workers in ``width`` cells."""
    if shape == "cards":
        return _cards(width, count, height)
    if shape == "rows":
        return _rows(width, count)
    return _board(width, count, height) if shape == "board" else _strip(width, count)


def roomiest(width: int, heights: dict[Shape, int], count: int) -> Shape:
    """The roomiest shape in which all workers fit; ``heights``: lines that each would get."""
    for shape in ("cards", "rows", "board"):
        if shape == "board" and count >= STRIP_FROM:
            break
        height = heights[shape]
        if shape == "rows" and width < ROW_WIDTH:
            continue
        if lay_out(shape, width, height, count).height <= height:
            return shape
    return "strip"
