"""The score of an attempt, from the facts that the turns left behind.

Pure and apart from the turns so that an attempt that ran out of turns, was ended early or was
recorded long ago is judged by the same rule.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal, TypeAlias

import msgspec

from runner.host.bench.library import BenchTask, Library, TaskType
from runner.host.bench.protocol import Protocol

Ended: TypeAlias = Literal["done", "said", "turns"]
"""Why the turns ended: all required tools succeeded, the model said so, or none were left."""

COVERAGE_FOR_PARTIAL: Final = 0.6
SIGNS_FOR_PARTIAL: Final = 2

MINIMUM_SUCCESSES: Final[dict[TaskType, int]] = {
    "simple_task": 1,
    "basic_task": 2,
    "data_pipeline": 3,
    "api_integration": 2,
    "multi_stage_pipeline": 4,
}
"""Different tools that must have succeeded; never more than the task requires."""

_SCORES: Final = {"full": 1.0, "partial": 0.5, "failed": 0.0}
_OUTCOMES: Final = {"full": "passed", "partial": "partial", "failed": "failed"}


class CallFact(msgspec.Struct, frozen=True):
    """One tool call; ``error`` is the tool's error code, empty on success."""

    turn: int
    tool: str
    ok: bool
    error: str
    args_chars: int


class Facts(msgspec.Struct):
    """What happened in an attempt; ``run`` returns it as a dict, ``score`` reads it back."""

    turns: int = 0
    ended: Ended = "turns"
    done: bool = False
    """The attempt was ended because every required tool had succeeded (cause ``loop:done``)."""
    completion_said: bool = False
    searches: int = 0
    tool_infos: int = 0
    invalid_replies: int = 0
    tool_calls: list[CallFact] = []
    format_errors: dict[str, int] = {}
    argument_errors: dict[str, int] = {}
    prompt_type: str = "baseline"
    flaw: str = ""
    severity: str = ""
    tool_success_rate: float = 0.0
    protocol: Protocol = "tags"
    messages: list[dict[str, Any]] = []


def judge(task: BenchTask, library: Library, facts: Facts) -> dict[str, Any]:
    """The result of the attempt: outcome, score and columns, then everything in ``facts``.

    Full: every required tool succeeded, in the required order. Partial: two of coverage of 60 % or
    more, an output tool succeeded, the task type's minimum of successes, completion said.
    """
    succeeded = [call.tool for call in facts.tool_calls if call.ok]
    covered = len(set(task.required_tools).intersection(succeeded))
    coverage = covered / len(task.required_tools)
    in_order = is_subsequence(task.required_tools, succeeded)
    minimum = min(MINIMUM_SUCCESSES[task.task_type], len(task.required_tools))
    signs = [
        coverage >= COVERAGE_FOR_PARTIAL,
        not output_tools(task, library).isdisjoint(succeeded),
        len(set(succeeded)) >= minimum,
        facts.completion_said,
    ]
    level = "failed"
    if in_order:
        level = "full"
    elif sum(signs) >= SIGNS_FOR_PARTIAL:
        level = "partial"
    result: dict[str, Any] = {
        "outcome": _OUTCOMES[level],
        "score": _SCORES[level],
        "success_level": level,
        "required_coverage": round(coverage, 4),
        "in_order": in_order,
        "task_type": task.task_type,
        "difficulty": task.difficulty,
        "tool_errors": _counts(call.error for call in facts.tool_calls if call.error),
    }
    return result | msgspec.to_builtins(facts)


def is_subsequence(wanted: Sequence[str], happened: Iterable[str]) -> bool:
    """Whether ``wanted`` occurs in ``happened`` in this order, other things between allowed."""
    rest = iter(happened)
    return all(any(one == other for other in rest) for one in wanted)


def output_tools(task: BenchTask, library: Library) -> set[str]:
    """Tools that deliver a result. Where the task requires none of them, its last tool does."""
    outputs = {tool.name for tool in library.tools.values() if tool.output}
    if outputs.isdisjoint(task.required_tools):
        outputs.add(task.required_tools[-1])
    return outputs


def _counts(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))
