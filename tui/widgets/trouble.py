"""The list of workers that do not get on."""

from tui.runview import RunView
from tui.view.line import Line
from tui.view.look import Look, in_trouble
from tui.view.trouble import trouble_lines
from tui.widgets.lines import LinesWidget


class TroubleList(LinesWidget):
    """Worst first; a click moves the pointer to that worker."""

    def __init__(self, view: RunView, look: Look) -> None:
        super().__init__("trouble")
        self.view = view
        self.look = look

    def draw(self, width: int, height: int) -> list[Line]:
        """A heading and rows."""
        found = in_trouble(self.view)
        lines = trouble_lines(self.view, self.look, found, width, height)
        return [line.faded() for line in lines] if self.view.quiet else lines
