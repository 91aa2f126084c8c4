"""The palette after ``:``: a line to type on, and above it what that may mean, narrowing."""

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.binding import Binding
from textual.fuzzy import FuzzySearch
from textual.screen import ModalScreen
from textual.widgets import Input

from tui.screens.dialogs import PromptLabel
from tui.view.line import Line
from tui.view.palette import Entry, Found, answer_to, narrowed, palette_lines
from tui.widgets.lines import Clicked, LinesWidget, painter

_MOST_LINES = 14


class PaletteList(LinesWidget):
    """The entries that match, one of them chosen."""

    DEFAULT_CSS = "PaletteList { background: $pilot-panel; }"

    def __init__(self) -> None:
        super().__init__("palette-list")
        self.found: Sequence[Found] = ()
        self.selected = 0

    def draw(self, width: int, height: int) -> list[Line]:
        """As many as there is room for."""
        return palette_lines(self.found, self.selected, painter(self).glyphs, width, height)


class Palette(ModalScreen[str | None]):
    """Asks for a command; the result is what to do as it would be typed, None for nothing."""

    DEFAULT_CSS = """
    Palette { align: left bottom; background: transparent; }
    Palette > PromptLabel { height: 1; background: $pilot-select; }
    Palette > Input, Palette > Input:ansi, Palette > Input:focus {
        padding: 0 1 !important; background-tint: $foreground 0%;
        background: $pilot-select; color: $pilot-hi;
        & > .input--cursor { background: $pilot-hi; color: $pilot-select; text-style: none; }
    }
    """
    BINDINGS = [  # noqa: RUF012  # Textual's form
        Binding("escape,ctrl+c,ctrl+q", "leave_it", show=False),
        Binding("up", "walk(-1)", show=False, priority=True),
        Binding("down", "walk(1)", show=False, priority=True),
        Binding("tab", "complete", show=False, priority=True),
    ]

    def __init__(self, entries: Sequence[Entry]) -> None:
        super().__init__()
        self._entries = entries
        self._search = FuzzySearch()
        self._list = PaletteList()
        self._label = PromptLabel(": type to narrow   up down choose   tab completes   enter does")
        self._input = Input(compact=True)
        self._input.cursor_blink = False

    def compose(self) -> ComposeResult:
        """The list, what to do, the line to type on."""
        yield self._list
        yield self._label
        yield self._input

    def on_mount(self) -> None:
        """Typing starts at once."""
        self._input.focus()
        self._narrow("")

    def on_resize(self) -> None:
        """At most half of the screen."""
        self._list.styles.height = min(_MOST_LINES, max(3, self.size.height // 2))
        self.redraw()

    def redraw(self) -> None:
        """Only typing changes it."""
        self._label.redraw()
        self._list.redraw()

    def _narrow(self, typed: str) -> None:
        self._list.found = narrowed(self._entries, typed.lstrip(":"), self._search.match)
        self._list.selected = 0
        self.redraw()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Each keystroke narrows the list."""
        self._narrow(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter does what is chosen."""
        self.dismiss(answer_to(event.value, self._chosen()))

    def _chosen(self) -> Found | None:
        found, place = self._list.found, self._list.selected
        return found[place] if place < len(found) else None

    def action_walk(self, way: int) -> None:
        """The entry above or below; round at the ends."""
        if self._list.found:
            self._list.selected = (self._list.selected + way) % len(self._list.found)
        self._list.redraw()

    def action_complete(self) -> None:
        """The name of the chosen entry stands on the line, as if it had been typed."""
        chosen = self._chosen()
        if chosen is not None:
            name = chosen.entry.name
            self._input.value = name.removesuffix("N")
            self._input.cursor_position = len(self._input.value)

    def on_clicked(self, event: Clicked) -> None:
        """A click does it."""
        event.stop()
        self.dismiss(answer_to("", self._list.found[int(event.target.partition(":")[2])]))

    def action_leave_it(self) -> None:
        """Nothing is done."""
        self.dismiss(None)
