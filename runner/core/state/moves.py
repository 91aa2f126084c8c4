"""The moves that several steps of the fold share: enter a phase, free a slot, open a task.

Apart so that `attempts`, `calls` and `rows` hold one function for each event and nothing else. Each
move keeps its own invariant (an owned slot is busy, the count of tasks under way is right), so no
step can break it.
"""

from runner.core.outcomes import Phase, is_scored
from runner.core.state.model import (
    EndpointState,
    State,
    TaskState,
    WorkerState,
    endpoint_key,
)


def endpoint_of(state: State, model: str, endpoint: str, deployment: str) -> EndpointState:
    """The line of a model on a deployment of an endpoint, made on first use."""
    key = endpoint_key(model, endpoint, deployment)
    found = state.endpoints.get(key)
    if found is None:
        found = EndpointState(model=model, endpoint=endpoint, deployment=deployment)
        state.endpoints[key] = found
    return found


def endpoint_for(state: State, worker: WorkerState) -> EndpointState:
    """The line that a busy worker's calls count on. No line ever goes again."""
    return state.endpoints[worker.endpoint_key]


def enter(worker: WorkerState, phase: Phase, at: float) -> None:
    """The worker does something else from now on: a sign of life."""
    worker.phase = phase
    worker.since_at = at
    if at > worker.sign_at:
        worker.sign_at = at


def go_on(worker: WorkerState, phase: Phase, at: float) -> None:
    """`enter` and `progress` at once: what the worker did is done, and the next thing begins."""
    worker.phase = phase
    worker.since_at = at
    if at > worker.progress_at:
        worker.progress_at = at
    if at > worker.sign_at:
        worker.sign_at = at


def progress(worker: WorkerState, at: float) -> None:
    """The worker got on: content, or the end of a call, a turn or a tool."""
    if at > worker.progress_at:
        worker.progress_at = at
    if at > worker.sign_at:
        worker.sign_at = at


def free(state: State, number: int, at: float) -> None:
    """The worker's attempt no longer owns it. Its latencies stay until the next one begins."""
    worker = state.workers[number]
    del state.owner[worker.attempt_id]
    endpoint = endpoint_for(state, worker)
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


def open_task(state: State, task_id: str) -> TaskState:
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
