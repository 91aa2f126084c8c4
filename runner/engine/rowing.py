"""Rows out of attempts: the host's record, the task's labels and what the log knows, in one.

Pure, and apart from `attempts` because a row and the event that tells of it are made in four places
(an attempt that ended, one whose host died, one that a dead engine left behind, one of another
harness) and must look the same in all of them.
"""

from typing import Any, Final

from msgspec import Struct

from runner.core import events as ev
from runner.core.outcomes import Then
from runner.core.plan import Task
from runner.core.rows import Record, Row, complete
from runner.core.state import WorkerState

LABEL_COLUMNS: Final = ("task_type", "prompt_type", "difficulty")
ERROR_CHARS: Final = 400
_FLAWED: Final = "flawed_"


class Ending(Struct, kw_only=True):
    """What `AttemptEnded` repeats of a row; field names are the row's."""

    task_id: str
    attempt: int
    attempt_id: str
    model: str
    worker: int
    host: int
    outcome: str
    cause: str
    elapsed_s: float
    score: float | None
    turns: int
    calls: int
    call_retries: int
    tokens_in: int
    tokens_out: int
    cost: float
    backoff_s: float
    error: str


_REPEATED: Final = tuple(
    name for name in Ending.__struct_fields__ if name not in {"elapsed_s", "error"}
)


def record_of(worker: WorkerState, error: str) -> Record:
    """What the log knows of an attempt whose host can no longer tell."""
    return Record(
        turns=worker.turn,
        calls=worker.calls,
        call_retries=worker.call_retries,
        tokens_in=worker.tokens_in,
        tokens_out=worker.tokens_out,
        backoff_s=worker.backoff_s,
        error=error,
    )


def row_of(
    *,
    run_id: str,
    task: Task,
    worker: WorkerState,
    outcome: str,
    cause: str,
    elapsed_s: float,
    record: Record,
) -> Row:
    """The row of an attempt. ``worker`` is its slot's state just before the end.

    Labels of the contract's columns come from the plan's matrix or the task itself; all labels
    stand in ``labels`` too.
    """
    labels = task.labels
    identity: dict[str, Any] = {
        "run_id": run_id,
        "task_id": task.task_id,
        "attempt": worker.attempt,
        "attempt_id": worker.attempt_id,
        "model": worker.model,
        "deployment": worker.deployment,
        "endpoint": worker.endpoint,
        **{name: _word(labels.get(name, task.data.get(name))) for name in LABEL_COLUMNS},
        "tool_success_rate": _number(labels.get("tool_success_rate")),
        "flaw": _flaw(labels),
        "instance": _whole(labels.get("instance")),
        "labels": {name: str(value) for name, value in labels.items()},
        "outcome": outcome,
        "cause": cause,
        "cost": worker.cost,
        "started_at": worker.started_at,
        "elapsed_s": elapsed_s,
        "worker": worker.worker,
        "host": worker.host,
    }
    return complete(record, identity)


def ended(
    row: Row | Ending, number: int, *, then: Then, rung: str = "", suspect: bool = False
) -> ev.AttemptEnded:
    """The event that tells of a row. ``number`` is the row's commit number."""
    repeated: dict[str, Any] = {name: getattr(row, name) for name in _REPEATED}
    return ev.AttemptEnded(
        **repeated,
        elapsed_s=round(row.elapsed_s, 6),
        rung=rung,
        row=number,
        then=then,
        suspect=suspect,
        error=_last_line(row.error),
    )


def _last_line(error: str) -> str:
    """What went wrong, out of a traceback: its last line with words, at most `ERROR_CHARS`.

    The whole text stands in the row; an event carries what a list can show.
    """
    for line in reversed(error.splitlines()):
        if line.strip(" ^~"):
            return line.strip()[:ERROR_CHARS]
    return ""


def _flaw(labels: dict[str, Any]) -> str:
    prompt_type = str(labels.get("prompt_type", ""))
    named = prompt_type.removeprefix(_FLAWED) if prompt_type.startswith(_FLAWED) else ""
    return str(labels.get("flaw", named))


def _word(value: Any) -> str:
    return "" if value is None else str(value)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
