"""Help: every key with its sentence, and what the signs mean. Made from `tui.keys`."""

from textual.app import ComposeResult
from textual.binding import Binding
from textual.geometry import Size
from textual.screen import ModalScreen
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.view.help import help_lines
from tui.view.line import Line
from tui.widgets.bars import plain_scrollbar
from tui.widgets.lines import painter, to_strip


class HelpBody(ScrollView, can_focus=True):
    """The page; scrolls where the terminal is small."""

    DEFAULT_CSS = """
    HelpBody {
        background: $pilot-panel; width: 100%; height: 100%; overflow-x: hidden;
        scrollbar-size-vertical: 1; scrollbar-color: $pilot-edge;
        scrollbar-background: $pilot-panel;
    }
    """

    def __init__(self) -> None:
        super().__init__(id="help")
        self._lines: list[Line] = []

    def on_mount(self) -> None:
        """Its scrollbar is made of the characters in use."""
        plain_scrollbar(self)

    def on_resize(self) -> None:
        """Columns by width."""
        width = self.size.width
        self._lines = [
            line.fit(width).on("panel").ends_with(painter(self).glyphs.more)
            for line in help_lines(painter(self).glyphs, width, painter(self).key_table)
        ]
        self.virtual_size = Size(width, len(self._lines))
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """One line in sight."""
        y += self.scroll_offset.y
        if y >= len(self._lines):
            return Strip.blank(self.size.width, self.rich_style)
        return to_strip(self._lines[y], painter(self).palette).adjust_cell_length(self.size.width)


class Help(ModalScreen[None]):
    """Any key that does not scroll closes it."""

    BINDINGS = [Binding("escape,enter,q,question_mark,ctrl+c,ctrl+q", "close", show=False)]  # noqa: RUF012  # Textual's form

    def compose(self) -> ComposeResult:
        """One page."""
        yield HelpBody()

    def redraw(self) -> None:
        """It does not change."""

    def action_close(self) -> None:
        """Back to the screen below."""
        self.dismiss()
