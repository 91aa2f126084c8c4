"""The head of the run screen."""

from tui.runview import RunView
from tui.view.header import header_lines, phone_header, phone_totals
from tui.view.line import Line
from tui.widgets.lines import LinesWidget, painter


class Header(LinesWidget):
    """Title, verdict, totals, endpoints. Title and verdict keep their colour when all is old."""

    def __init__(self, view: RunView) -> None:
        super().__init__("header")
        self.view = view
        self.phone = False
        self.tall = True
        self.endpoints = 0

    def draw(self, width: int, height: int) -> list[Line]:
        """As many lines as `tui.view.arrange` gave."""
        if self.phone:
            return phone_header(self.view, width)[:height]
        glyphs = painter(self).glyphs
        lines = header_lines(self.view, glyphs, width, tall=self.tall, endpoints=self.endpoints)[
            :height
        ]
        if self.view.quiet:
            lines[2:] = [line.faded() for line in lines[2:]]
        return lines


class Totals(LinesWidget):
    """The totals of a phone's screen, below the trouble."""

    def __init__(self, view: RunView) -> None:
        super().__init__("totals")
        self.view = view

    def draw(self, width: int, height: int) -> list[Line]:
        """Two lines."""
        lines = phone_totals(self.view, painter(self).glyphs, width)[:height]
        return [line.faded() for line in lines] if self.view.quiet else lines
