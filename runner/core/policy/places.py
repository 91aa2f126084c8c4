"""Where an attempt of a model runs: the least busy of its endpoints and deployments that are well.

Apart from dispatch, which says whether a model may start at all: a model that is served under
several keys or addresses goes on with the others while one of them rests.
"""

from runner.core.plan import Model, Place
from runner.core.state.model import State, endpoint_key


def best_place(state: State, model: Model, now: float) -> Place | None:
    """The least busy place that may be used at ``now`` (unix seconds); None if all rest.

    An endpoint that rests and is due to be asked again takes one attempt at a time.
    """
    well = {name for name in model.endpoints if not _rests(state, model, name, now)}
    usable = [place for place in model.places if place.endpoint in well]
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
