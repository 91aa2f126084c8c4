"""A run's past: the state at any moment, what happened around it, what went wrong when.

Apart from the tail, which knows only what is new. One pass over the log folds it and keeps a
snapshot every megabyte or so, so any moment is a snapshot and a short fold away. The answers are
those of the fold itself: the state at T is the fold of all events up to T.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from runner.core import events as ev
from runner.core.incidents import Incident, IncidentKind, Incidents, incident_words
from runner.core.state import State, fold
from runner.core.state.snapshot import decode_state, encode_state
from runner.engine.log import LogReader
from runner.past.rest import Rest
from runner.past.tail import events_of
from runner.runs import LOG

SNAPSHOT_EVENTS: Final = 10_000
SNAPSHOT_BYTES: Final = 1_400_000
"""A snapshot after so many events, or so many bytes of log where events are long."""
SNAPSHOTS_BYTES: Final = 64_000_000
"""Above this every second snapshot goes and the distance doubles: memory stays bounded."""


class Mark(Struct, frozen=True):
    """A moment worth jumping to: an incident's beginning. ``text`` is for a person, one line."""

    at: float
    kind: IncidentKind
    text: str


class _Snapshot(Struct, frozen=True):
    """The state before the line at ``offset``; ``at`` is that of the last event in it."""

    at: float
    offset: int
    data: bytes


class Cursor:
    """Walks through the log from a moment on: events in order, a few at a time. Not thread-safe."""

    def __init__(self, reader: LogReader, state: State, rest: Sequence[ev.Event] = ()) -> None:
        """``rest`` are events that follow the last line of the file."""
        self._state = state
        self._reader = reader
        self._rest = list(rest)
        self._ready: list[ev.Event] = []
        self._next = 0

    def peek(self) -> ev.Event | None:
        """The next event; None at the end of the log as it is now."""
        while self._next >= len(self._ready):
            chunk = self._reader.poll()
            self._next = 0
            if chunk is not None and not chunk.restarted:
                self._ready, _ = ev.decode_lines(chunk.data)
            else:
                self._ready, self._rest = self._rest, []
                if not self._ready:
                    return None
        return self._ready[self._next]

    def take(self, until: float, most: int) -> list[ev.Event]:
        """The next events up to the moment ``until``, at most ``most`` of them."""
        taken: list[ev.Event] = []
        while len(taken) < most and (event := self.peek()) is not None and event.at <= until:
            taken.append(event)
            self._next += 1
        return taken

    def skip_to(self, until: float) -> None:
        """Fold all events up to ``until`` into the state."""
        state = self._state
        while self.peek() is not None:
            ready, start = self._ready, self._next
            stop = bisect_right(ready, until, start, key=_at)
            fold(ready[start:stop], state)
            self._next = stop
            if stop < len(ready):
                return

    def hand_over(self) -> State:
        """The state before the next event; the caller owns it, the walk goes on without one."""
        state, self._state = self._state, State()
        return state

    def close(self) -> None:
        """Close the file."""
        self._reader.close()


class History:
    """The past of one run folder; `refresh` takes in what was written since. Not thread-safe.

    ``at`` never steps back in a log (the engine sees to it), so moments and positions agree.
    """

    def __init__(
        self,
        run_dir: Path,
        *,
        snapshot_events: int = SNAPSHOT_EVENTS,
        snapshot_bytes: int = SNAPSHOT_BYTES,
    ) -> None:
        self.run_dir = run_dir
        self._every_events = snapshot_events
        self._every_bytes = snapshot_bytes
        self._reader = LogReader(run_dir / LOG)
        self._elsewhere = Rest(run_dir)
        self._clear()

    def _clear(self) -> None:
        self._state = State()
        self._incidents = Incidents()
        self._seconds: Counter[int] = Counter()
        self._snapshots = [_Snapshot(float("-inf"), 0, encode_state(self._state))]
        self._since_events = self._since_bytes = 0
        self._last: ev.Event | None = None
        self._rest: list[ev.Event] = []
        self.events = 0
        """How many events were read."""
        self.garbled = 0
        """Lines of the log that are no events."""

    # -- reading

    def step(self) -> bool:
        """Take in the next chunk, a millisecond's work; False if nothing is new. Raises OSError."""
        chunk = self._reader.poll()
        if chunk is None:
            return self._step_beyond()
        if chunk.restarted or self._rest:
            self._clear()
            self._reader.offset = 0
            chunk = self._reader.poll() or chunk
        found, garbled = ev.decode_lines(chunk.data)
        self.garbled += garbled
        self._fold(found)
        self._since_events += len(found)
        self._since_bytes += len(chunk.data)
        if self._since_events >= self._every_events or self._since_bytes >= self._every_bytes:
            self._keep_snapshot()
        return True

    def _step_beyond(self) -> bool:
        """Take in what lies elsewhere because the log's disk took no more; False if nothing."""
        if self._rest:
            return False
        self._rest = self._elsewhere.after(self._last)
        self._fold(self._rest)
        return bool(self._rest)

    def refresh(self) -> "History":
        """Take in all that was written since; returns itself. Raises OSError."""
        while self.step():
            pass
        return self

    def close(self) -> None:
        """Close the file."""
        self._reader.close()

    def _fold(self, found: list[ev.Event]) -> None:
        fold(self._incidents.observed(found, self._state), self._state)
        self._seconds.update([int(event.at) for event in found if type(event) is not ev.Pulse])
        self.events += len(found)
        self._last = found[-1] if found else self._last

    def _keep_snapshot(self) -> None:
        data = encode_state(self._state)
        self._snapshots.append(_Snapshot(self._state.at, self._reader.offset, data))
        self._since_events = self._since_bytes = 0
        if sum(len(item.data) for item in self._snapshots) > SNAPSHOTS_BYTES:
            del self._snapshots[1::2]
            self._every_events *= 2
            self._every_bytes *= 2

    @property
    def read_share(self) -> float:
        """How much of the log was read, 0 to 1."""
        return self._reader.read_share

    # -- moments

    @property
    def first_at(self) -> float:
        """When the run began; 0 for an empty log."""
        return self._state.first_at

    @property
    def last_at(self) -> float:
        """The last event's moment."""
        return self._state.at

    def seek(self, at: float) -> Cursor:
        """A walk that begins right after the last event of ``at`` or before. Raises OSError."""
        found = bisect_right(self._snapshots, at, key=lambda item: item.at) - 1
        # A snapshot's last moment may go on after it, which `skip_to` takes in.
        snapshot = self._snapshots[max(0, found)]
        reader = LogReader(self.run_dir / LOG, snapshot.offset)
        cursor = Cursor(reader, decode_state(snapshot.data), self._rest)
        cursor.skip_to(at)
        return cursor

    def state_at(self, at: float) -> State:
        """The fold of all events up to the moment ``at``. Raises OSError."""
        cursor = self.seek(at)
        cursor.close()
        return cursor.hand_over()

    def events_between(self, after: float, until: float, most: int = 100_000) -> list[ev.Event]:
        """Events later than ``after``, up to ``until``, at most ``most``. Raises OSError."""
        cursor = self.seek(after)
        try:
            return cursor.take(until, most)
        finally:
            cursor.close()

    def events_of(self, attempt_id: str) -> list[ev.Event]:
        """All events of one attempt. Raises OSError."""
        return events_of(self.run_dir, attempt_id)

    def moment_after(self, at: float) -> float | None:
        """The next moment at which something other than a pulse happened. Raises OSError."""
        cursor = self.seek(at)
        try:
            while (event := cursor.peek()) is not None:
                if type(event) is not ev.Pulse:
                    return event.at
                cursor.take(event.at, 1)
            return None
        finally:
            cursor.close()

    def moment_before(self, at: float) -> float | None:
        """The last moment before ``at`` at which something other than a pulse happened."""
        for snapshot in reversed(self._snapshots):
            if snapshot.at >= at:
                continue
            cursor = Cursor(LogReader(self.run_dir / LOG, snapshot.offset), State(), self._rest)
            found: float | None = None
            while (event := cursor.peek()) is not None and event.at < at:
                if type(event) is not ev.Pulse:
                    found = event.at
                cursor.take(event.at, 1)
            cursor.close()
            if found is not None:
                return found
        return None

    # -- what it was like

    def incidents(self) -> list[Incident]:
        """All episodes of trouble, oldest first; hangs that go on at the end of the log too."""
        return self._incidents.episodes(self._state, self._state.at)

    def marks(self) -> list[Mark]:
        """Where to jump: the beginning of each episode, oldest first."""
        return [Mark(item.began_at, item.kind, incident_words(item)) for item in self.incidents()]

    def density(self, buckets: int) -> list[int]:
        """How much happened (pulses aside) in each of ``buckets`` equal stretches of the run."""
        counts = [0] * buckets
        first = self.first_at
        span = max(1.0, self.last_at - first)
        for second, number in self._seconds.items():
            place = int((second - int(first)) / span * buckets)
            counts[min(buckets - 1, max(0, place))] += number
        return counts


def incidents_of(run_dir: Path) -> list[Incident]:
    """All episodes of trouble in a run folder, oldest first. Raises OSError."""
    history = History(run_dir).refresh()
    history.close()
    return history.incidents()


def _at(event: ev.Event) -> float:
    return event.at
