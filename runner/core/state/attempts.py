"""The steps of the fold that concern attempts, calls, turns and tools.

Apart from `fold` because these are the many: in a long run 99 of 100 events come through here.
"""

from collections.abc import Callable
from typing import Any, Final, TypeVar

from runner.core import events as ev
from runner.core.outcomes import (
    ENGINE_LOST,
    FROZE_HOST,
    HOST_EXIT,
    Phase,
    is_charged,
    is_scored,
)
from runner.core.state.model import (
    CALLS_KEPT,
    FIRST_CALLS,
    LATENCIES_KEPT,
    LATENCY_WINDOW_S,
    MAX_WORKERS,
    Awaited,
    EndpointState,
    State,
    TaskState,
    WorkerState,
    endpoint_key,
)

_MINUTE_S: Final = 60.0
REASK_S: Final = 600.0
"""A model that was paused by itself is asked again with one attempt this often."""
_ROUNDED_S: Final = 0.001
"""Pulses carry milliseconds: a phase may seem to have begun this much before its attempt."""
_CULPRIT: Final = (FROZE_HOST, HOST_EXIT)


def endpoint_of(state: State, model: str, endpoint: str, deployment: str) -> EndpointState:
    """The line of a model on a deployment of an endpoint, made on first use."""
    key = endpoint_key(model, endpoint, deployment)
    found = state.endpoints.get(key)
    if found is None:
        found = EndpointState(model=model, endpoint=endpoint, deployment=deployment)
        state.endpoints[key] = found
    return found


def _endpoint(state: State, worker: WorkerState) -> EndpointState:
    return endpoint_of(state, worker.model, worker.endpoint, worker.deployment)


def _enter(worker: WorkerState, phase: Phase, at: float) -> None:
    worker.phase = phase
    worker.since_at = at
    if at > worker.sign_at:
        worker.sign_at = at


def _progress(worker: WorkerState, at: float) -> None:
    if at > worker.progress_at:
        worker.progress_at = at
    if at > worker.sign_at:
        worker.sign_at = at


def _free(state: State, number: int, at: float) -> None:
    """The worker's attempt no longer owns it. Its latencies stay until the next one begins."""
    worker = state.workers[number]
    del state.owner[worker.attempt_id]
    endpoint = _endpoint(state, worker)
    endpoint.busy = max(0, endpoint.busy - 1)
    state.workers[number] = WorkerState(
        worker=number, host=worker.host, since_at=at, latencies=worker.latencies
    )


def trim_workers(state: State) -> None:
    """Drop idle workers above the target from the end; a busy one stays until it has ended."""
    while len(state.workers) > state.target_workers and not state.workers[-1].busy:
        state.workers.pop()


def set_status(state: State, task: TaskState, status: str) -> None:
    """Move a task and keep the count of those under way."""
    was = task.status in ("running", "recording")
    now = status in ("running", "recording")
    state.running_tasks += now - was
    task.status = status


def _open(state: State, task_id: str) -> TaskState:
    """The task's entry among the open ones; a task that was done is so no longer."""
    task = state.tasks.get(task_id)
    if task is None:
        outcome = state.done.pop(task_id, None)
        task = TaskState(status="pending")
        if outcome is not None:
            task.attempts = state.attempts_of.pop(task_id, 1)
            task.scored = outcome if is_scored(outcome) else None
            state.outcomes[outcome] -= 1
        state.tasks[task_id] = task
    return task


def apply_attempt_started(state: State, event: ev.AttemptStarted) -> None:
    """The slot belongs to the attempt from here on, and to no other."""
    if 0 <= event.worker < MAX_WORKERS:
        _occupy(state, event)
    task = _open(state, event.task_id)
    task.attempts = event.attempt
    task.retry_wanted = False
    set_status(state, task, "running")
    state.totals.attempts += 1


def _occupy(state: State, event: ev.AttemptStarted) -> None:
    for number in range(len(state.workers), event.worker + 1):
        state.workers.append(WorkerState(worker=number))
    before = state.owner.get(event.attempt_id)
    if before is not None:
        _free(state, before, event.at)
    if state.workers[event.worker].busy:
        _free(state, event.worker, event.at)
    worker = WorkerState(
        worker=event.worker,
        host=event.host,
        task_id=event.task_id,
        attempt=event.attempt,
        attempt_id=event.attempt_id,
        model=event.model,
        deployment=event.deployment,
        endpoint=event.endpoint,
        started_at=event.at,
        progress_at=event.at,
        max_turns=state.plan.limits.turns if state.plan else 0,
        latencies=[],
    )
    _enter(worker, "prepare", event.at)
    state.workers[event.worker] = worker
    state.owner[event.attempt_id] = event.worker
    endpoint = _endpoint(state, worker)
    endpoint.busy += 1
    if endpoint.paused_why and endpoint.paused_until <= event.at:
        endpoint.paused_until = event.at + REASK_S


_E = TypeVar("_E", bound=ev.Event)


def _on_worker(
    step: Callable[[State, WorkerState, _E], None],
) -> Callable[[State, _E], None]:
    """A step that concerns one attempt under way, and is nothing once that has ended.

    Every event of such a step has an ``attempt_id``.
    """

    def run(state: State, event: Any) -> None:
        number = state.owner.get(event.attempt_id)
        if number is not None:
            step(state, state.workers[number], event)

    return run


@_on_worker
def apply_attempt_running(_state: State, worker: WorkerState, event: ev.AttemptRunning) -> None:
    """Preparation is over."""
    worker.running_at = event.at
    _enter(worker, "code", event.at)
    _progress(worker, event.at)


@_on_worker
def apply_call_started(_state: State, worker: WorkerState, event: ev.CallStarted) -> None:
    """A request went out. If a back-off came before it, that was ordered and is no stall."""
    worker.calls = max(worker.calls, event.n)
    worker.call_at = event.at
    worker.first_byte_at = 0.0
    worker.streamed = event.stream
    if worker.backoff_until:
        worker.backoff_until = 0.0
        _progress(worker, event.at)
    _enter(worker, "wait", event.at)


@_on_worker
def apply_first_byte(_state: State, worker: WorkerState, event: ev.FirstByte) -> None:
    """The answer began."""
    worker.first_byte_at = event.at
    _enter(worker, "stream", event.at)


@_on_worker
def apply_call_ended(state: State, worker: WorkerState, event: ev.CallEnded) -> None:
    """A request is over, well or not; only an answered one has a latency worth showing."""
    worker.call_at = 0.0
    worker.first_byte_at = 0.0
    worker.latencies = [*worker.latencies[1 - LATENCIES_KEPT :], event.latency_s]
    worker.tokens_in += max(0, event.tokens_in)
    worker.tokens_out += max(0, event.tokens_out)
    worker.cost += event.cost
    _enter(worker, "code", event.at)
    _progress(worker, event.at)
    totals = state.totals
    totals.calls += 1
    totals.tokens_in += max(0, event.tokens_in)
    totals.tokens_out += max(0, event.tokens_out)
    totals.cost += event.cost
    endpoint = _endpoint(state, worker)
    endpoint.calls += 1
    if len(endpoint.first_hows) < FIRST_CALLS:
        endpoint.first_hows.append(event.how)
    if event.how == "ok":
        endpoint.answered += 1
        _remember(endpoint, event)
    else:
        totals.errors += 1
        endpoint.errors += 1


def _remember(endpoint: EndpointState, event: ev.CallEnded) -> None:
    """Keep the call for quantiles and throughput, within the windows."""
    calls = endpoint.latencies
    calls.append((event.at, event.latency_s))
    if len(calls) > 2 * CALLS_KEPT or calls[0][0] < event.at - LATENCY_WINDOW_S:
        oldest = event.at - LATENCY_WINDOW_S
        endpoint.latencies = [call for call in calls[-CALLS_KEPT:] if call[0] >= oldest]
    if event.tokens_out > 0:
        endpoint.tokens.append((event.at, event.tokens_out))
        if endpoint.tokens[0][0] < event.at - 2 * _MINUTE_S:
            oldest = event.at - _MINUTE_S
            endpoint.tokens = [entry for entry in endpoint.tokens if entry[0] >= oldest]


@_on_worker
def apply_backed_off(state: State, worker: WorkerState, event: ev.BackedOff) -> None:
    """The call waits before it is sent again."""
    worker.call_retries += 1
    worker.backoff_until = event.until
    worker.backoff_s += max(0.0, event.until - event.at)
    worker.backoff_why = event.why
    worker.backoff_try = event.attempt_no
    worker.backoff_tries = event.attempts
    worker.call_at = 0.0
    _enter(worker, "backoff", event.at)
    state.totals.call_retries += 1
    if event.why == "rate_limit":
        state.totals.rate_limited += 1
        endpoint = _endpoint(state, worker)
        oldest = event.at - _MINUTE_S
        endpoint.limited_at = [at for at in endpoint.limited_at if at >= oldest]
        endpoint.limited_at.append(event.at)


@_on_worker
def apply_turn_started(_state: State, worker: WorkerState, event: ev.TurnStarted) -> None:
    """The agent's next turn."""
    worker.turn = event.turn
    if event.max_turns:
        worker.max_turns = event.max_turns
    _progress(worker, event.at)


@_on_worker
def apply_turn_ended(_state: State, worker: WorkerState, event: ev.TurnEnded) -> None:
    """A turn done is progress."""
    worker.turn = max(worker.turn, event.turn)
    _progress(worker, event.at)


@_on_worker
def apply_tool_started(_state: State, worker: WorkerState, event: ev.ToolStarted) -> None:
    """A tool is at work."""
    worker.tool, worker.tool_detail, worker.tool_at = event.tool, event.detail, event.at
    _enter(worker, "tool", event.at)


@_on_worker
def apply_tool_ended(_state: State, worker: WorkerState, event: ev.ToolEnded) -> None:
    """The tool came back."""
    worker.tool = worker.tool_detail = ""
    worker.tool_at = 0.0
    _enter(worker, "code", event.at)
    _progress(worker, event.at)


@_on_worker
def apply_child_changed(_state: State, worker: WorkerState, event: ev.ChildChanged) -> None:
    """A process of the attempt came or went."""
    if event.running:
        worker.children[event.pid] = event.command
    else:
        worker.children.pop(event.pid, None)


@_on_worker
def apply_sampled(_state: State, worker: WorkerState, event: ev.Sampled) -> None:
    """What a worker without progress is doing."""
    worker.cpu, worker.thread_state = event.cpu, event.state
    worker.frame, worker.waits_for = event.frame, event.waits_for
    worker.sampled_at = event.at


@_on_worker
def apply_loop_seen(_state: State, worker: WorkerState, event: ev.LoopSeen) -> None:
    """A loop rule fired."""
    worker.loop_rule, worker.loop_advice = event.rule, event.advice


@_on_worker
def apply_kill_requested(state: State, worker: WorkerState, event: ev.KillRequested) -> None:
    """A person wants the attempt ended."""
    state.kills += 1
    task = state.tasks.get(worker.task_id)
    if task is not None and event.retry:
        task.retry_wanted = True


@_on_worker
def apply_kill_ordered(_state: State, worker: WorkerState, event: ev.KillOrdered) -> None:
    """The attempt is being ended."""
    worker.killing_at, worker.killing_cause = event.at, event.cause
    _enter(worker, "killing", event.at)


@_on_worker
def apply_rung_reached(_state: State, worker: WorkerState, event: ev.RungReached) -> None:
    """The kill ladder took its next step."""
    worker.rung = event.rung


def apply_signs(state: State, slot: ev.SlotPulse) -> None:
    """Signs of life of one worker, as the pulse carries them. An older phase never wins."""
    if not 0 <= slot.worker < len(state.workers):
        return
    worker = state.workers[slot.worker]
    if not worker.busy or slot.since_at < worker.started_at - _ROUNDED_S:
        return
    worker.sign_at = max(worker.sign_at, slot.sign_at)
    worker.progress_at = max(worker.progress_at, slot.progress_at)
    worker.bytes = max(worker.bytes, slot.bytes)
    if worker.phase != "killing" and slot.since_at > worker.since_at:
        worker.phase, worker.since_at = slot.phase, slot.since_at
    if slot.phase == "score" and not worker.scoring_at:
        worker.scoring_at = slot.since_at


def apply_attempt_ended(state: State, event: ev.AttemptEnded) -> None:
    """The slot is free; the row is awaited; the task goes on, waits or is about to be done."""
    number = state.owner.get(event.attempt_id)
    if number is not None:
        endpoint = _endpoint(state, state.workers[number])
        endpoint.ended += 1
        if not is_scored(event.outcome):
            endpoint.not_scored += 1
        _free(state, number, event.at)
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
    task = _open(state, event.task_id)
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
    _open(state, event.task_id).retry_wanted = True


def apply_late_dropped(state: State, event: ev.LateDropped) -> None:
    """Counted, so that it can be seen."""
    state.totals.dropped += event.count
