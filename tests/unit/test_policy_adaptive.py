"""Adaptive admission: what counts as slower than before."""

import msgspec
import pytest
from support.story import BEGAN, plan_of

from runner.core.plan import Resources
from runner.core.policy.adaptive import admissions
from runner.core.state import EndpointState, State, endpoint_key

NOW = BEGAN + 1000


def state_with(latencies: list[tuple[float, float]]) -> State:
    plan = msgspec.structs.replace(plan_of(), resources=Resources(adaptive=True))
    endpoint = EndpointState(
        model="m", endpoint="e", deployment="d", busy=10, admitted=10, latencies=latencies
    )
    return State(plan=plan, target_workers=10, endpoints={endpoint_key("m", "e", "d"): endpoint})


def calls(since_s: float, seconds: float) -> list[tuple[float, float]]:
    """Thirty calls that ended in a row, the first so long ago."""
    return [(NOW - since_s + n / 10, seconds) for n in range(30)]


@pytest.mark.parametrize(
    ("before_s", "cut"), [(100.0, True), (400.0, False)], ids=["minutes ago", "too long ago"]
)
def test_only_the_last_five_minutes_are_what_calls_are_slower_than(
    before_s: float, *, cut: bool
) -> None:
    state = state_with(calls(before_s, 1.0) + calls(5.0, 3.0))
    found = [change.why for change in admissions(state, NOW)]
    assert found == (["latency has doubled"] if cut else [])
