"""A model that rests by itself is asked again when a person changes what it failed by."""

import msgspec
import pytest
from support.story import Story, plan_of

from runner.core import events as ev
from runner.core.plan import Limits, Plan, Watch
from runner.core.policy.endpoints import asked_again

PLAN = plan_of(models=("m", "other"))


def resting(until: float) -> Story:
    """Both models were called; m rests."""
    story = Story(plan=PLAN)
    story.runs()
    story.emit(ev.EndpointPaused(model="m", endpoint="e", why="silent", until=until))
    return story


def asked(story: Story, after: Plan) -> list[str]:
    return [item.model for item in asked_again(story.state, PLAN, after)]


def changed(**values: object) -> Plan:
    """The plan with other values for every model."""
    models = tuple(msgspec.structs.replace(model, **values) for model in PLAN.models)
    return msgspec.structs.replace(PLAN, models=models)


def test_a_longer_limit_or_another_endpoint_is_a_reason_to_ask_again() -> None:
    story = resting(until=5e9)
    assert asked(story, changed(limits=Limits(first_byte=120))) == ["m"]
    there = msgspec.structs.replace(PLAN.endpoints[0], api_key_env="OTHER_KEY")
    assert asked(story, msgspec.structs.replace(PLAN, endpoints=(there,))) == ["m"]


@pytest.mark.parametrize("after", [PLAN, changed(watch=Watch(stuck_after=99)), changed(workers=3)])
def test_other_changes_are_none(after: Plan) -> None:
    assert asked(resting(until=5e9), after) == []


def test_a_persons_pause_stays() -> None:
    assert asked(resting(until=0), changed(limits=Limits(first_byte=120))) == []


def test_names_that_a_plan_has_no_more_break_nothing() -> None:
    story = resting(until=5e9)
    assert asked(story, msgspec.structs.replace(PLAN, models=PLAN.models[1:])) == ["m"]
