"""What comes after an attempt: is its task queued again, queued to run alone, or done?"""

from runner.core.outcomes import (
    DEADLINE_RUN,
    FROZE_HOST,
    HOST_EXIT,
    KILLED_STOP,
    SCORED,
    Then,
    is_charged,
    may_requeue,
)
from runner.core.state.model import TaskState

DEATHS_ALONE = 2
"""Unexplained deaths of its host after which a task runs next alone in a host of one slot."""

CULPRIT_TRIES = 1
"""How often a task that froze or killed its host is tried again, alone."""


def after(
    outcome: str, cause: str, task: TaskState | None, max_attempts: int, *, suspect: bool = False
) -> Then:
    """What follows the end of an attempt of ``task`` (its state before that end).

    ``suspect`` says that its host died and nobody knows which of its attempts did it.
    """
    if task is not None and task.retry_wanted:
        return "requeued"
    if outcome in SCORED:
        return "final"
    if cause in (KILLED_STOP, DEADLINE_RUN):
        return "requeued"
    if not may_requeue(outcome, cause):
        return "final"
    if cause in (FROZE_HOST, HOST_EXIT):
        return _culprit(task, max_attempts)
    if outcome == "lost":
        deaths = (task.deaths if task else 0) + suspect
        alone = (task is not None and task.alone) or deaths >= DEATHS_ALONE
        return "alone" if alone else "requeued"
    charged = (task.charged if task else 0) + is_charged(outcome, cause)
    if charged >= max_attempts:
        return "final"
    return "alone" if task is not None and task.alone else "requeued"


def _culprit(task: TaskState | None, max_attempts: int) -> Then:
    """Tried again at most once, and within ``max_attempts`` like any error."""
    froze = (task.froze if task else 0) + 1
    charged = (task.charged if task else 0) + 1
    return "alone" if froze <= CULPRIT_TRIES and charged < max_attempts else "final"
