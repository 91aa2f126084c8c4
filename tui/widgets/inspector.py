"""The worker under the pointer, and the heading of the fleet that it stands in."""

from tui.runview import RunView
from tui.view.fleet import fleet_head
from tui.view.inspector import inspector_lines
from tui.view.line import Line
from tui.view.look import Look
from tui.widgets.fleet import Fleet
from tui.widgets.lines import LinesWidget


class Inspector(LinesWidget):
    """All that is known of one worker, and its buttons."""

    def __init__(self, view: RunView, look: Look) -> None:
        super().__init__("inspector")
        self.view = view
        self.look = look

    def draw(self, width: int, height: int) -> list[Line]:
        """Five lines, two or one."""
        lines = inspector_lines(self.view, self.look, width, height)
        return [line.faded() for line in lines] if self.view.quiet else lines


class FleetHead(LinesWidget):
    """Heading and heads of columns; these do not scroll."""

    def __init__(self, view: RunView, look: Look, fleet: Fleet) -> None:
        super().__init__("fleet-head")
        self.view = view
        self.look = look
        self.fleet = fleet

    def draw(self, width: int, height: int) -> list[Line]:
        """One line or two."""
        heads = fleet_head(self.view, self.look, self.fleet.grid, self.fleet.window, width)
        lines = heads[:height] + [Line().fit(width) for _ in range(height - len(heads))]
        return [line.faded() for line in lines] if self.view.quiet else lines
