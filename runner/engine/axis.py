"""The run's time axis: unix seconds that never step.

``at`` is the wall clock when the engine started plus monotonic time since, so an NTP step or a
suspended laptop cannot reorder a run. Apart so that tests hand the engine a clock that jumps.
"""

import time
from collections.abc import Callable
from typing import Final

JUMP_S: Final = 1.0


class Axis:
    """Turns monotonic seconds into ``at``; it starts after ``not_before`` even on a clock set back.

    ``not_before`` is the last ``at`` of the log that is continued.
    """

    def __init__(
        self,
        not_before: float = 0.0,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._monotonic = monotonic
        self._wall = wall
        self._start = monotonic()
        self.wall = wall()
        self._base = max(self.wall, not_before)
        self._drift = self.wall - self._base

    def monotonic(self) -> float:
        """Seconds on the clock that deadlines use."""
        return self._monotonic()

    def now(self) -> float:
        """This moment on the run's axis."""
        return self.at(self._monotonic())

    def at(self, monotonic: float) -> float:
        """The moment ``monotonic`` on the run's axis."""
        return self._base + (monotonic - self._start)

    def jump(self) -> float:
        """By how much the wall clock moved against the axis since last asked; 0 below a second."""
        drift = self._wall() - self.now()
        moved = drift - self._drift
        if abs(moved) < JUMP_S:
            return 0.0
        self._drift = drift
        return moved
