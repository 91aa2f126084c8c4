"""How many workers a model may have at once, found out by what its endpoint bears.

Additive increase, multiplicative decrease on 429s and on latency that doubled; off unless
``resources.adaptive`` asks for it, and never for a model whose ``workers`` the plan names.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from runner.core.plan import Model, Plan
from runner.core.state.model import LATENCY_WINDOW_S, EndpointState, State
from runner.core.why import quantile

LOOK_BACK_S: Final = 10.0
SETTLE_S: Final = 15.0
"""After a change nothing is changed for this long: calls under way still show the old limit."""
CUT: Final = 0.6
LIMITED_SHARE: Final = 0.1
"""Cut when 429s in `LOOK_BACK_S` exceed this share of the busy workers (at least two of them)."""
SLOWER: Final = 2.0
CALLS_NEEDED: Final = 20


class Admission(NamedTuple):
    """A new limit for a model on an endpoint, and why."""

    model: str
    endpoint: str
    limit: int
    why: str


def admissions(state: State, now: float) -> Iterator[Admission]:
    """Changes that are due now."""
    plan = state.plan
    if plan is None or not plan.resources.adaptive:
        return
    for model in plan.models:
        if not model.workers:
            change = _change(state, plan, model, now)
            if change is not None:
                yield change


def _change(state: State, plan: Plan, model: Model, now: float) -> Admission | None:
    found = [item for item in state.endpoints.values() if item.model == model.name]
    if not found or any(now - item.admitted_at < SETTLE_S for item in found):
        return None
    busy = sum(item.busy for item in found)
    limit = min((item.admitted for item in found if item.admitted), default=state.target_workers)
    least = min(plan.resources.min_workers, state.target_workers)
    limited = sum(1 for item in found for at in item.limited_at if at >= now - LOOK_BACK_S)
    if limited >= max(2.0, LIMITED_SHARE * busy):
        lower = max(least, int(min(limit, busy) * CUT))
        why = f"{limited} x 429 in {LOOK_BACK_S:.0f} s"
        return Admission(model.name, model.endpoint, lower, why) if lower < limit else None
    if _slower(found, now):
        lower = max(least, int(min(limit, busy) * CUT))
        why = "latency has doubled"
        return Admission(model.name, model.endpoint, lower, why) if lower < limit else None
    if limit < state.target_workers and busy >= limit and not limited:
        return Admission(model.name, model.endpoint, limit + max(1, limit // 10), "no more 429s")
    return None


def _slower(found: list[EndpointState], now: float) -> bool:
    """Whether the median of the last calls is twice that of the five minutes before."""
    oldest = now - LATENCY_WINDOW_S
    calls = sorted(pair for item in found for pair in item.latencies if pair[0] >= oldest)
    recent = [pair for pair in calls if pair[0] >= now - LOOK_BACK_S]
    before = calls[: len(calls) - len(recent)]
    if len(recent) < CALLS_NEEDED or len(before) < CALLS_NEEDED:
        return False
    median, was = quantile(recent, 0.5), quantile(before, 0.5)
    return median is not None and was is not None and median > SLOWER * was
