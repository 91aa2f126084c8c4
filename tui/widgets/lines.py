"""The one kind of widget that screens are made of: lines of a pure view, drawn where they change.

Textual's own widgets lay out and style text anew for each change; here a frame compares lines and
repaints those that differ, which is what makes 100 workers at 4 Hz cost 3 % of a core (measured).
"""

from collections.abc import Sequence
from typing import Protocol, cast

from rich.segment import Segment
from textual.events import Click, Resize
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from tui.glyphs import Glyphs
from tui.keys import Key
from tui.theme import Palette
from tui.view.line import Line


class Painter(Protocol):
    """What widgets need of the app: the colours and the characters in use."""

    palette: Palette
    glyphs: Glyphs
    key_table: Sequence[Key]
    """The keys, with those of the user's config in place."""

    def wire_lines(self, widget: Widget, lines: Sequence[int]) -> None:
        """Show these lines of ``widget``, which fill it from edge to edge."""
        ...


def painter(widget: Widget) -> Painter:
    """The app as a painter."""
    return cast("Painter", cast("object", widget.app))  # pyright: ignore[reportUnknownMemberType]


class Clicked(Message):
    """Something with a target was clicked; see `Line.target_at`."""

    def __init__(self, target: str, *, again: bool = False) -> None:
        super().__init__()
        self.target = target
        self.again = again
        """Whether it is the second click of a double click."""


class LinesWidget(Widget):
    """Lines that a subclass draws. Cheap to `redraw` when nothing changed."""

    DEFAULT_CSS = "LinesWidget { height: 1; width: 1fr; background: $background; }"

    def __init__(self, name: str | None = None) -> None:
        super().__init__(name=name, id=name)
        self._lines: list[Line] = []
        self._strips: list[Strip | None] = []
        self._palette: Palette | None = None

    def draw(self, width: int, height: int) -> list[Line]:
        """``height`` lines of ``width`` cells."""
        raise NotImplementedError

    def redraw(self) -> None:
        """Draw anew and repaint the lines that changed."""
        width, height = self.size
        if not width or not height:
            return
        more = painter(self).glyphs.more
        lines = [line.ends_with(more) for line in self.draw(width, height)]
        palette = painter(self).palette
        if palette is not self._palette or len(lines) != len(self._lines):
            self._palette = palette
            self._lines = lines
            self._strips = [None] * len(lines)
            self.refresh()
            return
        changed = [y for y, line in enumerate(lines) if line != self._lines[y]]
        for y in changed:
            self._lines[y] = lines[y]
            self._strips[y] = None
        if changed:
            painter(self).wire_lines(self, changed)

    def render_line(self, y: int) -> Strip:
        """One line as Textual wants it."""
        if y >= len(self._lines):
            return Strip.blank(self.size.width, self.rich_style)
        strip = self._strips[y]
        if strip is None:
            strip = self._strips[y] = to_strip(self._lines[y], painter(self).palette)
        return strip.adjust_cell_length(self.size.width)

    def line_at(self, y: int) -> Line | None:
        """The line drawn at ``y``; None below the last."""
        return self._lines[y] if 0 <= y < len(self._lines) else None

    def on_resize(self, _event: Resize) -> None:
        """Another size is another drawing."""
        self._lines = []
        self.redraw()

    def on_click(self, event: Click) -> None:
        """Tell the screen what was clicked."""
        line = self.line_at(event.y)
        target = line.target_at(event.x) if line is not None else ""
        if target:
            event.stop()
            self.post_message(Clicked(target, again=event.chain > 1))


def to_strip(line: Line, palette: Palette) -> Strip:
    """The line in the colours of ``palette``."""
    segments = [Segment(piece.text, palette.style(piece.ink)) for piece in line.pieces]
    return Strip(segments, line.width)
