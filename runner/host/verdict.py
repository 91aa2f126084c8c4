"""What an attempt came to: from what executor code returned or raised to outcome and cause.

Apart from the slot because it is a table of the contract (chapter "Life of a task" and "Result"),
tested line by line.
"""

import math
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

import msgspec

from runner.core.outcomes import SCORED, outcome_of
from runner.core.rows import Record, ToolCall
from runner.core.text import block
from runner.host.calls import cause_of
from runner.host.scope import Aborted

MAX_ERROR_CHARS: Final = 8 * 1024
MAX_EXTRA_BYTES: Final = 4 * 1024 * 1024
MAX_MESSAGES_BYTES: Final = 8 * 1024 * 1024
BAD_RESULT: Final = "error:BadResult"
LOOP_DONE: Final = "loop:done"

Mask = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The end of an attempt. ``measured`` are fields of the `Record` that the executor gave."""

    outcome: str
    cause: str = ""
    error: str = ""
    measured: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def onto(self, record: Record) -> Record:
        """The record with what the verdict knows laid over it."""
        changes = dict(self.measured)
        told: list[ToolCall] = changes.get("tool_calls", [])
        if len(told) == len(record.tool_calls):  # the executor knows what failed, we how long
            for mine, timed in zip(told, record.tool_calls, strict=True):
                mine.elapsed_s = mine.elapsed_s or timed.elapsed_s
        if self.error:
            changes["error"] = self.error
        return msgspec.structs.replace(record, **changes)


class BadResultError(Exception):
    """What executor code returned is no result; the text says why."""


def of_reason(reason: str) -> Verdict:
    """The verdict on an attempt that was ended from outside, by the cause it was ended with."""
    return Verdict(outcome_of(reason), reason)


def of_result(result: object) -> Verdict:
    """The verdict on what the executor returned (contract, "Result").

    A true ``done`` in a dict means that the attempt ended because everything was done. What our own
    code returns is a verdict already.
    """
    if isinstance(result, Verdict):
        return result
    try:
        return (
            _of_dict(cast("Mapping[object, object]", result))
            if isinstance(result, Mapping)
            else _of_plain(result)
        )
    except BadResultError as error:
        return Verdict("errored", BAD_RESULT, block(str(error))[:MAX_ERROR_CHARS])


def _of_plain(result: object) -> Verdict:
    if isinstance(result, bool):
        return Verdict("passed" if result else "failed", measured={"score": float(result)})
    if isinstance(result, int | float):
        score = _share(result, "a number as result")
        outcome = "passed" if score >= 1.0 else "partial" if score > 0.0 else "failed"
        return Verdict(outcome, measured={"score": score})
    raise BadResultError(f"a dict, a bool or a number was expected, not {type(result).__name__}")


def _of_dict(result: Mapping[object, object]) -> Verdict:
    given = {str(key): value for key, value in result.items()}
    outcome = given.pop("outcome", None)
    if outcome not in SCORED:
        raise BadResultError(f"outcome must be one of {', '.join(SCORED)}, not {outcome!r}")
    cause = LOOP_DONE if given.get("done") is True else ""
    measured: dict[str, Any] = {}
    for name, take in _FIELDS.items():
        if name in given:
            measured[name] = take(given.pop(name), name)
    calls = _tool_calls(given.get("tool_calls"))
    if calls:
        measured["tool_calls"] = calls
        del given["tool_calls"]
    if given:
        measured["extra"] = _json(given, "extra", MAX_EXTRA_BYTES)
    return Verdict(str(outcome), cause, measured=measured)


def _share(value: object, name: str) -> float:
    if isinstance(value, int | float) and math.isfinite(value) and 0.0 <= value <= 1.0:
        return float(value)
    raise BadResultError(f"{name} must be a number from 0 to 1, not {value!r:.80}")


def _maybe_share(value: object, name: str) -> float | None:
    return None if value is None else _share(value, name)


def _maybe_bool(value: object, name: str) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    raise BadResultError(f"{name} must be true, false or null, not {value!r:.80}")


def _text(value: object, name: str) -> str:
    if isinstance(value, str):
        return block(value)[:MAX_ERROR_CHARS]
    raise BadResultError(f"{name} must be a string, not {value!r:.80}")


def _messages(value: object, name: str) -> str:
    return _json(value, name, MAX_MESSAGES_BYTES)


def _tool_calls(value: object) -> list[ToolCall]:
    """The calls that the executor lists; none if it calls something else by that name."""
    try:
        return msgspec.convert(value, list[ToolCall])
    except msgspec.ValidationError:
        return []


def _json(value: object, name: str, limit_bytes: int) -> str:
    try:
        data = msgspec.json.encode(value, enc_hook=str)
    except (TypeError, ValueError, RecursionError) as error:
        raise BadResultError(f"{name} is no JSON: {error}") from error
    if len(data) > limit_bytes:
        raise BadResultError(f"{name} is {len(data)} bytes of JSON; {limit_bytes} are allowed")
    return data.decode()


_FIELDS: Final[dict[str, Callable[[object, str], Any]]] = {
    "score": _maybe_share,
    "success_level": _text,
    "required_coverage": _maybe_share,
    "in_order": _maybe_bool,
    "messages": _messages,
}
"""Keys of a result that have a column of their own; all others go to ``extra``."""


def of_error(error: BaseException, reason: str | None, mask: Mask) -> Verdict:
    """The verdict on what left executor code; ``reason`` is the scope's, if it was cancelled.

    The reason wins: whatever an interrupted executor raised on its way out, it was interrupted.
    """
    if reason is not None:
        return of_reason(reason)
    if isinstance(error, Aborted):
        return of_reason(error.reason)
    cause = cause_of(error) or f"error:{type(error).__name__}"
    return Verdict(outcome_of(cause), cause, error_text(error, mask))


def error_text(error: BaseException, mask: Mask) -> str:
    """The traceback, without secrets and control characters; the end of it if it is long."""
    try:
        lines = traceback.format_exception(error, limit=-20)
    except Exception as second:  # noqa: BLE001 - a hostile __str__ or __repr__ must not win here
        lines = [f"{type(error).__name__} (its text cannot be had: {type(second).__name__})"]
    return block(mask("".join(lines)))[-MAX_ERROR_CHARS:]
