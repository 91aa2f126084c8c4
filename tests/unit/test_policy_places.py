"""Where an attempt runs: the least busy place of its model that is well."""

import pytest

from runner.core.plan import Model, Place
from runner.core.policy.places import best_place
from runner.core.state import State, endpoint_key
from runner.core.state.model import EndpointState

MODEL = Model(name="m", endpoint="a", more_endpoints=("b",), deployments=("m-1", "m-2"))
NOW = 1000.0


def state_of(**busy: int) -> State:
    """A state in which ``a_1=3`` attempts run on deployment m-1 of endpoint a."""
    state = State()
    for place in MODEL.places:
        name = f"{place.endpoint}_{place.deployment[-1]}"
        state.endpoints[endpoint_key("m", *place)] = EndpointState(
            model="m",
            endpoint=place.endpoint,
            deployment=place.deployment,
            busy=busy.get(name, 0),
        )
    return state


def rest(state: State, endpoint: str, until: float) -> None:
    for item in state.endpoints.values():
        if item.endpoint == endpoint:
            item.paused_why, item.paused_until = "401", until


def test_places_are_endpoints_times_deployments() -> None:
    wanted = [("a", "m-1"), ("a", "m-2"), ("b", "m-1"), ("b", "m-2")]
    assert [tuple(place) for place in MODEL.places] == wanted


def test_a_deployment_may_be_on_one_endpoint_only() -> None:
    model = Model(
        name="m",
        endpoint="a",
        more_endpoints=("b",),
        deployments=("m-1@b", "m@001", "m-2@a", "@b"),
    )
    wanted = [("a", "m@001"), ("a", "m-2"), ("a", "@b"), ("b", "m-1"), ("b", "m@001"), ("b", "@b")]
    assert [tuple(place) for place in model.places] == wanted


def test_the_first_of_the_least_busy_is_taken() -> None:
    assert best_place(state_of(), MODEL, NOW) == Place("a", "m-1")
    assert best_place(state_of(a_1=2, a_2=1, b_1=1, b_2=3), MODEL, NOW) == Place("a", "m-2")


@pytest.mark.parametrize("until", [0.0, NOW + 1], ids=["for a person", "not yet due"])
def test_a_resting_endpoint_is_left_out(until: float) -> None:
    state = state_of(b_1=5, b_2=4)
    rest(state, "a", until)
    assert best_place(state, MODEL, NOW) == Place("b", "m-2")
    rest(state, "b", until)
    assert best_place(state, MODEL, NOW) is None


def test_an_endpoint_that_is_due_takes_one_attempt() -> None:
    state = state_of(b_1=5, b_2=4)
    rest(state, "a", NOW)
    assert best_place(state, MODEL, NOW) == Place("a", "m-1")
    state.endpoints[endpoint_key("m", "a", "m-2")].busy = 1
    assert best_place(state, MODEL, NOW) == Place("b", "m-2")


def test_other_models_on_the_endpoint_do_not_matter() -> None:
    state = state_of(a_1=1)
    state.endpoints["other"] = EndpointState(
        model="n", endpoint="a", deployment="m-1", busy=9, paused_why="401"
    )
    assert best_place(state, MODEL, NOW) == Place("a", "m-2")
