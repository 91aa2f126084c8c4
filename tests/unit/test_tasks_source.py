"""Tasks by place and by id: the order, the ids of the contract, the matrix, parts of a run."""

from itertools import product
from pathlib import Path

import pytest

from runner.engine.config import plan_template, read_plan
from runner.engine.tasks import TaskSource
from runner.errors import PlanError

PLAN = """\
[run]
order = "{order}"
[[endpoints]]
name = "local"
base_url = "http://127.0.0.1:9/v1"
{models}
[tasks]
executor = "command"
argv = ["true"]
source = "tasks.jsonl"
{matrix}
"""
LINES = '{"id": "t1", "labels": {"group": "g"}, "n": 1}\n{"id": "t2"}\n{"id": "t3"}\n'
MATRIX = '[tasks.matrix]\nsize = [2, 1]\nkind = ["a", "b/c@d"]\nflag = [true]\n'


def source(
    folder: Path,
    *,
    models: tuple[str, ...] = ("m",),
    matrix: str = "",
    lines: str = LINES,
    order: str = "interleaved",
    limit: int | None = None,
    only: tuple[str, ...] = (),
) -> TaskSource:
    (folder / "tasks.jsonl").write_text(lines)
    tables = "\n".join(f'[[models]]\nname = "{name}"\nendpoint = "local"' for name in models)
    (folder / "plan.toml").write_text(PLAN.format(models=tables, matrix=matrix, order=order))
    source = read_plan(folder / "plan.toml", environ={}).tasks(limit=limit, only=only)
    assert isinstance(source, TaskSource)
    return source


def ids(tasks: TaskSource, model: int = 0) -> list[str]:
    return [tasks.task(model, k).task_id for k in range(tasks.count(model))]


def test_one_model_without_a_matrix_keeps_the_ids(tmp_path: Path):
    tasks = source(tmp_path)
    assert (len(tasks), tasks.per_model, ids(tasks)) == (3, 3, ["t1", "t2", "t3"])
    first = tasks.task(0, 0)
    assert (first.id, first.model, first.labels) == ("t1", "m", {"group": "g"})
    assert first.data == {"id": "t1", "labels": {"group": "g"}, "n": 1}
    assert tasks.task(0, 1).labels == {}


def test_several_models_stand_in_the_id(tmp_path: Path):
    tasks = source(tmp_path, models=("m", "org/n"))
    assert len(tasks) == 6
    assert ids(tasks, 1) == ["t1@org/n", "t2@org/n", "t3@org/n"]


def test_every_line_goes_through_all_cells_in_the_listed_order(tmp_path: Path):
    tasks = source(tmp_path, matrix=MATRIX + "instances = 2")
    assert (len(tasks), tasks.per_model) == (24, 24)
    found = [tasks.task(0, k) for k in range(24)]
    cells = [(task.labels["size"], task.labels["kind"], task.labels["instance"]) for task in found]
    assert cells[:8] == list(product([2, 1], ["a", "b/c@d"], [1, 2]))
    assert [task.id for task in found] == ["t1"] * 8 + ["t2"] * 8 + ["t3"] * 8
    assert found[3].task_id == "t1@m/flag=true/instance=2/kind=b%2Fc%40d/size=2"
    assert found[0].labels == {"group": "g", "size": 2, "kind": "a", "flag": True, "instance": 1}


@pytest.mark.parametrize("models", [("m",), ("m", "m@x", "org/n", "a.b")])
@pytest.mark.parametrize("matrix", ["", MATRIX, "[tasks.matrix]\ninstances = 3"])
def test_every_id_is_unique_and_finds_its_task(
    tmp_path: Path, models: tuple[str, ...], matrix: str
):
    lines = '{"id": "t"}\n{"id": "t@m"}\n{"id": "t@m/flag=true"}\n{"id": "@"}\n'
    tasks = source(tmp_path, models=models, matrix=matrix, lines=lines)
    seen: set[str] = set()
    for model, _ in enumerate(models):
        for k in range(tasks.count(model)):
            task_id = tasks.task(model, k).task_id
            assert tasks.find(task_id) == (model, k)
            seen.add(task_id)
    assert len(seen) == len(tasks)


@pytest.mark.parametrize(
    "unknown",
    [
        *("", "t1", "t1@", "@m", "t9@m/flag=true/kind=a/size=1", "t1@m/flag=true/kind=a"),
        *(
            "t1@m/flag=true/kind=a/size=3",
            "t1@m/kind=a/flag=true/size=1",
            "t1@n/flag=true/kind=a/size=1",
        ),
        *("t1@m/flag=true/kind=a/size=1/", "t1@m/flag=True/kind=a/size=1"),
    ],
)
def test_an_unknown_id_is_not_found(tmp_path: Path, unknown: str):
    assert source(tmp_path, matrix=MATRIX).find(unknown) is None


@pytest.mark.parametrize("instance", ["0", "3", "01", "+1", "١", "", "1_0", "9" * 5000])
def test_an_instance_is_a_plain_number_in_range(tmp_path: Path, instance: str):
    tasks = source(tmp_path, matrix="[tasks.matrix]\ninstances = 2")
    assert tasks.find("t1@m/instance=2") == (0, 1)
    assert tasks.find(f"t1@m/instance={instance}") is None


def test_model_names_that_would_give_one_id_to_two_tasks_are_refused(tmp_path: Path):
    with pytest.raises(PlanError, match="task ids would clash"):
        source(tmp_path, models=("b", "a@b"))


@pytest.mark.parametrize(
    ("order", "limit", "counts"),
    [
        ("interleaved", 1, [1, 0]),
        ("interleaved", 3, [2, 1]),
        ("interleaved", 99, [3, 3]),
        ("by-model", 2, [2, 0]),
        ("by-model", 4, [3, 1]),
    ],
)
def test_a_limit_keeps_the_first_tasks_of_the_plans_order(
    tmp_path: Path, order: str, limit: int, counts: list[int]
):
    tasks = source(tmp_path, models=("m", "n"), order=order, limit=limit)
    assert [tasks.count(0), tasks.count(1)] == counts
    assert len(tasks) == sum(counts)
    assert tasks.per_model == max(counts)
    assert tasks.find("t3@n") == ((1, 2) if counts[1] == 3 else None)


def test_single_tasks_are_chosen_by_task_id_or_source_id(tmp_path: Path):
    matrix = "[tasks.matrix]\ninstances = 2"
    tasks = source(tmp_path, models=("m", "n"), matrix=matrix, only=("t3", "t1@n/instance=2"))
    assert ids(tasks, 0) == ["t3@m/instance=1", "t3@m/instance=2"]
    assert ids(tasks, 1) == ["t1@n/instance=2", "t3@n/instance=1", "t3@n/instance=2"]
    assert tasks.find("t3@n/instance=2") == (1, 2)
    assert tasks.find("t1@m/instance=2") is None
    with pytest.raises(IndexError):
        tasks.task(0, 2)


def test_unknown_single_tasks_and_bad_limits_are_problems(tmp_path: Path):
    with pytest.raises(PlanError) as caught:
        source(tmp_path, only=("t1", "nobody", "t9"))
    assert [(one.file, one.key) for one in caught.value.problems] == [
        ("--task", "nobody"),
        ("--task", "t9"),
    ]
    with pytest.raises(PlanError, match="must be at least 1, not 0"):
        source(tmp_path, limit=0)


def library(folder: Path, matrix: str) -> TaskSource:
    text = plan_template().partition("[tasks.matrix]")[0]
    (folder / "plan.toml").write_text(f"{text}[tasks.matrix]\n{matrix}\n")
    source = read_plan(folder / "plan.toml", environ={}).tasks()
    assert isinstance(source, TaskSource)
    return source


def test_the_library_is_chosen_from_and_not_multiplied(tmp_path: Path):
    whole = library(tmp_path, "")
    assert len(whole) >= 100
    assert whole.task(0, 0).labels.keys() >= {"task_type", "difficulty"}
    easy = library(tmp_path, 'difficulty = ["easy", "very_easy"]\ntask_type = ["data_pipeline"]')
    found = [easy.task(0, k) for k in range(len(easy))]
    assert 0 < len(found) < len(whole)
    for k, task in enumerate(found):
        assert task.labels["difficulty"] == task.data["difficulty"] in {"easy", "very_easy"}
        assert task.labels["task_type"] == task.data["task_type"] == "data_pipeline"
        difficulty = task.labels["difficulty"]
        assert task.task_id.endswith(f"/difficulty={difficulty}/task_type=data_pipeline")
        assert easy.find(task.task_id) == (0, k)
        other = {"easy": "very_easy", "very_easy": "easy"}[str(difficulty)]
        assert easy.find(task.task_id.replace(f"={difficulty}", f"={other}")) is None


def test_a_choice_that_leaves_no_task_is_a_problem(tmp_path: Path):
    (tmp_path / "tasks.jsonl").write_text(
        '{"id": "a", "description": "d", "required_tools": ["x"]}\n'
    )
    text = PLAN.format(
        models='[[models]]\nname = "m"\nendpoint = "local"', matrix="", order="by-model"
    )
    text = text.replace('"command"', '"interactive"').replace('argv = ["true"]\n', "")
    (tmp_path / "plan.toml").write_text(f'{text}[tasks.matrix]\ndifficulty = ["hard"]\n')
    with pytest.raises(PlanError, match="no task has the difficulty that the matrix asks for"):
        read_plan(tmp_path / "plan.toml", environ={}, check_entry=False)
