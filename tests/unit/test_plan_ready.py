"""Ready plans, models by name on the command line, and plans that are shared between runs."""

from pathlib import Path

import pytest

from runner.engine.config import PlanDocument, read_plan
from runner.errors import PlanError

ENVIRON = {"OPENAI_API_KEY": "k"}
PLAN = """
[[endpoints]]
name = "one"
base_url = "http://127.0.0.1:1/v1"
[[endpoints]]
name = "two"
base_url = "http://127.0.0.1:2/v1"
[[models]]
name = "known"
endpoint = "two"
workers = 3
[tasks]
executor = "interactive"
[tasks.matrix]
difficulty = ["easy"]
prompt_type = ["cot", "optimal", "baseline"]
"""


def ready(phase: str, **overrides: str) -> PlanDocument:
    return read_plan(f"pilot:{phase}", {"models": "m-a,m-b", **overrides}, environ=ENVIRON)


@pytest.mark.parametrize(
    ("phase", "tasks"), [("5.1", 20), ("5.2", 20), ("5.3", 140), ("5.4", 80), ("5.5", 60)]
)
def test_every_phase_has_twenty_tasks_a_cell(phase: str, tasks: int) -> None:
    document = ready(phase)
    assert [model.name for model in document.plan.models] == ["m-a", "m-b"]
    assert {model.endpoint for model in document.plan.models} == {"main"}
    assert len(document.tasks()) == 2 * tasks
    assert not document.warnings


def test_a_ready_plan_takes_other_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = {
        "endpoints.main.base_url": "http://127.0.0.1:9/v1",
        "models.m-b.deployments": '["b-1", "b-2"]',
        "tasks.matrix.severity": '["light"]',
    }
    document = ready("5.3", **settings)
    assert document.plan.endpoint("main").base_url == "http://127.0.0.1:9/v1"
    assert document.plan.model("m-b").deployments == ("b-1", "b-2")
    assert document.tasks().task(0, 0).labels["severity"] == "light"
    assert document.folder == tmp_path


def test_a_ready_plan_says_what_it_lacks() -> None:
    with pytest.raises(PlanError, match="--set models=NAME,NAME"):
        read_plan("pilot:5.3", environ=ENVIRON)


def test_an_unknown_phase_names_the_known_ones() -> None:
    with pytest.raises(PlanError, match=r"there are pilot:5\.1, .*pilot:5\.5"):
        read_plan("pilot:5.9")


@pytest.mark.parametrize("value", ["known,new", '["known", "new"]'])
def test_models_by_name(tmp_path: Path, value: str) -> None:
    (tmp_path / "plan.toml").write_text(PLAN)
    plan = read_plan(tmp_path / "plan.toml", {"models": value}).plan
    found = [(model.name, model.endpoint, model.workers) for model in plan.models]
    assert found == [("known", "two", 3), ("new", "one", 0)]


def test_models_as_tables_stay_tables(tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text(PLAN)
    value = '[{name = "x", endpoint = "two"}]'
    plan = read_plan(tmp_path / "plan.toml", {"models": value}).plan
    assert [(model.name, model.endpoint) for model in plan.models] == [("x", "two")]


@pytest.mark.parametrize("limit", [None, 50], ids=["whole", "limited"])
@pytest.mark.parametrize("parts", [1, 2, 3, 7])
def test_shards_are_disjoint_and_together_the_plan(parts: int, limit: int | None) -> None:
    document = ready("5.3")
    whole = document.tasks(limit=limit)
    wanted = {whole.task(m, k).task_id for m in range(2) for k in range(whole.count(m))}
    found: list[str] = []
    for part in range(1, parts + 1):
        source = document.tasks(limit=limit, shard=(part, parts))
        mine = [source.task(m, k) for m in range(2) for k in range(source.count(m))]
        assert all(source.find(task.task_id) is not None for task in mine)
        assert abs(len(mine) - len(wanted) / parts) <= 7, "one line's cells at most"
        found += [task.task_id for task in mine]
    assert len(found) == len(set(found))
    assert set(found) == wanted


def test_a_shard_has_tasks_of_every_cell() -> None:
    source = ready("5.3").tasks(shard=(3, 7))
    tasks = [source.task(m, k) for m in range(2) for k in range(source.count(m))]
    assert len({(task.model, task.labels["prompt_type"]) for task in tasks}) == 14


@pytest.mark.parametrize(
    ("shard", "text"), [((5, 4), "from 1 to N"), ((0, 4), "from 1 to N"), ((999, 999), "no task")]
)
def test_a_shard_that_cannot_be_is_refused(shard: tuple[int, int], text: str) -> None:
    with pytest.raises(PlanError, match=text):
        ready("5.1").tasks(shard=shard)
