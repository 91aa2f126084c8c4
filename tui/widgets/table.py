"""A list with heads, a pointer and a wheel: the middle of every screen that lists something."""

from collections.abc import Sequence

from textual.events import MouseScrollDown, MouseScrollUp
from textual.message import Message

from tui.glyphs import Glyphs
from tui.view.line import Line
from tui.view.table import Column, ListOf, Order, Rows, first_row, table_lines
from tui.widgets.lines import LinesWidget, painter

WHEEL_ROWS = 3


class TableView(LinesWidget):
    """Shows `rows`; `selected` is the row under the pointer, -1 in an empty list."""

    DEFAULT_CSS = "TableView { height: 1fr; }"

    class Moved(Message):
        """The pointer went to another row."""

    def __init__(self, columns: Sequence[Column], order: Order) -> None:
        super().__init__("table")
        self.columns = columns
        self.order = order
        self.rows: Rows = ListOf(())
        self.selected = -1
        self.top = 0

    def show(self, rows: Rows) -> None:
        """Put other rows in the place of these; the pointer stays where it is, if it can."""
        self.rows = rows
        self.selected = min(max(0, self.selected), len(rows) - 1)

    def move_to(self, place: int) -> None:
        """The pointer goes to that row, or as near as there is one."""
        before, self.selected = self.selected, min(max(0, place), len(self.rows) - 1)
        if before != self.selected:
            self.post_message(self.Moved())
        self.redraw()

    def page(self) -> int:
        """Rows on one screen."""
        return max(1, self.size.height - 2)

    def draw(self, width: int, height: int) -> list[Line]:
        """Heads and rows around the pointer."""
        glyphs: Glyphs = painter(self).glyphs
        self.top = first_row(self.top, max(0, self.selected), len(self.rows), height - 1)
        return table_lines(
            self.columns,
            self.rows,
            top=self.top,
            selected=self.selected,
            cells=width,
            lines=height,
            glyphs=glyphs,
            order=self.order,
        )

    def on_mouse_scroll_down(self, _event: MouseScrollDown) -> None:
        """The wheel moves the pointer, so that it never leaves the screen."""
        self.move_to(self.selected + WHEEL_ROWS)

    def on_mouse_scroll_up(self, _event: MouseScrollUp) -> None:
        """And back."""
        self.move_to(self.selected - WHEEL_ROWS)
