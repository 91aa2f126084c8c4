"""The kill ladder's policy: which rung an attempt that is being ended stands on, by time alone.

Pure and apart from the hands (`runner.host.watch`), so that each step is tested with numbers. The
times are measured: guarded code obeys rung 1 within 1 ms, pure-Python loops rung 2 at once, what is
blocked in C or catches everything is abandoned.
"""

from collections.abc import Sequence
from enum import StrEnum
from math import inf
from typing import Final, Literal


class Rung(StrEnum):
    """How far the ladder has gone; the values are those of events and rows."""

    ABORT = "abort"
    """The scope is cancelled: guarded I/O, back-off and ctx calls raise; children get SIGTERM."""
    EXCEPTION = "exception"
    """An exception is raised in the thread, again and again, while it is in executor code."""
    SIGNAL = "signal"
    """The same in the main thread, by a signal handler; a blocking system call ends as well."""
    ABANDON = "abandon"
    """The attempt loses its slot; its thread is left to itself and a new one takes over."""
    END = "end"
    """The whole host ends: with one slot there is nobody else in it."""


REPEATED: Final = (Rung.EXCEPTION, Rung.SIGNAL)
REPEAT_S: Final = 0.1
RAISING: Final = (*REPEATED, Rung.ABANDON)
"""From here on a thread that comes into our code by ``print`` is sent away from there. The watch
cannot reach it: whenever it looks, a loop that prints is within the write."""

Steps = Sequence[tuple[float, Rung]]
THREAD: Final[Steps] = ((0.0, Rung.ABORT), (0.5, Rung.EXCEPTION), (1.5, Rung.ABANDON))
PROCESS: Final[Steps] = ((0.0, Rung.ABORT), (0.05, Rung.SIGNAL), (0.5, Rung.END))


def steps_for(isolation: Literal["thread", "process"]) -> Steps:
    """The ladder of an isolation."""
    return THREAD if isolation == "thread" else PROCESS


def next_rung(elapsed_s: float, steps: Steps) -> Rung:
    """The rung that is due ``elapsed_s`` after the attempt was ended."""
    due = steps[0][1]
    for at_s, rung in steps:
        if elapsed_s >= at_s:
            due = rung
    return due


def next_due(elapsed_s: float, steps: Steps) -> float:
    """The next ``elapsed_s`` at which something has to be done; inf after the last rung."""
    following = min((at_s for at_s, _ in steps if at_s > elapsed_s), default=inf)
    if next_rung(elapsed_s, steps) in REPEATED:
        return min(following, elapsed_s + REPEAT_S)
    return following
