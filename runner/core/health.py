"""How a worker is doing, what it is waiting for, and what will end it: pure answers for people.

Apart from the state because nothing here is remembered: it is asked anew with the reader's own
clock, four times a second, so that silence shows even when no event arrives.
"""

from typing import NamedTuple

from runner.core.outcomes import Health, Then, outcome_of
from runner.core.plan import Limits, Model, Plan, Watch
from runner.core.policy.requeue import after
from runner.core.state.model import State, WorkerState

BACKOFF_GRACE_S = 1.0
"""A worker that backs off is well until its wait has been over for this long (contract)."""


class Outlook(NamedTuple):
    """What ends the attempt if it is left alone: which limit, in how many seconds, what then."""

    limit: str
    ends_in_s: float
    then: Then


def model_of(plan: Plan | None, name: str) -> Model | None:
    """The plan's model of that name, None where there is none."""
    if plan is not None:
        for model in plan.models:
            if model.name == name:
                return model
    return None


def limits_of(plan: Plan | None, model_name: str) -> Limits:
    """The limits in force for a model."""
    model = model_of(plan, model_name)
    return model.limits if model else plan.limits if plan else Limits()


def watch_of(plan: Plan | None, model_name: str) -> Watch:
    """The thresholds in force for a model."""
    model = model_of(plan, model_name)
    return model.watch if model else plan.watch if plan else Watch()


def silent_s(worker: WorkerState, now: float) -> float:
    """Seconds since the last sign of life: any byte, phase change or ctx call."""
    return max(0.0, now - max(worker.sign_at, worker.started_at)) if worker.busy else 0.0


def stalled_s(worker: WorkerState, now: float) -> float:
    """Seconds since the last progress: content, or the end of a call, a turn or a tool.

    A back-off was ordered, so after one silence counts from its end.
    """
    if not worker.busy:
        return 0.0
    since = max(worker.progress_at, worker.started_at)
    if worker.phase == "backoff" and now >= worker.backoff_until:
        since = max(since, worker.backoff_until)
    return max(0.0, now - since)


def health(worker: WorkerState, watch: Watch, now: float) -> Health:
    """Slow and stuck go by progress, so a drip of keep-alives is stuck too.

    Backing off is well until its end plus `BACKOFF_GRACE_S`.
    """
    if not worker.busy:
        return "ok"
    if worker.phase == "backoff" and now < worker.backoff_until + BACKOFF_GRACE_S:
        return "ok"
    stalled = stalled_s(worker, now)
    if stalled >= watch.stuck_after:
        return "stuck"
    return "slow" if stalled >= watch.slow_after else "ok"


def elapsed_s(worker: WorkerState, now: float) -> float:
    """Seconds since the attempt got its slot."""
    return max(0.0, now - worker.started_at) if worker.busy else 0.0


def outlook(state: State, worker: WorkerState, now: float) -> Outlook | None:
    """The next limit that will end the attempt; None for an idle worker.

    A call's own limit ends the attempt unless ``timeout`` is among ``retry_on``; the run's limit
    ends all of them.
    """
    if not worker.busy:
        return None
    limits = limits_of(state.plan, worker.model)
    ends = [_phase_limit(worker, limits, now)]
    if worker.call_at and "timeout" not in limits.retry_on:
        ends += _call_limits(worker, limits, now)
    if state.plan is not None and state.epoch:
        ran_s = state.ran_before_s + now - state.engine_started_at
        ends.append(("run", state.plan.limits.run - ran_s))
    name, left = min(ends, key=lambda end: end[1])
    return Outlook(name, max(0.0, left), _then(state, worker, name))


def _phase_limit(worker: WorkerState, limits: Limits, now: float) -> tuple[str, float]:
    if worker.scoring_at:
        return "score", worker.scoring_at + limits.score - now
    if not worker.running_at:
        return "prepare", worker.started_at + limits.prepare - now
    return "attempt", worker.running_at + limits.attempt - now


def _call_limits(worker: WorkerState, limits: Limits, now: float) -> list[tuple[str, float]]:
    ends = [("call", worker.call_at + limits.call - now)]
    if worker.phase == "connect":
        ends.append(("connect", worker.since_at + limits.connect - now))
    elif worker.streamed and worker.phase == "wait":
        # ``since_at``, not ``call_at``: the limit runs from when the request was sent, and a new
        # connection may have come before that.
        ends.append(("first_byte", worker.since_at + limits.first_byte - now))
    elif worker.streamed and worker.phase == "stream":
        ends.append(("idle", worker.sign_at + limits.idle - now))
    return ends


def _then(state: State, worker: WorkerState, limit: str) -> Then:
    """What follows: by the cause of a kill that was ordered, else by the limit."""
    cause = worker.killing_cause or f"deadline:{limit}"
    try:
        outcome = outcome_of(cause)
    except ValueError:  # a cause of a newer version
        return "final"
    most = state.plan.run.max_attempts if state.plan else 1
    then = after(outcome, cause, state.tasks.get(worker.task_id), most)
    return "requeued" if then == "alone" else then
