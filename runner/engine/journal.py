"""The one door through which events come to be: numbered, folded, and on their way to the log.

The engine's own decisions read the same state that every viewer folds from the file; there is no
second bookkeeping. Nothing here waits for a disk: lines go to the log's writer thread once a turn
of the loop.
"""

from typing import Final, Protocol

from runner.core import events as ev
from runner.core.state import State, apply
from runner.engine.axis import Axis

_SYNCED: Final = (
    ev.EngineStarted,
    ev.AttemptEnded,
    ev.RowsWritten,
    ev.RunEnded,
    ev.PlanChanged,
)
"""Events after which the log is fsynced at once; the rest is at most a second behind."""


class LogSink(Protocol):
    """Where lines go: `runner.engine.log.EventLog`."""

    def place(self, body: bytes) -> tuple[int, int]:
        """Take a body for the transcript: (offset, length) for the event that points at it."""
        ...

    def append(self, events: bytes, *, sync: bool = False) -> bool:
        """Take whole lines; never blocks."""
        ...


class Journal:
    """Makes events. ``state`` is always the fold of everything emitted so far."""

    def __init__(self, state: State, axis: Axis, sink: LogSink) -> None:
        self.state = state
        self.axis = axis
        self._sink = sink
        self._lines: list[bytes] = []
        self._sync = False

    def emit(self, event: ev.Event, monotonic: float | None = None) -> None:
        """Let ``event`` have happened: now, or at a ``monotonic`` moment that a host reported.

        A host's moment is never put before the last event, so the log's ``at`` does not step back.
        """
        at = self.axis.now() if monotonic is None else self.axis.at(monotonic)
        event.at = max(at, self.state.at)
        event.seq = self.state.seq + 1
        apply(self.state, event)
        self._lines.append(ev.encode(event))
        self._sync = self._sync or isinstance(event, _SYNCED)

    def place(self, body: bytes) -> tuple[int, int]:
        """Put a message body into the transcript; where it will lie: (offset, length).

        It reaches the file before any event emitted from here on. ``body`` holds no line end.
        """
        return self._sink.place(body)

    def flush(self) -> None:
        """Hand this turn's lines to the log, as one write."""
        if self._lines:
            self._sink.append(b"".join(self._lines), sync=self._sync)
            self._lines.clear()
            self._sync = False
