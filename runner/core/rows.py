"""The result row and the part of it that a host fills in.

Apart because three sides must agree on it: the host that measures, the engine that adds who and
where, and every reader of the Parquet files.
"""

from typing import Any

from msgspec import Struct


class ToolCall(Struct, kw_only=True, omit_defaults=True):
    """One tool call of an attempt, as it stands in the row's ``tool_calls`` list."""

    turn: int = 0
    tool: str = ""
    ok: bool = True
    error: str = ""
    elapsed_s: float = 0.0


class Record(Struct, kw_only=True, omit_defaults=True):
    """What only the host knows of an attempt: scores, counts, times. It rides in ``Ended``.

    ``extra`` and ``messages`` are JSON texts. ``score`` is 0..1, or None where nothing was scored.
    """

    score: float | None = None
    success_level: str = ""
    required_coverage: float | None = None
    in_order: bool | None = None
    turns: int = 0
    calls: int = 0
    call_retries: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float = 0.0
    api_s: float = 0.0
    backoff_s: float = 0.0
    tool_s: float = 0.0
    tool_calls: list[ToolCall] = []
    loop_turn: int | None = None
    error: str = ""
    extra: str = "{}"
    messages: str = "[]"


class Row(Struct, kw_only=True):
    """One attempt, whole: a line of ``results/*.parquet``. Field names are the contract's."""

    run_id: str
    task_id: str
    attempt: int
    attempt_id: str
    model: str
    deployment: str
    endpoint: str
    task_type: str = ""
    prompt_type: str = ""
    difficulty: str = ""
    tool_success_rate: float | None = None
    flaw: str = ""
    instance: int | None = None
    labels: dict[str, str] = {}
    outcome: str
    cause: str = ""
    score: float | None = None
    success_level: str = ""
    required_coverage: float | None = None
    in_order: bool | None = None
    turns: int = 0
    calls: int = 0
    call_retries: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float = 0.0
    started_at: float
    """Unix seconds; a UTC timestamp in microseconds in the file."""
    elapsed_s: float
    api_s: float = 0.0
    backoff_s: float = 0.0
    tool_s: float = 0.0
    tool_calls: list[ToolCall] = []
    loop_turn: int | None = None
    worker: int
    host: int
    error: str = ""
    extra: str = "{}"
    messages: str = "[]"


def complete(record: Record, identity: dict[str, Any]) -> Row:
    """A row out of the host's record and the engine's ``identity`` (every field not measured)."""
    measured = {name: getattr(record, name) for name in record.__struct_fields__}
    return Row(**{**measured, **identity})
