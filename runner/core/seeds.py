"""The seed of a task: what its simulated tools and its flawed workflow are drawn from.

Apart from the plan because it is a rule of the benchmark. The seed does not depend on the model,
the prompt or the tool success rate, so that all of them meet the same luck and differences between
them are theirs; nor on the attempt, so that a requeue after a hang changes no result.
"""

from hashlib import blake2b
from typing import Final

from runner.core.plan import Task

FACTORS: Final = frozenset({"prompt_type", "flaw", "severity", "tool_success_rate"})
"""Labels that a benchmark compares; all others, ``instance`` above all, tell repetitions apart."""


def seed_of(run_seed: int, task: Task) -> int:
    """A number from 0 to 2**63 - 1 for the task under the plan's ``seed``; the same for ever."""
    labels = sorted((key, value) for key, value in task.labels.items() if key not in FACTORS)
    digest = blake2b(repr((run_seed, task.id, labels)).encode(), digest_size=8).digest()
    return int.from_bytes(digest) >> 1
