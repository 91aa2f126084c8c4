"""The logs of workflowbench: one JSON file a test, read as they are found in the wild.

Apart from the making of events because this file alone knows the format and its traps: the model
stands in the file's name only, one turn may be stored twice, a harness that was killed leaves files
cut off in mid-write, and trouble of the endpoint was scored as a wrong answer.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, cast

import msgspec
from msgspec import Struct

from runner.errors import PlanError, Problem
from runner.importing.report import Skipped

FULL_SCORE: Final = 0.8
"""From this final score on a success is a full one (the benchmark's own line)."""
_GONE: Final = "API failed after max retries"
_SLOW: Final = "API timeout after"
_UNKNOWN: Final = "unknown"


class Message(Struct):
    """An entry of ``conversation_history``."""

    role: str = ""
    content: Any = ""
    turn: Any = 0


class Execution(Struct):
    """An entry of ``execution_history``: a tool that ran. ``execution_time`` in seconds."""

    tool: Any = ""
    success: Any = False
    error: Any = None
    execution_time: Any = 0.0


class Result(Struct):
    """``result``: how the harness judged the test."""

    success: Any = False
    success_level: Any = ""
    final_score: Any = None
    execution_time: Any = 0.0
    error: Any = None
    error_type: Any = None


class Test(Struct, kw_only=True):
    """A whole log file."""

    test_id: str
    result: Result
    task_type: Any = ""
    prompt_type: Any = ""
    timestamp: Any = None
    task_instance: Any = None
    conversation_history: list[Message] = []
    execution_history: list[Execution] = []


_DECODER: Final = msgspec.json.Decoder(Test)


class Place(Struct, kw_only=True):
    """A sound file and where its test lies in time: unix seconds."""

    path: Path
    task_id: str
    model: str
    started_at: float
    elapsed_s: float


class Folder(Struct, kw_only=True):
    """All sound files, by the time at which their test began, and those that are not."""

    path: Path
    places: list[Place]
    skipped: list[Skipped]
    undated: int
    """Tests without a time of their own: the file's stands in."""


def read_folder(path: Path) -> Folder:
    """Look at every ``*.json`` below ``path``; `PlanError` if none is a log."""
    files = sorted(path.rglob("*.json")) if path.is_dir() else []
    folder = Folder(path=path, places=[], skipped=[], undated=0)
    for file in files:
        try:
            test = read_test(file)
        except OSError as error:
            folder.skipped.append(Skipped(str(file.relative_to(path)), error.strerror or "unread"))
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            folder.skipped.append(Skipped(str(file.relative_to(path)), _why(error)))
        else:
            folder.places.append(_place(file, test, folder))
    if not folder.places:
        raise PlanError([_nothing(path, files, folder.skipped)])
    _name_tasks(folder.places)
    folder.places.sort(key=lambda place: (place.started_at, place.task_id))
    return folder


def read_test(path: Path) -> Test:
    """The whole file. Raises OSError, `msgspec.MsgspecError`."""
    data = path.read_bytes()
    try:
        return _DECODER.decode(data)
    except msgspec.DecodeError as error:
        if "surrogate" not in str(error):
            raise
    # Python's own json writes half of a surrogate pair as an escape; it becomes a question mark.
    whole = json.dumps(json.loads(data), ensure_ascii=False)
    return _DECODER.decode(whole.encode("utf-8", "replace"))


def grouped(messages: Sequence[Message]) -> tuple[list[tuple[int, list[Message]]], int]:
    """Messages by turn, in order, each once; and how many came twice.

    Of a turn stored twice the copies with the same role and text are one. A message without a
    usable turn stays in the turn before it.
    """
    turns: dict[int, list[Message]] = {}
    seen: set[tuple[int, str, str]] = set()
    turn = doubled = 0
    for message in messages:
        if isinstance(message.turn, int) and message.turn >= 0:
            turn = message.turn
        key = (turn, message.role, text_of(message.content))
        if key in seen:
            doubled += 1
            continue
        seen.add(key)
        turns.setdefault(turn, []).append(message)
    return sorted(turns.items()), doubled


def outcome_of(test: Test, turns: int) -> tuple[str, str]:
    """Outcome and cause in our words: trouble of the endpoint is never a wrong answer.

    ``turns`` are those in which the model answered.
    """
    result = test.result
    if result.success is True:
        level = str(result.success_level or "")
        full = level.startswith("full") or (not level and number(result.final_score) >= FULL_SCORE)
        return ("passed", "") if full else ("partial", "")
    texts = [text_of(result.error), *(text_of(m.content) for m in test.conversation_history[-2:])]
    if result.error_type == "timeout":
        return "timed_out", "deadline:attempt"
    if any(_SLOW in text for text in texts):
        return "timed_out", "deadline:call"
    if any(_GONE in text for text in texts):
        return "errored", "retries:count"
    if not turns:
        name = text_of(result.error_type).strip() or "NoTurns"
        return "errored", f"error:{name[:60]}"
    return "failed", ""


def labels_of(test: Test) -> dict[str, str | int | float | bool]:
    """Task type, prompt type, and what the task's own record says of the matrix's keys."""
    labels: dict[str, str | int | float | bool] = {}
    instance = cast("dict[str, Any]", test.task_instance)
    if isinstance(test.task_instance, dict):
        for name in ("difficulty", "tool_success_rate", "severity"):
            if isinstance(instance.get(name), str | int | float):
                labels[name] = instance[name]
    for name, value in (("task_type", test.task_type), ("prompt_type", test.prompt_type)):
        if value:
            labels[name] = text_of(value)
    return labels


def number(value: Any) -> float:
    """A finite number at least 0; 0 for anything else."""
    usable = isinstance(value, int | float) and not isinstance(value, bool)
    return max(0.0, float(value)) if usable and abs(value) < 1e12 else 0.0


def text_of(value: Any) -> str:
    """A text as it is, nothing as nothing, all else as JSON."""
    if isinstance(value, str):
        return value
    return "" if value is None else msgspec.json.encode(value).decode()


def _place(file: Path, test: Test, folder: Folder) -> Place:
    ended = _seconds(test.timestamp)
    if ended is None:
        folder.undated += 1
        ended = file.stat().st_mtime
    elapsed = number(test.result.execution_time)
    return Place(
        path=file,
        task_id=test.test_id,
        model=model_of(file, text_of(test.task_type)),
        started_at=max(0.0, ended - elapsed),
        elapsed_s=elapsed,
    )


def model_of(file: Path, task_type: str) -> str:
    """The model is what stands before the task type in the file's name."""
    before, found, _ = file.stem.partition(f"_{task_type}") if task_type else ("", "", "")
    return before.strip("_-. ") or _UNKNOWN if found else _UNKNOWN


def _seconds(timestamp: Any) -> float | None:
    """When the log was written, unix seconds: an ISO text (UTC unless it says)
    or a number.

    A number is taken as seconds.
    """
    if isinstance(timestamp, str):
        try:
            found = datetime.fromisoformat(timestamp)
            return found.timestamp() if found.tzinfo else found.replace(tzinfo=UTC).timestamp()
        except (ValueError, OverflowError):
            return None
    return number(timestamp) or None


def _name_tasks(places: list[Place]) -> None:
    """Task ids: the test's, with ``@model`` where there are several, and a count where doubled."""
    several = len({place.model for place in places}) > 1
    used: dict[str, int] = {}
    for place in places:
        task_id = f"{place.task_id}@{place.model}" if several else place.task_id
        used[task_id] = used.get(task_id, 0) + 1
        place.task_id = task_id if used[task_id] == 1 else f"{task_id}/copy={used[task_id]}"


def _why(error: Exception) -> str:
    text = str(error)
    return "cut off in mid-write" if "truncated" in text else f"not a workflowbench log: {text}"


def _nothing(path: Path, files: Sequence[Path], skipped: Sequence[Skipped]) -> Problem:
    if not path.is_dir():
        text = "is not a folder"
    elif not files:
        text = "holds no .json file"
    else:
        text = f"holds no usable log among {len(files)} files; {skipped[0].file}: {skipped[0].why}"
    return Problem(file=str(path), key="", text=text)
