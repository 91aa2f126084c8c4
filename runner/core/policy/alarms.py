"""When somebody who does not look at a screen is to be called, and when to say that it is over.

Apart from the verdict, which judges each moment: a call wakes a person, so its conditions are few
and slow, and `due` keeps calls apart. The engine's notifier carries out what is decided here.
"""

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from msgspec import Struct, field

from runner.core.health import health, limits_of, watch_of
from runner.core.policy.room import low_room
from runner.core.state.model import State, WorkerState
from runner.core.text import duration, one_line, plural

STUCK_SHARE: Final = 0.1
BEYOND_S: Final = 300.0
"""A worker this long past a limit that should have ended it: nothing ends it by itself."""
QUIET_S: Final = 900.0
PAUSED_S: Final = 600.0
RESTARTED_S: Final = 60.0
"""For how long a restart is news. What went wrong before it has conditions of its own."""
APART_S: Final = 600.0
CALM_S: Final = 60.0
"""Trouble is over when it has been away for this long: a stuck worker more or less is no news."""

Kind = Literal["stuck", "beyond_limit", "quiet", "endpoint", "disk", "restarted", "paused"]


class Reason(NamedTuple):
    """One condition that holds: a fixed word for scripts, and a clause for people."""

    kind: Kind
    text: str


def alarms(state: State, now: float) -> list[Reason]:
    """Everything at this moment for which a person is to be called, worst first."""
    if state.status in ("finished", "stopped") or not state.epoch:
        return []
    found = [
        _disk(state),
        _restarted(state, now),
        _beyond_limit(state, now),
        _stuck(state, now),
        _quiet(state, now),
        _paused(state, now),
    ]
    endpoints = [
        Reason(
            "endpoint", f"{item.model} on {item.endpoint} rests: {one_line(item.paused_why, 80)}"
        )
        for item in state.endpoints.values()
        if item.paused_why
    ]
    return [reason for reason in found if reason is not None] + endpoints


def _disk(state: State) -> Reason | None:
    error = state.rows.error or state.pauses.get("disk", "")
    if error:
        return Reason("disk", f"results cannot be saved: {one_line(error, 120)}")
    low = low_room(state)
    return Reason("disk", low) if low else None


def _restarted(state: State, now: float) -> Reason | None:
    ago = now - state.restarted_at
    if not state.restarted_at or ago >= RESTARTED_S:
        return None
    return Reason("restarted", "the engine was gone and has been started again")


def _stuck(state: State, now: float) -> Reason | None:
    stuck = [
        worker
        for worker in state.workers
        if worker.busy and health(worker, watch_of(state.plan, worker.model), now) == "stuck"
    ]
    if len(stuck) <= STUCK_SHARE * len(state.workers):
        return None
    return Reason("stuck", f"{len(stuck)} of {plural(len(state.workers), 'worker')} are stuck")


def _beyond_limit(state: State, now: float) -> Reason | None:
    beyond = max((_beyond_s(state, worker, now) for worker in state.workers), default=0.0)
    if beyond <= BEYOND_S:
        return None
    return Reason("beyond_limit", f"a worker is {duration(beyond)} beyond its limit")


def _beyond_s(state: State, worker: WorkerState, now: float) -> float:
    """Seconds since a limit, or an order to end, should have freed the worker."""
    if not worker.busy:
        return 0.0
    limits = limits_of(state.plan, worker.model)
    if worker.killing_at:
        return now - worker.killing_at
    if worker.scoring_at:
        return now - worker.scoring_at - limits.score
    if worker.running_at:
        return now - worker.running_at - limits.attempt
    return now - worker.started_at - limits.prepare


def _quiet(state: State, now: float) -> Reason | None:
    """No attempt ended for long, though one under way could have: its limit is shorter than that.

    Each attempt leaves a row when it ends, so the last row tells when the last one did.
    """
    busy = [worker for worker in state.workers if worker.busy]
    if not busy or state.pauses:
        return None
    patience = min(limits_of(state.plan, worker.model).attempt for worker in busy)
    quiet = now - max(state.rows.last_write_at, state.engine_started_at)
    if quiet < max(QUIET_S, patience):
        return None
    return Reason("quiet", f"no attempt has ended for {duration(quiet)}")


def _paused(state: State, now: float) -> Reason | None:
    if not state.pauses or now - state.paused_at < PAUSED_S:
        return None
    cause, words = next(iter(state.pauses.items()))
    why = one_line(words, 80) or cause
    return Reason("paused", f"paused for {duration(now - state.paused_at)}: {why}")


class Calls(Struct):
    """What was told so far. Changed by `due` alone."""

    told: set[str] = field(default_factory=set[str])
    """Kinds that a person knows of and that are not over."""
    told_at: float | None = None
    """When trouble was last told."""
    seen_at: float = 0.0
    """When there was last anything to tell."""


def due(calls: Calls, reasons: Sequence[Reason], now: float) -> Literal["trouble", "resolved", ""]:
    """Whether to call now. At most one ``trouble`` in `APART_S`, and ``resolved`` once after it.

    What lasts is told once; a new kind of trouble is told again.
    """
    if reasons:
        calls.seen_at = now
        kinds: set[str] = {reason.kind for reason in reasons}
        free = calls.told_at is None or now - calls.told_at >= APART_S
        if not free or kinds <= calls.told:
            return ""
        calls.told |= kinds
        calls.told_at = now
        return "trouble"
    if calls.told and now - calls.seen_at >= CALM_S:
        calls.told.clear()
        return "resolved"
    return ""
