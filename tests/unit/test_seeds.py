"""Seeds of tasks: the same plan meets the same luck, and what is compared meets it together."""

import msgspec
import pytest

from runner.core.plan import Task
from runner.core.seeds import seed_of

TASK = Task(
    task_id="t1@m/instance=1", id="t1", model="m", labels={"instance": 1, "prompt_type": "cot"}
)


def changed(**labels: object) -> Task:
    return msgspec.structs.replace(TASK, labels={**TASK.labels, **labels})


def test_a_seed_never_changes() -> None:
    assert seed_of(7, TASK) == 257796786054047801


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(msgspec.structs.replace(TASK, model="n", task_id="t1@n"), id="model"),
        pytest.param(changed(prompt_type="flawed_missing_step"), id="prompt type"),
        pytest.param(changed(severity="light"), id="severity"),
        pytest.param(changed(tool_success_rate=0.6), id="tool success rate"),
    ],
)
def test_what_is_compared_shares_its_luck(other: Task) -> None:
    assert seed_of(7, other) == seed_of(7, TASK)


@pytest.mark.parametrize(
    ("seed", "other"),
    [
        pytest.param(8, TASK, id="seed"),
        pytest.param(7, msgspec.structs.replace(TASK, id="t2"), id="task"),
        pytest.param(7, changed(instance=2), id="instance"),
        pytest.param(7, changed(round="b"), id="own label"),
    ],
)
def test_repetitions_have_luck_of_their_own(seed: int, other: Task) -> None:
    assert seed_of(seed, other) != seed_of(7, TASK)


def test_seeds_fit_the_wire() -> None:
    seeds = [seed_of(-(2**63), changed(instance=number)) for number in range(200)]
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert len(set(seeds)) == 200
