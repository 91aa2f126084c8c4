"""All that went wrong in a run or was put aside, counted by cause: what the errors screen lists.

Apart from incidents, which are episodes in time: here each cause is one line with its number,
however it is spread. Fed by a walk through the log, so it costs a pass over what is new.
"""

from pathlib import Path

from msgspec import Struct, field

from runner.core import events as ev
from runner.core.outcomes import is_scored
from runner.core.text import duration
from runner.past.until import Walk

_EXAMPLES = 5


class Mishap(Struct):
    """One cause. ``what`` and ``text`` are the log's own words and hostile until `one_line`."""

    kind: str
    """``attempt call backoff tool dropped process disk engine log``."""
    what: str
    where: str
    count: int = 0
    first_at: float = 0.0
    last_at: float = 0.0
    text: str = ""
    """What the last one said."""
    attempts: list[str] = field(default_factory=list[str])
    """Attempt ids of the last few, newest last."""


class Mishaps:
    """The causes of one run folder so far. Not thread-safe."""

    def __init__(self, run_dir: Path) -> None:
        self._walk = Walk(run_dir)
        self._found: dict[tuple[str, str, str], Mishap] = {}
        self._where: dict[str, str] = {}
        self._last_at = 0.0

    def refresh(self, until: float | None = None) -> list[Mishap]:
        """All causes up to the moment ``until``, the most frequent first. Raises OSError."""
        for batch in self._walk.to(until):
            if batch.restarted:
                self._found.clear()
                self._where.clear()
                self._last_at = 0.0
            for event in batch.events:
                self._note(event)
                self._last_at = event.at
            if batch.garbled:
                self._count("log", "unreadable lines", "", self._last_at, "", "", batch.garbled)
        return sorted(self._found.values(), key=lambda item: (-item.count, item.kind, item.what))

    def _note(self, event: ev.Event) -> None:
        match event:
            case ev.AttemptStarted():
                self._where[event.attempt_id] = f"{event.model} on {event.endpoint}"
            case ev.AttemptEnded():
                where = self._where.pop(event.attempt_id, event.model)
                if not is_scored(event.outcome):
                    what = f"{event.outcome} {event.cause}"
                    self._count("attempt", what, where, event.at, event.error, event.attempt_id)
            case ev.CallEnded() if event.how != "ok":
                where = self._where.get(event.attempt_id, "")
                self._count("call", event.how, where, event.at, "", event.attempt_id)
            case ev.BackedOff():
                where = self._where.get(event.attempt_id, "")
                what = f"{event.why} {event.status}" if event.status else event.why
                self._count("backoff", what, where, event.at, event.text, event.attempt_id)
            case ev.ToolEnded() if not event.ok:
                self._count("tool", event.tool, "", event.at, event.error, event.attempt_id)
            case ev.LateDropped():
                where = f"process {event.host}"
                number = event.count
                self._count("dropped", event.what, where, event.at, "", event.attempt_id, number)
            case _:
                self._note_rest(event)

    def _note_rest(self, event: ev.Event) -> None:
        match event:
            case ev.HostFroze():
                text = f"silent for {event.silent_s:.1f}s"
                self._count("process", "did not answer", f"process {event.host}", event.at, text)
            case ev.HostExamined():
                # Of the same mishap: it says what the one counted above was.
                holder = f"worker {event.worker} held the GIL at {event.frame}"
                text = "a signal stopped it" if event.stopped else holder
                where = f"process {event.host}"
                self._count("process", "did not answer", where, event.at, text, number=0)
            case ev.HostGone():
                self._count("process", event.why, f"process {event.host}", event.at, event.stack)
            case ev.HostOverloaded():
                self._count("process", event.why, f"process {event.host}", event.at, "")
            case ev.ZygoteGone():
                self._count("process", event.why, "the process that starts processes", event.at, "")
            case ev.RowsFailed():
                text = f"{event.waiting} results waited"
                self._count("disk", event.error, "results", event.at, text)
            case ev.LogFailed():
                lasted = f"for {duration(event.for_s)}" if event.for_s else ""
                self._count("disk", event.error, "log", event.at, lasted)
            case ev.EngineLagged():
                text = f"for {event.gap_s:.1f}s"
                self._count("engine", "held up by the machine", "", event.at, text)
            case ev.ClockJumped():
                self._count("engine", "the clock was set", "", event.at, f"by {event.by_s:+.0f}s")
            case ev.Unknown():
                self._count("log", f"events of a newer version: {event.name}", "", event.at, "")
            case _:
                pass

    def _count(
        self,
        kind: str,
        what: str,
        where: str,
        at: float,
        text: str,
        attempt_id: str = "",
        number: int = 1,
    ) -> None:
        key = (kind, what, where)
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = Mishap(kind, what, where, first_at=at)
        found.count += number
        found.last_at = max(found.last_at, at)
        found.text = text or found.text
        if attempt_id and attempt_id not in found.attempts:
            found.attempts = [*found.attempts[1 - _EXAMPLES :], attempt_id]
