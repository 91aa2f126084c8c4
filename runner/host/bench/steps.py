"""A step of a workflow, and how steps are written out.

Apart from both the workflow and its flaws, which would otherwise import each other.
"""

from collections.abc import Sequence
from typing import NamedTuple


class Step(NamedTuple):
    """One step: run ``tool`` for ``purpose``; ``inputs`` are (parameter, value as text) pairs."""

    tool: str
    purpose: str
    inputs: tuple[tuple[str, str], ...] = ()
    condition: str = ""


def written(steps: Sequence[Step]) -> str:
    """The steps as numbered lines, as the model sees them."""
    lines: list[str] = []
    for number, step in enumerate(steps, 1):
        lines.append(f"{number}. `{step.tool}`: {step.purpose}")
        lines.extend(f"   - {name} = {value}" for name, value in step.inputs)
        if step.condition:
            lines.append(f"   - condition: {step.condition}")
    return "\n".join(lines)
