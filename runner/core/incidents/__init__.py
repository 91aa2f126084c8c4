"""What went wrong in a run, as episodes joined over workers and time: a pure reading of the log.

Apart from the state because a screen of the present needs none of it: episodes are made when
somebody asks for the past (`incidents`, the marks of a replay). One pass beside the fold: each
event is observed with the state as it was *before* the event, its ``seq`` and ``at`` aside.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from runner.core import events as ev
from runner.core.incidents.looks import LOOKS
from runner.core.incidents.model import Incident, IncidentKind, incident_words
from runner.core.incidents.notes import Notes, hang
from runner.core.state.fold import fold
from runner.core.state.model import State

STORM: Final = 5
"""This many 429s in one episode are worth a line; fewer are everyday life."""


class Incidents:
    """Collects episodes: fold what is `observed`, then ask `episodes`."""

    def __init__(self) -> None:
        self._notes = Notes()

    def observed(self, events: Iterable[ev.Event], state: State) -> Iterator[ev.Event]:
        """Hand ``events`` to the `fold` into ``state``, taking note of each just before it."""
        notes, looks = self._notes, LOOKS.get
        for event in events:
            if (look := looks(type(event))) is not None:
                look(notes, state, event)
            yield event

    def episodes(self, state: State, now: float) -> list[Incident]:
        """All episodes, oldest first; hangs that go on at ``now``, in ``state``, among them."""
        found = [
            item for item in self._notes.all if item.kind != "rate_limit" or item.count >= STORM
        ]
        if state.status not in ("finished", "stopped"):
            found += self._going_on(state, now)
        return sorted(found, key=lambda item: item.began_at)

    def _going_on(self, state: State, now: float) -> list[Incident]:
        present = Notes()
        for worker in state.workers:
            if worker.busy and present.is_stuck(state, worker, now):
                seen = hang(worker, now)
                seen.open = True
                present.add(seen)
        return present.all


def incidents(events: Iterable[ev.Event]) -> list[Incident]:
    """All episodes of a log, oldest first."""
    state, collector = State(), Incidents()
    fold(collector.observed(events, state), state)
    return collector.episodes(state, state.at)


__all__ = ["STORM", "Incident", "IncidentKind", "Incidents", "incident_words", "incidents"]
