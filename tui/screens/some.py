"""Lines that the screen around them makes: heads, details, buttons."""

from collections.abc import Callable

from tui.view.line import Line
from tui.widgets.lines import LinesWidget


class Some(LinesWidget):
    """``make(width, height)`` gives the lines."""

    def __init__(self, name: str, make: Callable[[int, int], list[Line]], height: int) -> None:
        super().__init__(name)
        self._make = make
        self.styles.height = height

    def draw(self, width: int, height: int) -> list[Line]:
        """What the screen makes."""
        return self._make(width, height)
