"""One module per screen: what it lists, its keys and where they lead.

`SCREENS` is how the app finds them: by the key that opens them. Factories import their module when
they are called, so that the first frame of a run waits for no screen but its own.
"""

from collections.abc import Callable
from typing import Final

from tui.actions import Actions
from tui.runview import RunView
from tui.screens.base import RunViewScreen
from tui.screens.run import RunScreen

Factory = Callable[[RunView, Actions], RunViewScreen]

SCREENS: Final[dict[str, tuple[str, Factory]]] = {
    "1": ("fleet", RunScreen),
}
"""Key -> (name, factory). ``1`` is the run screen itself, which is always at the bottom."""
