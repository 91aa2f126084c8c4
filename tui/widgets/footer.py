"""The last line of every screen of a run."""

from collections.abc import Sequence

from tui.keys import Place
from tui.runview import RunView
from tui.view.footer import footer_line
from tui.view.line import Line
from tui.widgets.lines import LinesWidget, painter


class Footer(LinesWidget):
    """Keys that count at ``places``, or what an order just did."""

    DEFAULT_CSS = "Footer { dock: bottom; height: 1; }"

    def __init__(self, view: RunView, places: Sequence[Place] = ("all", "fleet")) -> None:
        super().__init__("footer")
        self.view = view
        self.places = places

    def draw(self, width: int, height: int) -> list[Line]:
        """One line."""
        return [footer_line(self.view, width, self.places, painter(self).key_table)][:height]
