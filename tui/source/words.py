"""What an order did, in a line for the person who gave it.

Apart from the source because it is language, and each answer of the contract has a sentence here.
"""

from collections.abc import Mapping
from typing import Any, Final

from runner import one_line

RUNG_WORDS: Final = {
    "abort": "connection closed",
    "exception": "interrupted in its own code",
    "signal": "interrupted in its own code",
    "abandon": "its thread did not obey and was left behind; the worker is free",
    "end": "its process was ended",
}
_ENDING: Final = ("kill", "retry")
_REST: Final = {"pause": "paused, no new tasks are started on it", "resume": "goes on"}
_DONE: Final = {
    "pause": "paused: no new tasks are started",
    "resume": "goes on",
    "stop": "the run is being ended",
    "drain": "no new tasks; the run ends when those under way are done",
    "stacks": "stacks are here",
    "ping": "the engine is well",
}


def answer_words(op: str, fields: Mapping[str, Any], answer: Mapping[str, Any]) -> str:
    """``killed in 2 ms: connection closed``, or why not."""
    if not answer.get("ok"):
        return _refused(op, answer)
    if op in _ENDING:
        return _ended(op, answer)
    if op == "workers":
        return f"workers: {one_line(str(answer.get('workers', '')), 20)}"
    if op == "set":
        changed = ", ".join(f"{key} = {value}" for key, value in _changes(fields))
        return one_line(f"in force from now on: {changed}" if changed else "changed", 120)
    if op in _REST and "model" in fields:
        return f"{one_line(str(fields['model']), 60)}: {_REST[op]}"
    if op == "stop" and fields.get("drain"):
        return _DONE["drain"]
    return _DONE.get(op, f"{op}: done")


def _changes(fields: Mapping[str, Any]) -> list[tuple[str, Any]]:
    if "key" in fields:
        return [(str(fields["key"]), fields.get("value"))]
    changes = fields.get("changes")
    return list(changes.items()) if isinstance(changes, dict) else []  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def _ended(op: str, answer: Mapping[str, Any]) -> str:
    if answer.get("pending"):
        return "not ended after 10s; the engine goes on trying"
    if answer.get("queued") or ("rung" not in answer and op == "retry"):
        return "queued first, runs again"
    verb = f"already killed{_by(answer)}" if answer.get("already") else "killed"
    if op == "retry" or answer.get("cause") == "killed:retry":
        verb += ", runs again"
    took = answer.get("took_s")
    when = f" in {_took(took)}" if isinstance(took, (int, float)) else ""
    how = RUNG_WORDS.get(str(answer.get("rung", "")), "")
    return f"{verb}{when}: {how}" if how else f"{verb}{when}"


def _by(answer: Mapping[str, Any]) -> str:
    """Who was first."""
    by = answer.get("by")
    return f" by {one_line(by, 40)}" if isinstance(by, str) and by else ""


def _refused(op: str, answer: Mapping[str, Any]) -> str:
    error = one_line(str(answer.get("error") or f"{op} was refused"), 160)
    outcome = one_line(str(answer.get("outcome") or ""), 40)
    cause = one_line(str(answer.get("cause") or ""), 60)
    said = f"{outcome} ({cause})" if outcome and cause else outcome
    return f"{error}: {said}" if said else error


def _took(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f}s"


def disk_words(answer: Mapping[str, Any]) -> str:
    """What a ``ping`` tells of the disk; empty when all is well."""
    log, rows = _table(answer, "log"), _table(answer, "rows")
    error = str(rows.get("error") or "")
    if error:  # first, since a full disk takes no line either, and results are what counts
        waiting = rows.get("waiting", 0)
        return f"NEEDS YOU: {waiting} results cannot be saved ({one_line(error, 80)}); none is lost"
    error = str(log.get("error") or "")
    if error:
        return (
            f"NEEDS YOU: the run's log cannot be written ({one_line(error, 80)}); nothing is lost"
        )
    return ""


def _table(answer: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = answer.get(key)
    return found if isinstance(found, dict) else {}  # pyright: ignore[reportUnknownVariableType]
