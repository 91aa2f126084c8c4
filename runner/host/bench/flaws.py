"""The seven flaws of phase 5.3: each takes right steps and returns wrong ones.

Pure and apart from the workflow so that each flaw is one function that can be read and tested by
itself. ``light`` harms one step, ``medium`` half of them, ``severe`` all of them; which ones is
drawn from the ``chance`` that the caller seeds. The result differs from what went in for every
severity, and all severities of one seed start with the same step, so that they compare.
"""

from collections.abc import Callable, Sequence
from random import Random
from typing import Final, Literal, TypeAlias

from runner.host.bench.library import Library, Tool
from runner.host.bench.steps import Step

Flaw: TypeAlias = Literal[
    "sequence_disorder",
    "tool_misuse",
    "parameter_error",
    "missing_step",
    "redundant_operations",
    "logical_inconsistency",
    "semantic_drift",
]
Severity: TypeAlias = Literal["light", "medium", "severe"]
_Steps: TypeAlias = tuple[Step, ...]


def inject(
    steps: _Steps, flaw: Flaw, severity: Severity, library: Library, chance: Random
) -> _Steps:
    """The steps with the flaw put in."""
    return _FLAWS[flaw](steps, severity, library, chance)


def _harmed(steps: _Steps, severity: Severity, chance: Random) -> list[int]:
    """Positions of the steps to harm, in no order: one, half (rounded up), or all."""
    positions = list(range(len(steps)))
    chance.shuffle(positions)
    count = {"light": 1, "medium": (len(steps) + 1) // 2, "severe": len(steps)}[severity]
    return positions[:count]


def _sequence_disorder(
    steps: _Steps, severity: Severity, library: Library, chance: Random
) -> _Steps:
    """Light swaps two neighbours, medium moves the first step to the end, severe reverses all.

    A single step has no order: a delivery of what is not there yet is put before it.
    """
    if len(steps) == 1:
        early = chance.choice(_others(library, steps, lambda tool: tool.output))
        return (Step(early.name, early.description, _unfilled(early)), *steps)
    if severity == "light":
        first = chance.randrange(len(steps) - 1)
        order = list(steps)
        order[first], order[first + 1] = order[first + 1], order[first]
        return tuple(order)
    if severity == "medium":
        return (*steps[1:], steps[0])
    return steps[::-1]


def _tool_misuse(steps: _Steps, severity: Severity, library: Library, chance: Random) -> _Steps:
    """Another tool stands where the right one should, of the same category if there is one."""
    changed = list(steps)
    for position in _harmed(steps, severity, chance):
        right = library.tools[steps[position].tool]
        near = _others(library, changed, lambda tool, right=right: tool.category == right.category)
        changed[position] = changed[position]._replace(tool=chance.choice(near).name)
    return tuple(changed)


def _parameter_error(steps: _Steps, severity: Severity, library: Library, chance: Random) -> _Steps:
    """Parameters with values of the wrong kind, wrong names, or missing altogether."""
    del library
    changed = list(steps)
    for position in _harmed(steps, severity, chance):
        inputs = list(steps[position].inputs)
        if not inputs:
            inputs = [("mode", '"none"')]
        else:
            which = chance.randrange(len(inputs))
            name, value = inputs[which]
            wrong = chance.choice(("value", "name", "missing"))
            if wrong == "value":
                inputs[which] = (name, "-1" if value.startswith('"') else '"undefined"')
            elif wrong == "name":
                inputs[which] = (f"{name}_id", value)
            else:
                del inputs[which]
        changed[position] = steps[position]._replace(inputs=tuple(inputs))
    return tuple(changed)


def _missing_step(steps: _Steps, severity: Severity, library: Library, chance: Random) -> _Steps:
    """Steps are left out. Severe leaves the last one alone (none, where it was the only one)."""
    del library
    if severity == "severe":
        return steps[-1:] if len(steps) > 1 else ()
    gone = set(_harmed(steps, severity, chance))
    return tuple(step for position, step in enumerate(steps) if position not in gone)


def _redundant_operations(
    steps: _Steps, severity: Severity, library: Library, chance: Random
) -> _Steps:
    """Steps are done twice, and severe adds checks that nobody asked for."""
    twice = set(_harmed(steps, severity, chance))
    checks = _others(library, steps, lambda tool: tool.category == "quality")
    changed: list[Step] = []
    for position, step in enumerate(steps):
        changed.append(step)
        if position in twice:
            changed.append(step._replace(purpose=f"Once more: {step.purpose}"))
            if severity == "severe":
                check = chance.choice(checks)
                changed.append(Step(check.name, check.description, _unfilled(check)))
    return tuple(changed)


def _logical_inconsistency(
    steps: _Steps, severity: Severity, library: Library, chance: Random
) -> _Steps:
    """Conditions that cannot hold: on later steps, on the step itself, on success and failure."""
    del library
    changed = list(steps)
    for position in _harmed(steps, severity, chance):
        conditions = [
            f"only if step {position + 1} has already succeeded",
            "run this step only if it is not needed, otherwise skip it",
        ]
        if position + 1 < len(steps):
            conditions.append(f"only after step {len(steps)} has succeeded")
        if position > 0:
            conditions.append(
                f"skip it if step {position} succeeded, stop if step {position} failed"
            )
        changed[position] = steps[position]._replace(condition=chance.choice(conditions))
    return tuple(changed)


def _semantic_drift(steps: _Steps, severity: Severity, library: Library, chance: Random) -> _Steps:
    """The workflow drifts towards another goal, from its end backwards.

    Light keeps the tool and changes what the last step is for; from medium on the tools follow.
    """
    count = {"light": 1, "medium": (len(steps) + 1) // 2, "severe": max(1, len(steps) - 1)}[
        severity
    ]
    changed = list(steps)
    for position in range(len(steps) - count, len(steps)):
        right = library.tools[steps[position].tool]
        far = _others(library, changed, lambda tool, right=right: tool.category != right.category)
        other = chance.choice(far)
        if severity == "light":
            changed[position] = steps[position]._replace(purpose=other.description)
        else:
            changed[position] = Step(other.name, other.description, _unfilled(other))
    return tuple(changed)


_FLAWS: Final[dict[Flaw, Callable[[_Steps, Severity, Library, Random], _Steps]]] = {
    "sequence_disorder": _sequence_disorder,
    "tool_misuse": _tool_misuse,
    "parameter_error": _parameter_error,
    "missing_step": _missing_step,
    "redundant_operations": _redundant_operations,
    "logical_inconsistency": _logical_inconsistency,
    "semantic_drift": _semantic_drift,
}


def _others(
    library: Library, steps: Sequence[Step], wanted: Callable[[Tool], bool]
) -> Sequence[Tool]:
    """Tools outside ``steps`` that are ``wanted``, else any outside, else any at all."""
    used = {step.tool for step in steps}
    outside = [tool for tool in library.tools.values() if tool.name not in used]
    return [one for one in outside if wanted(one)] or outside or list(library.tools.values())


def _unfilled(tool: Tool) -> tuple[tuple[str, str], ...]:
    return tuple((one.name, "as available") for one in tool.parameters if one.required)
