"""What each kind of event tells of trouble. The state is the one before the event.

Apart from the notes because this is the list of all that counts as trouble, and grows.
"""

from collections.abc import Callable
from typing import Any, Final

from runner.core import events as ev
from runner.core.incidents.model import IncidentKind
from runner.core.incidents.notes import Notes, Seen, hang
from runner.core.state.model import State, WorkerState

_SILENT_LIMITS: Final = ("first_byte", "idle", "connect", "call")
"""Limits that only silence or a drip can hit; ``attempt`` also ends work that takes too long."""


def _owner(state: State, attempt_id: str) -> WorkerState | None:
    number = state.owner.get(attempt_id)
    return None if number is None else state.workers[number]


def _progress(notes: Notes, state: State, event: Any) -> None:
    number = state.owner.get(event.attempt_id)
    if number is not None:
        notes.moved(state, state.workers[number], event.at)


def _call_started(notes: Notes, _state: State, event: ev.CallStarted) -> None:
    _went_on(notes, event.attempt_id)


def _call_ended(notes: Notes, state: State, event: ev.CallEnded) -> None:
    worker = _owner(state, event.attempt_id)
    if worker is None:
        return
    if event.how == "ok":
        notes.moved(state, worker, event.at)
    elif event.how in _SILENT_LIMITS or notes.is_stuck(state, worker, event.at):
        notes.cut_off[event.attempt_id] = hang(worker, event.at)


def _went_on(notes: Notes, attempt_id: str) -> None:
    """A call that hung was ended, and the attempt goes on with another."""
    seen = notes.cut_off.pop(attempt_id, None)
    if seen is not None:
        seen.by_limit = True
        notes.add(seen)


def _pulse(notes: Notes, state: State, event: ev.Pulse) -> None:
    workers = state.workers
    for slot in event.slots:
        if slot.worker < len(workers):
            worker = workers[slot.worker]
            if slot.progress_at > worker.progress_at and worker.busy:
                notes.moved(state, worker, slot.progress_at)


def _ended(notes: Notes, state: State, event: ev.AttemptEnded) -> None:
    again = event.then != "final"
    worker = _owner(state, event.attempt_id)
    kind, _, detail = event.cause.partition(":")
    cut_off = notes.cut_off.pop(event.attempt_id, None)
    if worker is not None and event.outcome in ("timed_out", "killed"):
        limit = kind == "deadline"
        stuck = notes.is_stuck(state, worker, event.at)
        if cut_off or stuck or (limit and detail in _SILENT_LIMITS):
            seen = cut_off or hang(worker, event.at)
            seen.ended_at = event.at
            seen.by_limit, seen.by_hand = limit, detail in ("user", "retry")
            seen.ran_again = again
            notes.add(seen)
            return
    where = worker.endpoint if worker is not None else ""
    if event.outcome == "looped":
        notes.add(_at_once("loop", event, where=event.model, what=detail, ran_again=again))
    elif event.outcome in ("errored", "timed_out"):
        seen = _at_once("error", event, where=where, what=event.cause, ran_again=again)
        seen.text = event.error
        notes.add(seen)


def _at_once(
    kind: IncidentKind, event: ev.AttemptEnded, *, where: str, what: str, ran_again: bool
) -> Seen:
    return Seen(
        kind=kind,
        began_at=event.at,
        ended_at=event.at,
        where=where,
        what=what,
        worker=event.worker,
        ran_again=ran_again,
    )


def _backed_off(notes: Notes, state: State, event: ev.BackedOff) -> None:
    worker = _owner(state, event.attempt_id)
    if worker is not None:
        _went_on(notes, event.attempt_id)
        if event.why == "rate_limit":
            notes.add(
                Seen(
                    kind="rate_limit",
                    began_at=event.at,
                    ended_at=event.at,
                    where=worker.endpoint,
                    worker=worker.worker,
                )
            )


def _kill_requested(notes: Notes, state: State, event: ev.KillRequested) -> None:
    worker = _owner(state, event.attempt_id)
    notes.add(
        Seen(
            kind="kill",
            began_at=event.at,
            ended_at=event.at,
            worker=worker.worker if worker else -1,
            by_hand=True,
            ran_again=event.retry,
        )
    )


def _engine_started(notes: Notes, state: State, event: ev.EngineStarted) -> None:
    if event.epoch > 1:
        ended = state.status in ("finished", "stopped")
        began = event.at if ended else max(state.pulse_at, state.rows.last_write_at)
        text = "" if ended else "the engine was gone"
        notes.add(Seen(kind="restart", began_at=began, ended_at=event.at, text=text))


def _host_gone(notes: Notes, state: State, event: ev.HostGone) -> None:
    hit = [w.worker for w in state.workers if w.host == event.host and w.busy]
    if not hit:
        return  # it was empty: replaced or no longer needed
    host = state.hosts.get(event.host)
    began = host.frozen_at if host is not None and host.frozen_at else event.at
    for number in hit:
        notes.add(
            Seen(
                kind="process",
                began_at=began,
                ended_at=event.at,
                where=f"{event.host}",
                worker=number,
                text=event.why,
            )
        )


def _rows_failed(notes: Notes, _state: State, event: ev.RowsFailed) -> None:
    notes.add(Seen(kind="disk", began_at=event.at, ended_at=event.at, open=True, text=event.error))


def _rows_recovered(notes: Notes, _state: State, event: ev.RowsRecovered) -> None:
    notes.close("disk", "", "", event.at)


def _log_failed(notes: Notes, _state: State, event: ev.LogFailed) -> None:
    began = event.at - event.for_s
    notes.add(Seen(kind="disk", began_at=began, ended_at=event.at, what="log", text=event.error))


def _paused(notes: Notes, _state: State, event: ev.RunPaused) -> None:
    if event.cause != "user":
        notes.add(
            Seen(
                kind="pause",
                began_at=event.at,
                ended_at=event.at,
                what=event.cause,
                open=True,
                text=event.text,
            )
        )


def _unpaused(notes: Notes, _state: State, event: ev.RunUnpaused) -> None:
    notes.close("pause", "", event.cause, event.at)


def _lagged(notes: Notes, _state: State, event: ev.EngineLagged) -> None:
    notes.add(Seen(kind="lag", began_at=event.at - event.gap_s, ended_at=event.at))


LOOKS: Final[dict[type[ev.Event], Callable[[Notes, State, Any], None]]] = {
    ev.AttemptRunning: _progress,
    ev.CallStarted: _call_started,
    ev.CallEnded: _call_ended,
    ev.TurnStarted: _progress,
    ev.TurnEnded: _progress,
    ev.ToolEnded: _progress,
    ev.Pulse: _pulse,
    ev.AttemptEnded: _ended,
    ev.BackedOff: _backed_off,
    ev.KillRequested: _kill_requested,
    ev.EngineStarted: _engine_started,
    ev.HostGone: _host_gone,
    ev.RowsFailed: _rows_failed,
    ev.RowsRecovered: _rows_recovered,
    ev.LogFailed: _log_failed,
    ev.RunPaused: _paused,
    ev.RunUnpaused: _unpaused,
    ev.EngineLagged: _lagged,
}
