"""When a model on an endpoint is given a rest: its key is refused, or nothing ever comes back.

Other models go on; this one is asked again with one attempt every ten minutes, or when a person
lifts the pause.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from runner.core.outcomes import LIMITS
from runner.core.plan import Endpoint, Limits, Plan
from runner.core.state.attempts import REASK_S
from runner.core.state.model import FIRST_CALLS, EndpointState, State

REFUSALS: Final = {
    "status:401": "401: the key is not accepted",
    "status:403": "403: the key may not use this model",
    "status:404": "404: no such model or deployment here",
}


class Rest(NamedTuple):
    """A model and endpoint to pause, why, and when to ask again (0: when a person says so)."""

    model: str
    endpoint: str
    why: str
    until: float


def rests(state: State, now: float) -> Iterator[Rest]:
    """Models to pause now; one that was ever answered is not judged here."""
    for endpoint in state.endpoints.values():
        why = _why(endpoint)
        if why and not endpoint.paused_why:
            yield Rest(endpoint.model, endpoint.endpoint, why, now + REASK_S)


def recovered(state: State) -> Iterator[EndpointState]:
    """Those that paused by themselves and answered after all; a person's pause stays."""
    return (
        item
        for item in state.endpoints.values()
        if item.paused_why and item.paused_until and item.answered
    )


def asked_again(state: State, before: Plan, after: Plan) -> Iterator[EndpointState]:
    """Those that rest by themselves and for which a person has just changed the rules."""
    for item in state.endpoints.values():
        if item.paused_why and item.paused_until and _rules(before, item) != _rules(after, item):
            yield item


def _rules(plan: Plan, item: EndpointState) -> tuple[Limits | None, Endpoint | None]:
    """What binds calls there; nothing where a plan that was changed has no such name any more."""
    limits = next((model.limits for model in plan.models if model.name == item.model), None)
    return limits, next((one for one in plan.endpoints if one.name == item.endpoint), None)


def _why(endpoint: EndpointState) -> str:
    hows = endpoint.first_hows
    if endpoint.answered or not hows:
        return ""
    if hows[-1] in REFUSALS:
        return REFUSALS[hows[-1]]
    if len(hows) == FIRST_CALLS and len(set(hows)) == 1 and hows[0] in LIMITS:
        return f"the first {FIRST_CALLS} calls all ended by the {hows[0]} limit"
    return ""
