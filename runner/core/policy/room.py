"""How much room the run's disk has left: at rest, and at the rate at which it fills.

Apart from the pauses, which come when a write fails: this warns while there is still time to act.
"""

from typing import Final

from runner.core.state.model import State
from runner.core.text import duration, size

LOW_BYTES: Final = 2_000_000_000
LOW_S: Final = 3600.0
"""An hour: time to notice, to find what to delete, and to be away for lunch."""
MEASURED_S: Final = 60.0
"""A rate over less is noise."""


def full_in_s(state: State) -> float | None:
    """Seconds until the disk is full at the rate of the last minutes; None if it does not fill.

    Whatever fills it counts, ours or not.
    """
    if not state.room:
        return None
    since, before = state.room[0]
    took, used = state.pulse_at - since, before - state.free_bytes
    if took < MEASURED_S or used <= 0:
        return None
    return state.free_bytes * took / used


def low_room(state: State) -> str:
    """Why the room on the disk is low, in words; empty where it is not, or not known."""
    free = state.free_bytes
    if not free:
        return ""
    left = full_in_s(state)
    if left is not None and left < LOW_S:
        return f"the disk is full in {duration(left)} at this rate, {size(free)} are free"
    return f"only {size(free)} are free on the disk" if free < LOW_BYTES else ""
