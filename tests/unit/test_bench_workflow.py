"""Workflows as prompts show them: right for `optimal`, wrong in one of seven ways else."""

from typing import get_args

import pytest

from runner.host.bench import prompts
from runner.host.bench.flaws import Flaw, Severity
from runner.host.bench.library import BenchTask, Library, load_tasks, load_tools
from runner.host.bench.steps import Step, written
from runner.host.bench.workflow import PROMPT_TYPES, BadLabel, build, right_steps, to_variant

LIBRARY: Library = load_tools()
TASKS: list[BenchTask] = load_tasks()
FLAWS: tuple[Flaw, ...] = get_args(Flaw)
SEVERITIES: tuple[Severity, ...] = get_args(Severity)


def flawed(task: BenchTask, flaw: str, severity: str, seed: int = 1) -> tuple[Step, ...]:
    return build(task, LIBRARY, to_variant(f"flawed_{flaw}", "", severity), seed)


def tools(steps: tuple[Step, ...]) -> list[str]:
    return [step.tool for step in steps]


@pytest.mark.parametrize("prompt_type", ["baseline", "cot"])
def test_no_workflow_is_shown(prompt_type: str) -> None:
    assert build(TASKS[0], LIBRARY, to_variant(prompt_type, "", "medium"), 1) == ()


def test_the_optimal_workflow_is_the_required_tools_in_order() -> None:
    for task in TASKS:
        steps = build(task, LIBRARY, to_variant("optimal", "", "medium"), 1)
        assert tools(steps) == list(task.required_tools)
        assert "as the task says" not in written(steps), task.id


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("flaw", FLAWS)
def test_each_flaw_changes_each_workflow(flaw: str, severity: str) -> None:
    for task in TASKS:
        assert flawed(task, flaw, severity) != right_steps(task, LIBRARY), task.id


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("flaw", FLAWS)
def test_a_flaw_is_the_same_for_the_same_seed(flaw: str, severity: str) -> None:
    first = [flawed(task, flaw, severity, 5) for task in TASKS]
    assert first == [flawed(task, flaw, severity, 5) for task in TASKS]


@pytest.mark.parametrize("flaw", ["tool_misuse", "parameter_error", "logical_inconsistency"])
def test_more_severe_is_more_steps(flaw: str) -> None:
    for task in TASKS:
        right = right_steps(task, LIBRARY)
        changed = [
            sum(one != two for one, two in zip(right, flawed(task, flaw, severity), strict=True))
            for severity in SEVERITIES
        ]
        assert changed == [1, (len(right) + 1) // 2, len(right)], task.id


@pytest.mark.parametrize("severity", SEVERITIES)
def test_what_each_flaw_does(severity: str) -> None:
    for task in TASKS:
        right, required = right_steps(task, LIBRARY), list(task.required_tools)
        disorder = tools(flawed(task, "sequence_disorder", severity))
        if len(right) > 1:
            assert sorted(disorder) == sorted(required)
        assert disorder != required
        assert set(tools(flawed(task, "tool_misuse", severity))) != set(required)
        assert tools(flawed(task, "parameter_error", severity)) == required
        missing = tools(flawed(task, "missing_step", severity))
        assert len(missing) < len(required)
        assert set(missing) <= set(required)
        redundant = tools(flawed(task, "redundant_operations", severity))
        assert len(redundant) > len(required)
        assert [name for name in dict.fromkeys(redundant) if name in required] == required
        illogical = flawed(task, "logical_inconsistency", severity)
        assert tools(illogical) == required
        assert any(step.condition for step in illogical)
        drifted = flawed(task, "semantic_drift", severity)
        assert [step.purpose for step in drifted] != [step.purpose for step in right]
        assert (tools(drifted) == required) == (severity == "light")


def test_every_flaw_works_on_a_registry_of_one_tool() -> None:
    one = Library([LIBRARY.tools["file_reader"]])
    task = BenchTask(id="t", description="d", required_tools=("file_reader",))
    for flaw in FLAWS:
        for severity in SEVERITIES:
            build(task, one, to_variant(f"flawed_{flaw}", "", severity), 1)


@pytest.mark.parametrize(
    ("prompt_type", "flaw", "severity", "known"),
    [
        ("optimum", "", "light", "optimal"),
        ("flawed_typo", "", "light", "flawed_tool_misuse"),
        ("flawed", "typo", "light", "flawed_tool_misuse"),
        ("flawed_tool_misuse", "", "extreme", "severe"),
        (3, "", "light", "baseline"),
    ],
)
def test_an_unknown_label_names_the_known_ones(
    prompt_type: object, flaw: object, severity: object, known: str
) -> None:
    with pytest.raises(BadLabel, match=known):
        to_variant(prompt_type, flaw, severity)


def test_flaw_may_be_a_label_of_its_own() -> None:
    assert to_variant("flawed", "tool_misuse", "light") == to_variant(
        "flawed_tool_misuse", "", "light"
    )


@pytest.mark.parametrize("prompt_type", PROMPT_TYPES)
def test_only_workflows_name_required_tools(prompt_type: str) -> None:
    task = next(task for task in TASKS if task.id == "stages-medium-1")
    variant = to_variant(prompt_type, "", "medium")
    text = prompts.user(task, variant, build(task, LIBRARY, variant, 1))
    assert task.description in text
    shows = any(f"`{name}`" in text for name in task.required_tools)
    assert shows == (prompt_type not in {"baseline", "cot"})
    assert ("step by step" in text) == (prompt_type == "cot")
    assert "flaw" not in text


def test_the_rules_fit_the_protocol() -> None:
    assert "<tool_call>" in prompts.system("tags", 10)
    assert "<tool_call>" not in prompts.system("functions", 10)
    names = [one["function"]["name"] for one in prompts.functions()]
    assert names == ["tool_search", "tool_info", "tool_call"]
