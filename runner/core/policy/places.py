"""Where an attempt of a model runs: the least busy of its endpoints and deployments that are well.

Apart from dispatch, which says whether a model may start at all: a model that is served under
several keys or addresses goes on with the others while one of them rests.
"""

from typing import NamedTuple

from runner.core.plan import Model
from runner.core.state.model import State, endpoint_key


class Place(NamedTuple):
    """A deployment on an endpoint."""

    endpoint: str
    deployment: str


def places(model: Model) -> list[Place]:
    """Every place of the model, in the order of the plan."""
    return [Place(name, deployment) for name in model.endpoints for deployment in model.deployments]


def best_place(state: State, model: Model, now: float) -> Place | None:
    """The least busy place that may be used at ``now`` (unix seconds); None if all rest.

    An endpoint that rests and is due to be asked again takes one attempt at a time.
    """
    usable = [
        place
        for name in model.endpoints
        if not _rests(state, model, name, now)
        for place in (Place(name, deployment) for deployment in model.deployments)
    ]
    return min(usable, key=lambda place: _busy(state, model, place), default=None)


def _rests(state: State, model: Model, endpoint: str, now: float) -> bool:
    here = [
        item
        for item in state.endpoints.values()
        if (item.model, item.endpoint) == (model.name, endpoint)
    ]
    resting = [item for item in here if item.paused_why]
    if not resting:
        return False
    due = all(0 < item.paused_until <= now for item in resting)
    return not due or any(item.busy for item in here)


def _busy(state: State, model: Model, place: Place) -> int:
    found = state.endpoints.get(endpoint_key(model.name, place.endpoint, place.deployment))
    return found.busy if found else 0
