"""A run's log up to a moment that may move on or back: what the lists of a replay are made of.

Apart from `runner.past.history`, which keeps an index for whole states: lists need the events
themselves. Going on costs what is new, going back costs the log from its beginning.
"""

from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from runner.core import events as ev
from runner.core.incidents import Incident, Incidents
from runner.core.state import State, fold
from runner.past.tail import Batch, Tail

_NEVER: Final = float("-inf")


class Walk:
    """Hands out the events of a log once each, up to the moment asked for. Not thread-safe.

    ``at`` never steps back in a log (the engine sees to it), so a moment is a place in it.
    """

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir
        self._begin()

    def _begin(self) -> None:
        self._tail = Tail(self._run_dir)
        self._ready: list[ev.Event] = []
        self._next = 0
        self._reached = _NEVER

    def to(self, until: float | None = None) -> Iterator[Batch]:
        """The events from the last moment asked for up to ``until``, to the end without one.

        After a step back, and where the log began anew, the first batch has ``restarted`` set and
        the first event in it is the log's first. Raises OSError.
        """
        moment = float("inf") if until is None else until
        if moment < self._reached:
            self.close()
            self._begin()
            yield Batch([], restarted=True)
        self._reached = moment
        while True:
            if self._next < len(self._ready):
                start, self._next = self._next, self._past(moment)
                if start < self._next:
                    yield Batch(self._ready[start : self._next])
                if self._next < len(self._ready):
                    return
            batch = self._tail.poll()
            if batch is None:
                return
            self._ready, self._next = batch.events, 0
            if batch.restarted or batch.garbled:
                yield Batch([], batch.restarted, batch.garbled)

    def _past(self, moment: float) -> int:
        """The place of the first event in hand that is later than ``moment``."""
        return bisect_right(self._ready, moment, self._next, key=lambda event: event.at)

    def close(self) -> None:
        """Close the file."""
        self._tail.close()


class IncidentsUntil:
    """The episodes of trouble as they were known at a moment. Not thread-safe."""

    def __init__(self, run_dir: Path) -> None:
        self._walk = Walk(run_dir)
        self._clear()

    def _clear(self) -> None:
        self._state = State()
        self._incidents = Incidents()

    def at(self, until: float | None = None) -> list[Incident]:
        """All episodes that had begun by ``until``, all so far without one. Raises OSError."""
        for batch in self._walk.to(until):
            if batch.restarted:
                self._clear()
            fold(self._incidents.observed(batch.events, self._state), self._state)
        return self._incidents.episodes(self._state, self._state.at if until is None else until)
