"""The one Arrow schema of all parts, and rows turned into a table of it.

Apart because every part of every run must have exactly these columns and types, nulls included:
a glob read by polars fails otherwise. Rows hold text of models and tools, so a value that Arrow
cannot hold is tamed here and never stops the rows behind it.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

import msgspec

from runner.core.rows import Row, ToolCall
from runner.engine.results.arrow import Table, pa

_TEXT: Final = pa.string()
_INT: Final = pa.int64()
_REAL: Final = pa.float64()
_TOOL_CALL: Final = pa.struct(
    [
        ("turn", _INT),
        ("tool", _TEXT),
        ("ok", pa.bool_()),
        ("error", _TEXT),
        ("elapsed_s", _REAL),
    ]
)
SCHEMA: Final = pa.schema(
    [
        ("run_id", _TEXT),
        ("task_id", _TEXT),
        ("attempt", _INT),
        ("attempt_id", _TEXT),
        ("model", _TEXT),
        ("deployment", _TEXT),
        ("endpoint", _TEXT),
        ("task_type", _TEXT),
        ("prompt_type", _TEXT),
        ("difficulty", _TEXT),
        ("tool_success_rate", _REAL),
        ("flaw", _TEXT),
        ("instance", _INT),
        ("labels", pa.map_(_TEXT, _TEXT)),
        ("outcome", _TEXT),
        ("cause", _TEXT),
        ("score", _REAL),
        ("success_level", _TEXT),
        ("required_coverage", _REAL),
        ("in_order", pa.bool_()),
        ("turns", _INT),
        ("calls", _INT),
        ("call_retries", _INT),
        ("tokens_in", _INT),
        ("tokens_out", _INT),
        ("cost", _REAL),
        ("started_at", pa.timestamp("us", tz="UTC")),
        ("elapsed_s", _REAL),
        ("api_s", _REAL),
        ("backoff_s", _REAL),
        ("tool_s", _REAL),
        ("tool_calls", pa.list_(_TOOL_CALL)),
        ("loop_turn", _INT),
        ("worker", _INT),
        ("host", _INT),
        ("error", _TEXT),
        ("extra", _TEXT),
        ("messages", _TEXT),
    ]
)
BODIES: Final = ("extra", "messages")
"""Columns of long unique text: no dictionary, no statistics."""

_INT_MAX: Final = 2**63 - 1
_LATEST_AT: Final = 253_402_300_799.0
"""The last second of the year 9999, where Python's and polars' dates end."""
_CALL_FIELDS: Final = ToolCall.__struct_fields__
_UNFIT: Final = (
    pa.ArrowException,
    UnicodeEncodeError,
    OverflowError,
    TypeError,
    ValueError,
    AttributeError,
)


def to_table(rows: Sequence[Row]) -> Table:
    """Rows as a table of `SCHEMA`, in order.

    A row with a value that Arrow cannot hold (a lone surrogate, an integer over 64 bits, a wrong
    type) is stored with that value tamed; only if that fails too is it reduced to its identity.
    """
    try:
        return _convert(rows)
    except _UNFIT:
        return pa.concat_tables([_tamed(row) for row in rows])


def _convert(rows: Sequence[Row]) -> Table:
    arrays: list[Any] = []
    for field in SCHEMA:
        values = [getattr(row, field.name) for row in rows]
        prepare = _PREPARE.get(field.name)
        if prepare is not None:
            values = [prepare(value) for value in values]
        arrays.append(pa.array(values, field.type))
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def _micros(at: float) -> int:
    return round(at * 1_000_000)


def _pairs(labels: dict[str, str]) -> list[tuple[str, str]]:
    return list(labels.items())


def _calls(calls: list[ToolCall]) -> list[dict[str, Any]]:
    return [{name: getattr(call, name) for name in _CALL_FIELDS} for call in calls]


_PREPARE: Final[dict[str, Callable[[Any], Any]]] = {
    "started_at": _micros,
    "labels": _pairs,
    "tool_calls": _calls,
}


def _tamed(row: Row) -> Table:
    """One row, its values made to fit; at worst its identity and why the rest is missing."""
    try:
        return _convert([row])
    except _UNFIT as error:
        why = f"{type(error).__name__}: {error}"
    tame = {name: _tame(getattr(row, name)) for name in row.__struct_fields__}
    at = tame["started_at"]
    tame["started_at"] = min(max(at, 0.0), _LATEST_AT) if isinstance(at, float) else 0.0
    try:
        return _convert([Row(**tame)])
    except _UNFIT:
        return _convert([_reduced(row, why)])


def _tame(value: Any) -> Any:
    match value:
        case bool() | None:
            return value
        case str():
            return value.encode("utf-8", "replace").decode("utf-8")
        case int():
            return min(max(value, -_INT_MAX), _INT_MAX)
        case float():
            return value if math.isfinite(value) else 0.0
        case ToolCall():
            return ToolCall(**{name: _tame(getattr(value, name)) for name in _CALL_FIELDS})
        case list():
            return [_tame(item) for item in cast("list[Any]", value)]
        case dict():
            entries = cast("dict[Any, Any]", value).items()
            return {_tame(key): _tame(item) for key, item in entries}
        case _:
            return value


def _reduced(row: Row, why: str) -> Row:
    """The row's identity as text and integers that always fit, and the reason for the rest."""

    def text(value: object) -> str:
        return str(value).encode("utf-8", "replace").decode("utf-8")

    def number(value: object) -> int:
        return _tame(value) if isinstance(value, int) else 0

    return Row(
        run_id=text(row.run_id),
        task_id=text(row.task_id),
        attempt=number(row.attempt),
        attempt_id=text(row.attempt_id),
        model=text(row.model),
        deployment=text(row.deployment),
        endpoint=text(row.endpoint),
        outcome=text(row.outcome),
        cause=text(row.cause),
        started_at=0.0,
        elapsed_s=0.0,
        worker=number(row.worker),
        host=number(row.host),
        error=text(f"the rest of this row could not be stored: {why}"),
        extra=msgspec.json.encode({"unstorable": text(why)}).decode(),
    )
