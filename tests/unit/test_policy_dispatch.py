"""Which task is next: order, shares of models, what is queued again."""

from collections.abc import Callable

import pytest

from runner.core.plan import Model, Task
from runner.core.policy.dispatch import Queue

MODELS = tuple(Model(name=name, endpoint="e", deployments=("d",)) for name in "ab")


class Tasks:
    """Three tasks of each model, named ``a0``..``b2``."""

    def count(self, model_index: int) -> int:
        return 3

    def task(self, model_index: int, k: int) -> Task:
        model = MODELS[model_index].name
        return Task(task_id=f"{model}{k}", id=str(k), model=model)


def queue(order: str = "interleaved", skip: Callable[[str], bool] = lambda _id: False) -> Queue:
    return Queue(MODELS, order, Tasks(), skip)


def taken(tasks: Queue, may: Callable[[Model], bool] = lambda _model: True) -> str:
    found: list[str] = []
    while (task := tasks.take(may)) is not None:
        found.append(task.task_id)
    return " ".join(found)


@pytest.mark.parametrize(
    ("order", "expected"),
    [("interleaved", "a0 b0 a1 b1 a2 b2"), ("by-model", "a0 a1 a2 b0 b1 b2")],
)
def test_order(order: str, expected: str) -> None:
    tasks = queue(order)
    assert not tasks.empty()
    assert taken(tasks) == expected
    assert tasks.empty()


def test_by_model_is_a_priority_and_no_barrier() -> None:
    tasks = queue("by-model")
    assert taken(tasks, lambda model: model.name == "b") == "b0 b1 b2"
    assert taken(tasks) == "a0 a1 a2"


def test_a_model_that_may_not_start_keeps_its_tasks() -> None:
    tasks = queue()
    assert taken(tasks, lambda model: model.name == "a") == "a0 a1 a2"
    assert not tasks.empty()


def test_done_and_open_tasks_are_skipped() -> None:
    assert taken(queue(skip=lambda task_id: task_id in ("a0", "b2"))) == "a1 b0 a2 b1"
    assert queue(skip=lambda _id: True).empty()


@pytest.mark.parametrize("order", ["interleaved", "by-model"])
def test_what_is_queued_again_comes_before_all_others(order: str) -> None:
    tasks = queue(order)
    first, again = tasks.take(lambda _m: True), Task(task_id="b9", id="9", model="b")
    assert first is not None
    tasks.again(again)
    tasks.again(Task(task_id="b8", id="8", model="b"))
    assert taken(tasks).split()[:2] == ["b8", "b9"]


def test_after_a_resume_open_tasks_keep_their_order() -> None:
    tasks = queue()
    for number in (7, 8):
        tasks.again(Task(task_id=f"a{number}", id="x", model="a"), first=False)
    assert taken(tasks).split()[:3] == ["a7", "a8", "a0"]


def test_a_task_queued_again_waits_for_its_model() -> None:
    tasks = queue()
    tasks.again(Task(task_id="b9", id="9", model="b"))
    assert taken(tasks, lambda model: model.name == "a") == "a0 a1 a2"


def test_a_person_moves_a_waiting_task_to_the_very_front() -> None:
    tasks = queue()
    for number in (7, 8, 9):
        tasks.again(Task(task_id=f"a{number}", id="x", model="a"), first=False)
    assert tasks.first("a9")
    assert not tasks.first("a1")
    assert taken(tasks).startswith("a9 a7 a8")


def test_suspects_are_taken_apart_from_the_rest() -> None:
    tasks = queue(skip=lambda _id: True)
    tasks.again(Task(task_id="a9", id="9", model="a"), alone=True)
    assert not tasks.empty()
    assert tasks.alone_waiting == 1
    assert taken(tasks) == ""
    found = tasks.take_alone()
    assert found is not None
    assert found.task_id == "a9"
    assert tasks.take_alone() is None
    assert tasks.empty()
