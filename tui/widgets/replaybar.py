"""The last three lines of every screen in a replay; not there in a live run."""

from tui.runview import RunView
from tui.view.line import Line
from tui.view.replaybar import HEIGHT, replay_lines
from tui.widgets.lines import LinesWidget, painter


class ReplayBar(LinesWidget):
    """Shows itself while the view is a replay. Its targets: ``key:...`` and ``seek:<at>``."""

    DEFAULT_CSS = f"ReplayBar {{ height: {HEIGHT}; display: none; }}"

    def __init__(self, view: RunView) -> None:
        super().__init__("replaybar")
        self.view = view

    def redraw(self) -> None:
        """Come and go with the replay, then draw what changed."""
        replayed = self.view.kind == "replay"
        if self.display != replayed:
            self.display = replayed
        if replayed:
            super().redraw()

    def draw(self, width: int, height: int) -> list[Line]:
        """Position, graph, names of marks."""
        return replay_lines(self.view, painter(self).glyphs, width)[:height]
