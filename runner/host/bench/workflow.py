"""The workflow that a prompt shows: the right one, or one with a flaw put in.

Pure and apart from the prompts because it is the subject of phase 5.3: which flaw, how severe, and
the same for the same seed. A workflow is a list of steps; `runner.host.bench.flaws` changes it.
"""

import json
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, Final, Literal, NamedTuple, TypeAlias, get_args

from runner.host.bench.flaws import Flaw, Severity, inject
from runner.host.bench.library import BenchTask, Library, Parameter, Tool
from runner.host.bench.steps import Step

PromptType: TypeAlias = Literal[
    "baseline",
    "cot",
    "optimal",
    "flawed_sequence_disorder",
    "flawed_tool_misuse",
    "flawed_parameter_error",
    "flawed_missing_step",
    "flawed_redundant_operations",
    "flawed_logical_inconsistency",
    "flawed_semantic_drift",
]
PROMPT_TYPES: Final[tuple[str, ...]] = get_args(PromptType)
_FLAWED: Final = "flawed_"
_SCALARS: Final = frozenset({"boolean", "integer", "number"})


class BadLabel(ValueError):
    """A label of the task's cell has a value that the benchmark does not know."""


class Variant(NamedTuple):
    """Which prompt a task is given. ``flaw`` and ``severity`` are None without a flaw."""

    prompt_type: str
    flaw: Flaw | None
    severity: Severity | None


def to_variant(prompt_type: object, flaw: object, severity: object) -> Variant:
    """Check the labels. ``flawed`` with a ``flaw`` label is the same as ``flawed_<flaw>``.

    Raises BadLabel, with what would do, for a value that is not known.
    """
    if prompt_type == "flawed":
        prompt_type = f"{_FLAWED}{flaw}"
    if prompt_type not in PROMPT_TYPES:
        raise _bad_label("prompt_type", prompt_type, PROMPT_TYPES)
    for known in get_args(Flaw):
        if prompt_type == f"{_FLAWED}{known}":
            for level in get_args(Severity):
                if severity == level:
                    return Variant(f"{_FLAWED}{known}", known, level)
            raise _bad_label("severity", severity, get_args(Severity))
    return Variant(str(prompt_type), None, None)


def build(task: BenchTask, library: Library, variant: Variant, seed: int) -> tuple[Step, ...]:
    """The steps to show; none for ``baseline`` and ``cot``, which show no workflow."""
    if variant.prompt_type in {"baseline", "cot"}:
        return ()
    steps = right_steps(task, library)
    if variant.flaw is None or variant.severity is None:
        return steps
    chance = Random(f"{seed}/{task.id}/{variant.flaw}/{variant.severity}")
    return inject(steps, variant.flaw, variant.severity, library, chance)


def right_steps(task: BenchTask, library: Library) -> tuple[Step, ...]:
    """One step for each required tool, its arguments taken from the input or from earlier steps."""
    given = task.input_fields()
    steps: list[Step] = []
    tools = [library.tools[name] for name in task.required_tools]
    for number, tool in enumerate(tools):
        inputs = tuple(
            (one.name, _source(one, tool, tools[:number], given))
            for one in tool.parameters
            if one.required or one.name in given
        )
        steps.append(Step(tool.name, tool.description, inputs))
    return tuple(steps)


def _source(one: Parameter, tool: Tool, earlier: Sequence[Tool], given: Mapping[str, Any]) -> str:
    """Where a parameter's value comes from, as the workflow says it."""
    if tool.output and f"output_{one.name}" in given:
        return _literal(given[f"output_{one.name}"])
    if one.name in given:
        return _literal(given[one.name])
    for number in range(len(earlier), 0, -1):
        value = _handed_on(one, tool, earlier[number - 1])
        if value:
            return f"{value} of step {number}"
    return "as the task says"


def _handed_on(one: Parameter, tool: Tool, earlier: Tool) -> str:
    """Which result of an earlier step fits a parameter; empty if that step hands no data on.

    A verdict or a count (``valid``, ``status``) is no data, and neither is what a dependency gives
    beside its main result: a validator's violations are not what is to be written.
    """
    returns = earlier.returns[:1] if earlier.name in tool.dependencies else earlier.returns
    for value in returns:
        if value.name == one.name:
            return value.name
    for value in returns:
        if value.type == one.type:
            return value.name
    main = earlier.returns[0] if earlier.returns else None
    if main is None or main.type in _SCALARS or earlier.name in tool.dependencies:
        return ""
    return main.name


def _literal(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)[:500]


def _bad_label(name: str, value: object, known: Sequence[str]) -> BadLabel:
    return BadLabel(f"{name} = {str(value)[:100]!r}: expected one of {', '.join(known)}")
