"""What every screen of a run is: it draws one `RunView` and gives its orders to `Actions`."""

from typing import Any, cast

from textual.app import App
from textual.screen import Screen

from tui.actions import Actions
from tui.runview import RunView


class RunViewScreen(Screen[None]):
    """A screen over a run.

    The app sets ``view.now`` and calls `redraw` on the screens in sight: four times a second, once a
    second when the terminal lost the focus. `redraw` must be cheap when nothing changed
    (`tui.widgets.lines` sees to that).
    """

    def __init__(self, view: RunView, act: Actions) -> None:
        super().__init__()
        self.view = view
        self.act = act

    def redraw(self) -> None:
        """Draw what changed since the last call."""
        raise NotImplementedError

    async def run_key(self, key_id: str) -> None:
        """Do what the key of that id does (see `tui.keys`): for clicks on a key's name."""
        app = cast("App[Any]", self.app)  # pyright: ignore[reportUnknownMemberType]
        for node in (self, app):
            if callable(getattr(node, f"action_{key_id}", None)):
                await app.run_action(key_id, node)
                return

    def action_copy_text(self) -> None:
        """Ctrl+C leaves, as q does; text is selected with the terminal's own means (key m)."""
        cast("App[Any]", self.app).simulate_key("q")  # pyright: ignore[reportUnknownMemberType]

    def copy(self, text: str) -> None:
        """Hand ``text`` to the terminal's clipboard (OSC 52)."""
        cast("App[Any]", self.app).copy_to_clipboard(text)  # pyright: ignore[reportUnknownMemberType]
