"""The steps of the fold that concern an attempt as a whole: its start, its signs, its end.

Apart from `calls` (what it does meanwhile) because here slots and tasks change hands.
"""

from typing import Final

from runner.core import events as ev
from runner.core.outcomes import ENGINE_LOST, FROZE_HOST, HOST_EXIT, is_charged, is_scored
from runner.core.state.model import MAX_WORKERS, Awaited, State, WorkerState, endpoint_key
from runner.core.state.moves import (
    endpoint_for,
    endpoint_of,
    enter,
    free,
    open_task,
    set_status,
    trim_workers,
)

REASK_S: Final = 600.0
"""A model that was paused by itself is asked again with one attempt this often."""
_ROUNDED_S: Final = 0.001
"""Pulses carry milliseconds: a phase may seem to have begun this much before its attempt."""
_CULPRIT: Final = (FROZE_HOST, HOST_EXIT)


def apply_attempt_started(state: State, event: ev.AttemptStarted) -> None:
    """The slot belongs to the attempt from here on, and to no other."""
    if 0 <= event.worker < MAX_WORKERS:
        _occupy(state, event)
    if state.plan is not None and state.plan.is_wrap and event.task_id not in state.tasks:
        state.tasks_total += 1
    task = open_task(state, event.task_id)
    task.attempts = event.attempt
    task.retry_wanted = False
    set_status(state, task, "running")
    state.totals.attempts += 1


def _occupy(state: State, event: ev.AttemptStarted) -> None:
    for number in range(len(state.workers), event.worker + 1):
        state.workers.append(WorkerState(worker=number))
    before = state.owner.get(event.attempt_id)
    if before is not None:
        free(state, before, event.at)
    if state.workers[event.worker].busy:
        free(state, event.worker, event.at)
    worker = state.workers[event.worker]  # an idle one is blank: `free` left nothing on it
    worker.host = event.host
    worker.task_id = event.task_id
    worker.attempt = event.attempt
    worker.attempt_id = event.attempt_id
    worker.model = event.model
    worker.deployment = event.deployment
    worker.endpoint = event.endpoint
    worker.endpoint_key = endpoint_key(event.model, event.endpoint, event.deployment)
    worker.started_at = worker.progress_at = event.at
    worker.max_turns = state.plan.limits.turns if state.plan else 0
    worker.latencies = []
    enter(worker, "prepare", event.at)
    state.owner[event.attempt_id] = event.worker
    endpoint = endpoint_of(state, event.model, event.endpoint, event.deployment)
    endpoint.busy += 1
    if endpoint.paused_why and 0 < endpoint.paused_until <= event.at:
        endpoint.paused_until = event.at + REASK_S


def apply_kill_requested(state: State, worker: WorkerState, event: ev.KillRequested) -> None:
    """A person wants the attempt ended."""
    state.kills += 1
    task = state.tasks.get(worker.task_id)
    if task is not None and event.retry:
        task.retry_wanted = True


def apply_kill_ordered(_state: State, worker: WorkerState, event: ev.KillOrdered) -> None:
    """The attempt is being ended."""
    worker.killing_at, worker.killing_cause = event.at, event.cause
    enter(worker, "killing", event.at)


def apply_rung_reached(_state: State, worker: WorkerState, event: ev.RungReached) -> None:
    """The kill ladder took its next step."""
    worker.rung = event.rung


def apply_signs(state: State, slots: list[ev.SlotPulse]) -> None:
    """Signs of life, as the pulse carries them. An older phase never wins.

    One loop without a call in it: a pulse holds up to a hundred of them each second.
    """
    workers = state.workers
    for slot in slots:
        if not 0 <= slot.worker < len(workers):
            continue
        worker, since_at = workers[slot.worker], slot.since_at
        if not worker.attempt_id or since_at < worker.started_at - _ROUNDED_S:
            continue
        if (at := slot.sign_at) > worker.sign_at:
            worker.sign_at = at
        if (at := slot.progress_at) > worker.progress_at:
            worker.progress_at = at
        if (number := slot.bytes) > worker.bytes:
            worker.bytes = number
        newer = since_at > worker.since_at
        if slot.phase == "score" and not worker.scoring_at:
            worker.scoring_at = since_at
            # No event tells it, and the one before may bear a later moment than it happened at.
            newer = newer or not worker.call_at
        if newer and worker.phase != "killing":
            worker.phase, worker.since_at = slot.phase, since_at


def apply_attempt_ended(state: State, event: ev.AttemptEnded) -> None:
    """The slot is free; the row is awaited; the task goes on, waits or is about to be done."""
    number = state.owner.get(event.attempt_id)
    if number is not None:
        endpoint = endpoint_for(state, state.workers[number])
        endpoint.ended += 1
        if not is_scored(event.outcome):
            endpoint.not_scored += 1
        free(state, number, event.at)
        trim_workers(state)
    if event.cause == ENGINE_LOST:
        _forget_awaited(state, event)
    state.rows.next_row = max(state.rows.next_row, event.row + 1)
    outcome = event.outcome
    state.awaited[event.row] = Awaited(
        event.task_id,
        outcome,
        event.cause,
        event.then,
        event.at,
        event.attempt_id,
        event.attempt,
        event.worker,
        event.host,
        event.model,
    )
    if event.task_id in state.done:
        return  # it was ended and recorded before: a garbled log must not undo that
    task = open_task(state, event.task_id)
    task.attempts = max(task.attempts, event.attempt)
    task.charged += is_charged(outcome, event.cause)
    task.deaths += event.suspect
    task.froze += event.cause in _CULPRIT
    task.alone = event.then == "alone"
    task.last_row = event.row
    set_status(state, task, "recording" if event.then == "final" else "pending")


def _forget_awaited(state: State, event: ev.AttemptEnded) -> None:
    """A resumed run ends an attempt anew whose row no file has: the old number is free again.

    Its result is lost after all, and with it what that was charged.
    """
    stale = [row for row, item in state.awaited.items() if item.attempt_id == event.attempt_id]
    for row in stale:
        item = state.awaited.pop(row)
        task = state.tasks.get(item.task_id)
        if task is not None:
            task.charged -= is_charged(item.outcome, item.cause)
            task.froze -= item.cause in _CULPRIT
    if stale:
        state.rows.next_row = min(state.rows.next_row, event.row)


def apply_task_queued(state: State, event: ev.TaskQueued) -> None:
    """A person wants a task that is not under way to run again."""
    open_task(state, event.task_id).retry_wanted = True


def apply_late_dropped(state: State, event: ev.LateDropped) -> None:
    """Counted, so that it can be seen."""
    state.totals.dropped += event.count
