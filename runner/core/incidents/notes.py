"""Observations of trouble, joined to episodes.

Apart from the looks because joining knows nothing of events: kind, place and time decide.
"""

from typing import Final

from msgspec import Struct

from runner.core.health import watch_of
from runner.core.incidents.model import Incident, IncidentKind
from runner.core.plan import Plan
from runner.core.state.model import State, WorkerState

JOIN_S: Final = 60.0
"""Observations of one kind and place less than this apart are one episode."""


class Seen(Struct, kw_only=True):
    """One observation, before it is joined."""

    kind: IncidentKind
    began_at: float
    ended_at: float
    where: str = ""
    what: str = ""
    worker: int = -1
    by_limit: bool = False
    by_hand: bool = False
    recovered: bool = False
    ran_again: bool = False
    open: bool = False
    text: str = ""


_CALL_PHASES: Final = ("connect", "wait", "stream", "backoff")


class Notes:
    """The episodes so far. Observations come in the order in which they ended."""

    def __init__(self) -> None:
        self.all: list[Incident] = []
        self.cut_off: dict[str, Seen] = {}
        """Calls that were ended while they hung, by attempt: what follows tells how it ended."""
        self._latest: dict[tuple[str, str, str], Incident] = {}
        self._plan: Plan | None = None
        self._stuck_after: dict[str, float] = {}

    def is_stuck(self, state: State, worker: WorkerState, at: float) -> bool:
        """Whether the worker made no progress for its model's ``stuck_after`` up to ``at``.

        A back-off that was ordered does not count.
        """
        if state.plan is not self._plan:
            self._plan = state.plan
            self._stuck_after.clear()
        threshold = self._stuck_after.get(worker.model)
        if threshold is None:
            threshold = watch_of(state.plan, worker.model).stuck_after
            self._stuck_after[worker.model] = threshold
        if at - worker.progress_at < threshold:
            return False  # as nearly always: this is asked for half the events of a log
        return at - max(worker.started_at, worker.backoff_until) >= threshold

    def moved(self, state: State, worker: WorkerState, at: float) -> None:
        """The worker made progress at ``at``: was it stuck until then?"""
        if self.is_stuck(state, worker, at):
            self.add(hang(worker, at, recovered=True))

    def add(self, seen: Seen) -> None:
        """Join the observation to the episode that it belongs to, or begin one."""
        key = (seen.kind, seen.where, seen.what)
        episode = self._latest.get(key)
        if episode is None or (seen.began_at > episode.ended_at + JOIN_S and not episode.open):
            episode = _begin(seen)
            self._latest[key] = episode
            self.all.append(episode)
        _join(episode, seen)

    def close(self, kind: IncidentKind, where: str, what: str, at: float) -> None:
        """An episode that lasts until told otherwise is over."""
        episode = self._latest.get((kind, where, what))
        if episode is not None and episode.open:
            episode.open = False
            episode.ended_at = max(episode.ended_at, at)


def _begin(seen: Seen) -> Incident:
    return Incident(
        kind=seen.kind,
        where=seen.where,
        what=seen.what,
        began_at=seen.began_at,
        ended_at=seen.ended_at,
        text=seen.text,
    )


def _join(episode: Incident, seen: Seen) -> None:
    episode.began_at = min(episode.began_at, seen.began_at)
    episode.ended_at = max(episode.ended_at, seen.ended_at)
    episode.open = episode.open or seen.open
    episode.count += 1
    episode.by_limit += seen.by_limit
    episode.by_hand += seen.by_hand
    episode.recovered += seen.recovered
    episode.ran_again += seen.ran_again
    if seen.worker >= 0 and seen.worker not in episode.workers:
        episode.workers.append(seen.worker)


def hang(worker: WorkerState, at: float, *, recovered: bool = False) -> Seen:
    """A stretch without progress that ends (or is looked at) at ``at``."""
    return Seen(
        kind="hang",
        began_at=max(worker.progress_at, worker.started_at),
        ended_at=at,
        where=_place(worker),
        what=_what(worker),
        worker=worker.worker,
        recovered=recovered,
    )


def _place(worker: WorkerState) -> str:
    if worker.tool:
        return worker.tool
    if worker.call_at or worker.phase in _CALL_PHASES:
        return worker.endpoint
    return worker.model


def _what(worker: WorkerState) -> str:
    if worker.tool:
        return "tool"
    if worker.call_at:
        return "idle" if worker.first_byte_at else "first_byte"
    if not worker.running_at:
        return "preparing"
    return "scoring" if worker.phase == "score" else "own code"
