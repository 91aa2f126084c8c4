"""No run yet: what feeds the list of runs until one of them is opened."""

import time
from typing import Any

from runner import EngineSeen
from tui.source.base import Source
from tui.source.messages import Answer


class HomeSource(Source):
    """Reads what screens ask for, and has no run of its own; ``run_dir`` is the runs folder."""

    def now(self) -> float:
        """The wall clock: there is no run whose axis would count."""
        return time.time()

    def engine(self) -> EngineSeen:
        """None is missed."""
        return EngineSeen()

    def _begin(self) -> None:
        """Nothing is followed."""

    def _end(self) -> None:
        """Nothing is left to end."""

    def _order(self, request_id: int, op: str, _fields: dict[str, Any], /) -> None:
        self._say(Answer(request_id, f"{op}: open a run first", ok=False))
