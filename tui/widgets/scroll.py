"""Many lines of which some are seen: transcripts, events. Follows the end until it is moved."""

from collections.abc import Callable, Sequence

from textual.events import MouseScrollDown, MouseScrollUp

from tui.view.line import Line
from tui.widgets.lines import LinesWidget

WHEEL_LINES = 3


class ScrollLines(LinesWidget):
    """Shows what ``make(width)`` gives, from `top` on. Cheap when ``make`` keeps its lines."""

    DEFAULT_CSS = "ScrollLines { height: 1fr; }"

    def __init__(self, name: str, make: Callable[[int], Sequence[Line]]) -> None:
        super().__init__(name)
        self._make = make
        self.top = 0
        self.following = True

    def draw(self, width: int, height: int) -> list[Line]:
        """The lines in sight."""
        lines = self._make(width)
        last = max(0, len(lines) - height)
        self.top = last if self.following else min(self.top, last)
        shown = list(lines[self.top : self.top + height])
        return shown + [Line().fit(width) for _ in range(height - len(shown))]

    def scroll_lines(self, by: int) -> None:
        """Up (negative) or down; at the end it follows again."""
        self.show_line(self.top + by)

    def show_line(self, top: int) -> None:
        """Let that line be the first in sight, as far as there are lines."""
        last = max(0, len(self._make(self.size.width)) - self.size.height)
        self.top = min(max(0, top), last)
        self.following = self.top >= last
        self.redraw()

    def on_mouse_scroll_down(self, _event: MouseScrollDown) -> None:
        """The wheel."""
        self.scroll_lines(WHEEL_LINES)

    def on_mouse_scroll_up(self, _event: MouseScrollUp) -> None:
        """And back."""
        self.scroll_lines(-WHEEL_LINES)
