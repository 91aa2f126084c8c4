"""The fleet: one widget for 1 to 4,096 workers, whatever the shape."""

from textual.events import Click, Resize
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.runview import RunView
from tui.theme import Palette
from tui.view.fleet import fleet_layout, fleet_lines, places
from tui.view.layout import Layout, Shape
from tui.view.line import Line
from tui.view.look import Look
from tui.widgets.bars import plain_scrollbar
from tui.widgets.lines import Clicked, painter, to_strip


class Fleet(ScrollView, can_focus=False):
    """Draws the lines in sight and nothing else."""

    DEFAULT_CSS = """
    Fleet {
        height: 1fr;
        width: 1fr;
        background: $background;
        overflow-x: hidden;
        overflow-y: auto;
        scrollbar-size-vertical: 1;
        scrollbar-color: $pilot-edge;
        scrollbar-color-hover: $pilot-dim;
        scrollbar-color-active: $pilot-dim;
        scrollbar-background: $background;
        scrollbar-background-hover: $background;
        scrollbar-background-active: $background;
    }
    """

    def __init__(self, view: RunView, look: Look) -> None:
        super().__init__(id="fleet")
        self.view = view
        self.look = look
        self.shape: Shape = "board"
        self.at: list[int] = []
        self._layout = fleet_layout("board", 80, 1, 0)
        self._lines: list[Line] = []
        self._strips: list[Strip | None] = []
        self._first = -1
        self._palette: Palette | None = None
        self.fade = False

    def on_mount(self) -> None:
        """Its scrollbar is made of the characters in use."""
        plain_scrollbar(self)

    @property
    def grid(self) -> Layout:
        """The geometry in use."""
        return self._layout

    @property
    def window(self) -> tuple[int, int]:
        """Lines in sight: (first, past the last)."""
        first = self.scroll_offset.y
        return first, min(self._layout.height, first + self.size.height)

    def redraw(self) -> None:
        """Draw the lines in sight anew and repaint those that changed."""
        width, height = self.size
        if not width or not height:
            return
        self.at = places(self.view, self.look, self.shape)
        self._layout = fleet_layout(self.shape, width, height, len(self.at))
        size = Size(width, self._layout.height)
        if size != self.virtual_size:
            self.virtual_size = size
        first = self.scroll_offset.y
        lines = fleet_lines(self.view, self.look, self._layout, self.at, first, height, width)
        if self.fade:
            lines = [line.faded() for line in lines]
        self._show(lines, first)

    def _show(self, lines: list[Line], first: int) -> None:
        palette = painter(self).palette
        same = palette is self._palette and first == self._first and len(lines) == len(self._lines)
        changed = [y for y, line in enumerate(lines) if not same or line != self._lines[y]]
        self._palette, self._first = palette, first
        if not same:
            self._lines, self._strips = lines, [None] * len(lines)
            self.refresh()
            return
        for y in changed:
            self._lines[y] = lines[y]
            self._strips[y] = None
        if changed:
            painter(self).wire_lines(self, changed)

    def render_line(self, y: int) -> Strip:
        """One line in sight."""
        width = self.size.width
        if self.scroll_offset.y != self._first:
            self.call_later(self.redraw)
        if y >= len(self._lines):
            return Strip.blank(width, self.rich_style)
        strip = self._strips[y]
        if strip is None:
            strip = self._strips[y] = to_strip(self._lines[y], painter(self).palette)
        if strip.cell_length != width:
            strip = strip.adjust_cell_length(width, self.rich_style)
        return strip

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Scrolled: other lines are in sight."""
        super().watch_scroll_y(old_value, new_value)
        self.redraw()

    def on_resize(self, _event: Resize) -> None:
        """Another size is another layout."""
        self._first = -1
        self.redraw()

    def worker_at(self, x: int, y: int) -> int | None:
        """The worker drawn at this cell of the widget; None where there is none."""
        index = self._layout.hit(x, y + self.scroll_offset.y)
        return None if index is None or index >= len(self.at) else self.at[index]

    def on_click(self, event: Click) -> None:
        """A button of a card, or the worker itself."""
        line = self._lines[event.y] if event.y < len(self._lines) else None
        target = line.target_at(event.x) if line is not None else ""
        worker = self.worker_at(event.x, event.y)
        if worker is not None:
            self.post_message(Clicked(f"worker:{worker}", again=event.chain > 1 and not target))
        if target:
            self.post_message(Clicked(target))
        event.stop()

    def reveal(self, worker: int) -> None:
        """Scroll as little as brings the worker into sight."""
        if worker not in self.at:
            return
        top = self._layout.line_of(self.at.index(worker))
        bottom = top + self._layout.cell_height
        first, height = self.scroll_offset.y, self.size.height
        if top < first:
            self.scroll_to(y=top, animate=False)
        elif bottom > first + height:
            self.scroll_to(y=bottom - height, animate=False)

    def walk(self, dx: int, dy: int) -> int:
        """The worker that an arrow key leads to from the selected one."""
        selected = self.look.selected
        if selected not in self.at:
            return self.at[0] if self.at else selected
        return self.at[self._layout.step(self.at.index(selected), dx, dy)]
