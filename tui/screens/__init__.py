"""One module per screen: what it lists, its keys and where they lead.

`SCREENS` is how the app finds them: by the key that opens them. Factories import their module when
they are called, so that the first frame of a run waits for no screen but its own.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Final

from tui.actions import Actions
from tui.runview import RunView
from tui.screens.base import RunViewScreen
from tui.screens.run import RunScreen

Factory = Callable[[RunView, Actions], RunViewScreen]


def _late(module: str, name: str) -> Factory:
    """A factory that imports its screen when it is first opened."""

    def make(view: RunView, act: Actions) -> RunViewScreen:
        return getattr(import_module(f"tui.screens.{module}"), name)(view, act)

    return make


SCREENS: Final[dict[str, tuple[str, Factory]]] = {
    "0": ("runs", _late("runs", "RunsScreen")),
    "1": ("fleet", RunScreen),
    "2": ("endpoints", _late("endpoints", "EndpointsScreen")),
    "3": ("results", _late("results", "ResultsScreen")),
    "4": ("incidents", _late("incidents", "IncidentsScreen")),
    "5": ("errors", _late("errors", "ErrorsScreen")),
    "6": ("report", _late("report", "ReportScreen")),
    "L": ("limits", _late("limits", "LimitsScreen")),
    "attempt": ("attempt", _late("attempt", "AttemptScreen")),
}
"""Key -> (name, factory). ``1`` is the run screen itself, which is always at the bottom;
``attempt`` shows the one that `RunView.attempt_id` names."""
