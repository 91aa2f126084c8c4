"""Looks for the end of a log that lies elsewhere, as the engine of a full disk leaves it.

Apart because every reader of a log that is at its end asks for it, and none of them 20 times a
second.
"""

import time
from pathlib import Path
from typing import Final

from runner.core import events as ev
from runner.engine.elsewhere import rest_of
from runner.runs import engine_alive

LOOK_S: Final = 1.0


class Rest:
    """Asks once a second at most, and only where no engine lives. Not thread-safe."""

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir
        self._look_at = 0.0

    def after(self, last: ev.Event | None) -> list[ev.Event]:
        """The events after ``last``, the last one of the file; as a rule none. Raises OSError."""
        now = time.monotonic()
        if now < self._look_at:
            return []
        self._look_at = now + LOOK_S
        return [] if engine_alive(self._run_dir) else rest_of(self._run_dir, last)
