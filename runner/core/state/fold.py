"""``state' = apply(state, event)``: the only place where a run's state changes.

`apply` consumes the state it is given and returns it: the caller that wants to keep an old one
copies it first (`runner.core.state.snapshot`). It is total: an event that does not fit (an attempt
nobody started, a worker beyond the slots) changes what it can and raises nothing, because a viewer
must be able to draw any log. Live, attached and replayed screens, ``status``, resume and the
engine's own decisions all read what this makes.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from runner.core import events as ev
from runner.core.state.attempts import (
    apply_attempt_ended,
    apply_attempt_started,
    apply_kill_ordered,
    apply_kill_requested,
    apply_late_dropped,
    apply_rung_reached,
    apply_signs,
    apply_task_queued,
)
from runner.core.state.calls import (
    apply_attempt_running,
    apply_attempt_scoring,
    apply_backed_off,
    apply_call_ended,
    apply_call_started,
    apply_child_changed,
    apply_first_byte,
    apply_loop_seen,
    apply_sampled,
    apply_tool_ended,
    apply_tool_started,
    apply_turn_ended,
    apply_turn_started,
)
from runner.core.state.hosts import (
    apply_host_draining,
    apply_host_examined,
    apply_host_froze,
    apply_host_gone,
    apply_host_recovered,
    apply_host_started,
    apply_host_starting,
)
from runner.core.state.model import (
    MAX_WORKERS,
    EndpointState,
    State,
    WorkerState,
    ZombieState,
)
from runner.core.state.moves import endpoint_of, trim_workers
from runner.core.state.rows import (
    apply_parts_compacted,
    apply_rows_failed,
    apply_rows_found,
    apply_rows_recovered,
    apply_rows_written,
)

PRODUCTIVE_EVERY_S: Final = 10.0
_MINUTE_S: Final = 60.0
ROOM_KEPT: Final = 10


def apply(state: State, event: ev.Event) -> State:
    """The state after ``event``."""
    return fold((event,), state)


def fold(events: Iterable[ev.Event], state: State | None = None) -> State:
    """The state after all of ``events``.

    They are taken one at a time, each applied before the next is asked for, so whoever hands them
    out may look at the state between two; its ``seq`` and ``at`` alone move at the end only.
    """
    state = State() if state is None else state
    if not state.first_at:
        events = _dated(events, state)
    owner, workers, steps = state.owner, state.workers, _STEPS
    event: ev.Event | None = None
    for event in events:
        on_worker, on_run = steps[type(event)]
        if on_worker is not None:
            number = owner.get(event.attempt_id)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownArgumentType]
            if number is not None:
                on_worker(state, workers[number], event)
        elif on_run is not None:
            on_run(state, event)
    if event is not None:
        state.at, state.seq = event.at, event.seq
    return state


def _dated(events: Iterable[ev.Event], state: State) -> Iterator[ev.Event]:
    """The events; the first that bears a moment dates the state."""
    for event in events:
        if not state.first_at:
            state.first_at = event.at
        yield event


# ------------------------------------------------------------------------------------------- run


def _engine_started(state: State, event: ev.EngineStarted) -> None:
    if state.epoch:
        state.ran_before_s += max(0.0, _last_at(state) - state.engine_started_at)
        state.restarted_at = 0.0 if state.ended_at else event.at
    plan = event.plan
    state.epoch = event.epoch
    state.run_id = event.run_id
    state.name = plan.run.name
    state.plan = plan
    state.plan_file = event.plan_file
    state.version = event.version
    state.engine_pid = event.pid
    state.engine_started_at = event.at
    state.pulse_at = event.at
    state.tasks_total = event.tasks_total
    state.status = "running"
    state.pauses.clear()
    state.ended_why = ""
    state.exit_code = -1
    state.ended_at = 0.0
    state.rows.error = ""
    state.zombies.clear()
    state.viewers = 0
    state.room = []
    for host in state.hosts.values():
        state.gone_cpu_s += host.cpu_s
    state.gone_cpu_s += state.engine_cpu_s
    state.engine_cpu_s = 0.0
    state.hosts.clear()
    _resize(state, plan.run.workers)
    for model in plan.models:
        for place in model.places:
            endpoint_of(state, model.name, *place)


def _last_at(state: State) -> float:
    """The last moment the previous engine is known to have lived."""
    return max(state.pulse_at, state.ended_at, state.rows.last_write_at)


def _resize(state: State, target: int) -> None:
    """As many workers as asked for; one under way above the new number stays until it has ended."""
    target = min(max(0, target), MAX_WORKERS)
    state.target_workers = target
    for number in range(len(state.workers), target):
        state.workers.append(WorkerState(worker=number))
    trim_workers(state)


def _run_paused(state: State, event: ev.RunPaused) -> None:
    if not state.pauses:
        state.paused_at = event.at
    state.pauses[event.cause] = event.text
    state.pause_origin = event.origin
    if state.status in ("running", "starting"):
        state.status = "paused"


def _run_unpaused(state: State, event: ev.RunUnpaused) -> None:
    state.pauses.pop(event.cause, None)
    if event.cause == "brake":
        state.recent.clear()  # a person saw these; the brake counts afresh
    if not state.pauses and state.status == "paused":
        state.status = "running"


def _drain_started(state: State, _event: ev.DrainStarted) -> None:
    state.status = "draining"


def _stop_requested(state: State, event: ev.StopRequested) -> None:
    state.status = "draining"
    state.ended_why = event.why


def _run_ended(state: State, event: ev.RunEnded) -> None:
    state.status = "finished" if event.status == "finished" else "stopped"
    state.ended_why = event.why
    state.exit_code = event.exit_code
    state.ended_at = event.at


def _workers_changed(state: State, event: ev.WorkersChanged) -> None:
    _resize(state, event.target)


def _plan_changed(state: State, event: ev.PlanChanged) -> None:
    state.plan = event.plan


def _viewer_changed(state: State, event: ev.ViewerChanged) -> None:
    state.viewers = event.viewers


def _unknown(state: State, _event: ev.Unknown) -> None:
    state.unknown_events += 1


# -------------------------------------------------------------------------------------- endpoints


def _endpoint_paused(state: State, event: ev.EndpointPaused) -> None:
    for endpoint in state.endpoints.values():
        if (endpoint.model, endpoint.endpoint) == (event.model, event.endpoint):
            endpoint.paused_why, endpoint.paused_until = event.why, event.until


def _admission_changed(state: State, event: ev.AdmissionChanged) -> None:
    for endpoint in state.endpoints.values():
        if (endpoint.model, endpoint.endpoint) == (event.model, event.endpoint):
            endpoint.admitted, endpoint.admitted_why = event.limit, event.why
            endpoint.admitted_at = event.at


def _endpoint_unpaused(state: State, event: ev.EndpointUnpaused) -> None:
    for endpoint in state.endpoints.values():
        if (endpoint.model, endpoint.endpoint) == (event.model, event.endpoint):
            endpoint.paused_why, endpoint.paused_until = "", 0.0
            endpoint.first_hows.clear()  # what it does from now on is judged afresh


# ------------------------------------------------------------------------------------------ pulse


def _pulse(state: State, event: ev.Pulse) -> None:
    state.pulse_at = event.at
    state.engine_cpu_percent = event.engine_cpu_percent
    state.engine_cpu_s = event.engine_cpu_s
    state.engine_rss_bytes = event.engine_rss_bytes
    state.free_bytes = event.free_bytes
    if event.free_bytes and (not state.room or event.at - state.room[-1][0] >= _MINUTE_S):
        state.room = [*state.room[-ROOM_KEPT + 1 :], (event.at, event.free_bytes)]
    state.memory_percent = event.memory_percent
    apply_signs(state, event.slots)
    for pulse in event.hosts:
        host = state.hosts.get(pulse.host)
        if host is not None:
            host.beat_at = pulse.beat_at
            host.cpu_percent, host.cpu_s = pulse.cpu_percent, pulse.cpu_s
            host.rss_bytes = pulse.rss_bytes
            host.first_rss_bytes = host.first_rss_bytes or pulse.rss_bytes
            host.threads, host.zombies = pulse.threads, pulse.zombies
    state.zombies = [
        ZombieState(
            host=z.host,
            worker=z.worker,
            attempt_id=z.attempt_id,
            since_at=z.since_at,
            frame=z.frame,
            cpu=z.cpu,
        )
        for z in event.zombies
    ]
    if not state.productive or event.at - state.productive[-1][0] >= PRODUCTIVE_EVERY_S:
        _take_stock(state, event.at)


def _take_stock(state: State, at: float) -> None:
    """What takes a look at all workers and calls, and need not be known each second."""
    state.productive.append((at, productive(state, at), len(state.owner)))
    for endpoint in state.endpoints.values():
        speed = tokens_per_s(endpoint, at)
        endpoint.best_tokens_per_s = max(endpoint.best_tokens_per_s, speed)


def tokens_per_s(endpoint: EndpointState, now: float) -> float:
    """Tokens that came from the model per second, over the last minute."""
    return sum(number for at, number in endpoint.tokens if at >= now - _MINUTE_S) / _MINUTE_S


def productive(state: State, now: float) -> int:
    """Workers with progress within their ``slow_after``: the number that fell from 100 to a few."""
    plan = state.plan
    if plan is None:
        return 0
    slow_after = {model.name: model.watch.slow_after for model in plan.models}
    default = plan.watch.slow_after
    return sum(
        1
        for worker in state.workers
        if worker.busy and now - worker.progress_at < slow_after.get(worker.model, default)
    )


_ON_WORKER: Final[dict[type[ev.Event], Callable[[State, WorkerState, Any], None]]] = {
    ev.AttemptRunning: apply_attempt_running,
    ev.AttemptScoring: apply_attempt_scoring,
    ev.CallStarted: apply_call_started,
    ev.FirstByte: apply_first_byte,
    ev.CallEnded: apply_call_ended,
    ev.BackedOff: apply_backed_off,
    ev.TurnStarted: apply_turn_started,
    ev.TurnEnded: apply_turn_ended,
    ev.ToolStarted: apply_tool_started,
    ev.ToolEnded: apply_tool_ended,
    ev.ChildChanged: apply_child_changed,
    ev.Sampled: apply_sampled,
    ev.LoopSeen: apply_loop_seen,
    ev.KillRequested: apply_kill_requested,
    ev.KillOrdered: apply_kill_ordered,
    ev.RungReached: apply_rung_reached,
}
"""Steps that concern one attempt under way, and are nothing once that has ended. Each of these
events has an ``attempt_id``."""

_ON_RUN: Final[dict[type[ev.Event], Callable[[State, Any], None]]] = {
    ev.EngineStarted: _engine_started,
    ev.RunPaused: _run_paused,
    ev.RunUnpaused: _run_unpaused,
    ev.DrainStarted: _drain_started,
    ev.StopRequested: _stop_requested,
    ev.RunEnded: _run_ended,
    ev.WorkersChanged: _workers_changed,
    ev.PlanChanged: _plan_changed,
    ev.ViewerChanged: _viewer_changed,
    ev.HostStarting: apply_host_starting,
    ev.HostStarted: apply_host_started,
    ev.HostFroze: apply_host_froze,
    ev.HostExamined: apply_host_examined,
    ev.HostRecovered: apply_host_recovered,
    ev.HostDraining: apply_host_draining,
    ev.HostGone: apply_host_gone,
    ev.AttemptStarted: apply_attempt_started,
    ev.AttemptEnded: apply_attempt_ended,
    ev.TaskQueued: apply_task_queued,
    ev.LateDropped: apply_late_dropped,
    ev.AdmissionChanged: _admission_changed,
    ev.EndpointPaused: _endpoint_paused,
    ev.EndpointUnpaused: _endpoint_unpaused,
    ev.RowsWritten: apply_rows_written,
    ev.RowsFound: apply_rows_found,
    ev.PartsCompacted: apply_parts_compacted,
    ev.RowsFailed: apply_rows_failed,
    ev.RowsRecovered: apply_rows_recovered,
    ev.Pulse: _pulse,
    ev.Unknown: _unknown,
}
_STEPS: Final = {
    kind: (_ON_WORKER.get(kind), _ON_RUN.get(kind)) for kind in (*ev.EVENT_TYPES, ev.Unknown)
}
"""Every kind of event: one look tells its step, or that there is none."""
