"""What every screen of a run is: it draws one `RunView` and gives its orders to `Actions`."""

import sys
from collections.abc import Sequence
from typing import Any, Protocol, cast, runtime_checkable

from textual.app import App
from textual.screen import Screen

from tui.actions import Actions
from tui.runview import RunView
from tui.widgets.scroll import ScrollLines


@runtime_checkable
class Redraws(Protocol):
    """A screen that can draw what changed."""

    def redraw(self) -> None:
        """Draw what changed since the last call."""
        ...


def redraw_in_sight(stack: Sequence[Screen[Any]]) -> None:
    """Let the topmost screen of ``stack`` redraw, and those below it that are seen around it."""
    for screen in reversed(stack):
        if screen.is_mounted and isinstance(screen, Redraws):
            screen.redraw()
        if not screen.is_modal:
            break


class Presses(Protocol):
    """What screens need of the app to act as if a key had been pressed."""

    def press_key(self, key_id: str) -> None:
        """Press it."""
        ...


class RunViewScreen(Screen[None]):
    """A screen over a run.

    The app sets ``view.now`` and calls `redraw` on the screens in sight: four times a second, once
    a second when the terminal lost the focus. `redraw` must be cheap when nothing changed
    (`tui.widgets.lines` sees to that).
    """

    def __init__(self, view: RunView, act: Actions) -> None:
        super().__init__()
        self.view = view
        self.act = act

    def redraw(self) -> None:
        """Draw what changed since the last call."""
        raise NotImplementedError

    def press(self, key_id: str) -> None:
        """Do what the key of that id does (see `tui.keys`): for clicks on a key's name."""
        app = cast("object", self.app)  # pyright: ignore[reportUnknownMemberType]
        cast("Presses", app).press_key(key_id)

    async def run_key(self, key_id: str) -> None:
        """`press`, for handlers that wait."""
        self.press(key_id)

    def action_copy_text(self) -> None:
        """Ctrl+C leaves, as q does; text is selected with the terminal's own means (key m)."""
        self.press("leave")

    def copy(self, text: str) -> None:
        """Hand ``text`` to the terminal's clipboard (OSC 52)."""
        cast("App[Any]", self.app).copy_to_clipboard(text)  # pyright: ignore[reportUnknownMemberType]


class PageScreen(RunViewScreen):
    """A screen with one text to scroll."""

    _page: ScrollLines

    def action_scroll(self, lines: int) -> None:
        """An arrow key."""
        self._page.scroll_lines(lines)

    def action_page(self, way: int) -> None:
        """A screenful."""
        self._page.scroll_lines(way * max(1, self._page.size.height - 1))

    def action_edge(self, end: int) -> None:
        """The beginning, or the end, which is followed where the text grows."""
        self._page.show_line(sys.maxsize if end else 0)
