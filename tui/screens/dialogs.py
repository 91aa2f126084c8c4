"""The dialogs: one shape, answered by letters or the mouse; the default changes nothing."""

from collections.abc import Callable

from textual.app import ComposeResult
from textual.binding import Binding
from textual.events import Key
from textual.screen import ModalScreen
from textual.widgets import Input

from tui.text import fitting
from tui.view.dialogs import Answers, answer_lines
from tui.view.line import Line
from tui.widgets.lines import Clicked, LinesWidget

Says = Callable[[int], list[Line]]
"""The lines above the answers, for a width in cells. Called at each frame."""

_WIDEST = 110


class DialogBody(LinesWidget):
    """A frame on its own ground, the words in it, the answers below."""

    def __init__(self, says: Says, answers: Answers) -> None:
        super().__init__("dialog")
        self.says = says
        self.answers = answers

    def lines(self, width: int) -> list[Line]:
        """All lines, unpadded."""
        return [Line(), *self.says(width), Line(), *answer_lines(self.answers, width), Line()]

    def draw(self, width: int, height: int) -> list[Line]:
        """Padded, on the panel's ground."""
        lines = [line.on("panel") for line in self.lines(width)]
        lines += [Line() for _ in range(height - len(lines))]
        return [_panel(line, width) for line in lines[:height]]


def _panel(line: Line, width: int) -> Line:
    """The line on the panel's ground, to its full width."""
    line.fit(width)
    return line.on("panel")


class Ask(ModalScreen[str]):
    """Asks one question. The result is the answer's name, empty for "leave it as it is".

    ``again`` is the answer of those who press q, ctrl+q or ctrl+c in it: in the question whether to
    leave it means yes, in all others it leaves things as they are.
    """

    DEFAULT_CSS = """
    Ask { align: center middle; background: transparent; }
    Ask > DialogBody { width: 100%; max-width: 110; height: 6; background: $pilot-panel; }
    """
    BINDINGS = [Binding("escape,enter,ctrl+c,ctrl+q,q", "leave_it", show=False)]  # noqa: RUF012  # Textual's form

    def __init__(self, says: Says, answers: Answers, again: str = "") -> None:
        super().__init__()
        self.answers = answers
        self.again = again
        self._body = DialogBody(says, answers)

    def compose(self) -> ComposeResult:
        """One widget."""
        yield self._body

    def on_mount(self) -> None:
        """As high as its words."""
        self.redraw()

    def redraw(self) -> None:
        """Say it anew: the facts may have changed."""
        width = min(_WIDEST, self.size.width or 80)
        height = len(self._body.lines(width))
        if self._body.styles.height is None or self._body.styles.height.value != height:
            self._body.styles.height = height
        self._body.redraw()

    def on_key(self, event: Key) -> None:
        """A letter answers."""
        for key, _, answer in self.answers[1:]:
            if event.key == key:
                event.stop()
                self.dismiss(answer)
                return

    def on_clicked(self, event: Clicked) -> None:
        """A button answers."""
        event.stop()
        _, _, name = event.target.partition(":")
        self.dismiss("" if name == self.answers[0][0] else name)

    def action_leave_it(self) -> None:
        """Nothing changes."""
        self.dismiss("")


class Prompt(ModalScreen[str | None]):
    """A line of text at the bottom of the screen: a filter, a number, a time, a command.

    ``changed`` hears each keystroke; esc gives back None, and ``changed`` the text of before.
    """

    DEFAULT_CSS = """
    Prompt { align: left bottom; background: transparent; }
    Prompt > PromptLabel { height: 1; background: $pilot-select; }
    Prompt > Input, Prompt > Input:ansi, Prompt > Input:focus {
        padding: 0 1 !important; background-tint: $foreground 0%;
        background: $pilot-select; color: $pilot-hi;
        & > .input--cursor { background: $pilot-hi; color: $pilot-select; text-style: none; }
    }
    """
    BINDINGS = [Binding("escape,ctrl+c,ctrl+q", "leave_it", show=False)]  # noqa: RUF012  # Textual's form

    def __init__(
        self, title: str, text: str = "", changed: Callable[[str], None] | None = None
    ) -> None:
        super().__init__()
        self._label = PromptLabel(title)
        self._before = text
        self._changed = changed
        self._input = Input(text, select_on_focus=False, compact=True)
        self._input.cursor_blink = False

    def compose(self) -> ComposeResult:
        """What is asked, and the line to type on."""
        yield self._label
        yield self._input

    def on_mount(self) -> None:
        """Typing starts at once."""
        self._input.focus()
        self.redraw()

    def redraw(self) -> None:
        """The question does not change."""
        self._label.redraw()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Each keystroke is heard."""
        if self._changed is not None:
            self._changed(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter is the answer."""
        self.dismiss(event.value)

    def action_leave_it(self) -> None:
        """As it was before."""
        if self._changed is not None:
            self._changed(self._before)
        self.dismiss(None)


class PromptLabel(LinesWidget):
    """What is asked for."""

    def __init__(self, title: str) -> None:
        super().__init__("prompt-label")
        self.title_text = title

    def draw(self, width: int, height: int) -> list[Line]:
        """One line."""
        line = Line().add(" " + fitting(self.title_text.split("   "), width - 2, "   "))
        return [line.fit(width).on("select")][:height]
