"""The ``status`` JSON of the contract, made from the state and the reader's own clock.

Apart from the screens because scripts rely on each name here. Building it is pure; the numbers that
only a viewer knows (is the engine's process there, how old is its last word) are passed in.
"""

from typing import Any

from runner.core.health import elapsed_s, health, limits_of, outlook, silent_s, stalled_s, watch_of
from runner.core.outcomes import OUTCOMES, SCORED
from runner.core.policy.room import low_room
from runner.core.state.fold import productive, tokens_per_s
from runner.core.state.model import (
    LATENCY_WINDOW_S,
    EndpointState,
    HostState,
    State,
    WorkerState,
)
from runner.core.verdict import ENGINE_SILENT_S, EngineSeen, verdict
from runner.core.why import quantile, why

_MINUTE_S = 60.0
_RATE_MIN_S = 10.0


def run_state(state: State, engine: EngineSeen) -> str:
    """The run's state; ``lost`` and ``frozen`` are a viewer's judgement and stand in no log."""
    if state.status in ("finished", "stopped"):
        return state.status
    if not engine.alive:
        return "lost"
    return "frozen" if engine.silent_s >= ENGINE_SILENT_S else state.status


def run_elapsed_s(state: State, now: float) -> float:
    """Seconds that engines of this run worked on it; gaps between them do not count."""
    if not state.epoch:
        return 0.0
    end = state.ended_at or now
    return state.ran_before_s + max(0.0, end - state.engine_started_at)


def tasks_per_s(state: State, now: float) -> float:
    """How fast tasks become done, over the last finishes that are kept; 0 where unknown."""
    times = state.finished_at
    if not times:
        return 0.0
    since = max(times[0], state.engine_started_at) if len(times) > 1 else state.engine_started_at
    span = max(_RATE_MIN_S, (state.ended_at or now) - since)
    return sum(1 for at in times if at >= since) / span


def eta_s(state: State, now: float) -> float | None:
    """Seconds until the last task is done at the present rate; None where nothing can be said."""
    left = state.tasks_total - len(state.done)
    if state.status in ("finished", "stopped") or not left:
        return 0.0
    rate = tasks_per_s(state, now)
    return left / rate if rate else None


def not_scored(state: State) -> int:
    """Tasks that are done and have no scored row."""
    return sum(number for name, number in state.outcomes.items() if name not in SCORED)


def status(state: State, now: float, engine: EngineSeen) -> dict[str, Any]:
    """The whole object, ready for JSON."""
    done = len(state.done)
    pending = max(0, state.tasks_total - done - state.running_tasks)
    over = state.status in ("finished", "stopped")
    return {
        "run_id": state.run_id,
        "name": state.name,
        "state": run_state(state, engine),
        "elapsed_s": round(run_elapsed_s(state, now), 3),
        "eta_s": eta_s(state, now),
        "verdict": verdict(state, now, engine).text,
        "tasks": {
            "total": state.tasks_total,
            "pending": pending,
            "running": state.running_tasks,
            "done": done,
        },
        "outcomes": {name: state.outcomes.get(name, 0) for name in OUTCOMES},
        "not_scored": not_scored(state),
        "rows": rows_json(state, now),
        "endpoints": [_endpoint(state, item, now) for item in state.endpoints.values()],
        "runner": _runner(state, now, engine),
        "api": _api(state, now),
        "workers": [] if over else [_worker(state, worker, now) for worker in state.workers],
    }


def rows_json(state: State, now: float) -> dict[str, Any]:
    """The saved counter."""
    rows = state.rows
    return {
        "written": rows.written,
        "waiting": len(state.awaited),
        "parts": rows.parts,
        "bytes": rows.bytes,
        "last_write_age_s": round(now - rows.last_write_at, 3) if rows.last_write_at else None,
        "error": rows.error,
        "free_bytes": state.free_bytes or None,
        "low_room": low_room(state),
    }


def _endpoint(state: State, item: EndpointState, now: float) -> dict[str, Any]:
    limit = model_workers(state, item.model)
    recent = [pair for pair in item.latencies if pair[0] >= now - LATENCY_WINDOW_S]
    return {
        "model": item.model,
        "endpoint": item.endpoint,
        "deployment": item.deployment,
        "busy": item.busy,
        "limit": limit,
        "why": item.paused_why or item.admitted_why,
        "p50_s": quantile(recent, 0.5),
        "p95_s": quantile(recent, 0.95),
        "rate_limited_per_min": sum(1 for at in item.limited_at if at >= now - _MINUTE_S),
        "backing_off": backing_off(state, item),
        "tokens_per_s": round(tokens_per_s(item, now), 3),
    }


def model_workers(state: State, model: str) -> int:
    """The most workers a model may have at once: the plan's number, or what adaptation found."""
    models = state.plan.models if state.plan else ()
    planned = next((item.workers for item in models if item.name == model), 0)
    found = [item.admitted for item in state.endpoints.values() if item.model == model]
    admitted = min((limit for limit in found if limit), default=0)
    return min(state.target_workers, planned or admitted or state.target_workers)


def backing_off(state: State, item: EndpointState) -> int:
    """How many workers wait before they repeat a call on this endpoint."""
    return sum(
        1
        for worker in state.workers
        if worker.phase == "backoff"
        and (worker.model, worker.endpoint, worker.deployment)
        == (item.model, item.endpoint, item.deployment)
    )


def _runner(state: State, now: float, engine: EngineSeen) -> dict[str, Any]:
    over = state.status in ("finished", "stopped") or not engine.alive
    hosts = list(state.hosts.values())
    cpu_s = state.engine_cpu_s + state.gone_cpu_s + sum(host.cpu_s for host in hosts)
    return {
        "pid": None if over else state.engine_pid,
        "heartbeat_age_s": round(max(0.0, now - state.pulse_at), 3),
        "cpu_percent": round(state.engine_cpu_percent + sum(h.cpu_percent for h in hosts), 1),
        "cpu_s": round(cpu_s, 3),
        "rss_bytes": state.engine_rss_bytes + sum(host.rss_bytes for host in hosts),
        "threads": sum(host.threads for host in hosts),
        "zombies": sum(host.zombies for host in hosts),
        "workers": len(state.workers),
        "target_workers": state.target_workers,
        "productive": productive(state, now),
        "hosts": [] if over else [_host(host, now) for host in hosts],
    }


def _host(host: HostState, now: float) -> dict[str, Any]:
    return {
        "host": host.host,
        "pid": host.pid,
        "state": host.status,
        "slots": len(host.workers),
        "heartbeat_age_s": round(max(0.0, now - host.beat_at), 3),
        "cpu_percent": round(host.cpu_percent, 1),
        "rss_bytes": host.rss_bytes,
        "threads": host.threads,
        "zombies": host.zombies,
        "restarts": host.restarts,
    }


def _api(state: State, now: float) -> dict[str, Any]:
    totals = state.totals
    oldest = now - LATENCY_WINDOW_S
    calls = [c for item in state.endpoints.values() for c in item.latencies if c[0] >= oldest]
    return {
        "calls": totals.calls,
        "in_flight": sum(1 for worker in state.workers if worker.call_at),
        "call_retries": totals.call_retries,
        "rate_limited": totals.rate_limited,
        "errors": totals.errors,
        "p50_s": quantile(calls, 0.5),
        "p95_s": quantile(calls, 0.95),
        "tokens_in": totals.tokens_in,
        "tokens_out": totals.tokens_out,
        "cost": round(totals.cost, 6),
    }


def _worker(state: State, worker: WorkerState, now: float) -> dict[str, Any]:
    look = outlook(state, worker, now)
    return {
        "worker": worker.worker,
        "host": worker.host,
        "phase": worker.phase,
        "health": health(worker, watch_of(state.plan, worker.model), now),
        "task_id": worker.task_id or None,
        "attempt": worker.attempt,
        "attempt_id": worker.attempt_id or None,
        "model": worker.model or None,
        "turn": worker.turn,
        "max_turns": worker.max_turns,
        "elapsed_s": round(elapsed_s(worker, now), 3),
        "limit_s": limits_of(state.plan, worker.model).attempt,
        "silent_s": round(silent_s(worker, now), 3),
        "stalled_s": round(stalled_s(worker, now), 3),
        "last_latency_s": worker.last_latency_s,
        "call_retries": worker.call_retries,
        "backoff_until": worker.backoff_until or None,
        "next_limit": look.limit if look else None,
        "ends_in_s": round(look.ends_in_s, 3) if look else None,
        "then": look.then if look else None,
        "rung": worker.rung or None,
        "why": why(state, worker, now),
    }
