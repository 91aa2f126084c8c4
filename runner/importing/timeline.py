"""A test's life as events: what happened when, as far as its log tells.

Apart from the format and from the writing because it is pure. Times within a test are not recorded:
its turns get equal shares of its time, in which tools take what they took and the model the rest.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from runner.core import events as ev
from runner.core.plan import Task
from runner.core.rows import Record, Row, ToolCall
from runner.core.state import WorkerState
from runner.engine.rowing import row_of
from runner.importing.workflowbench import (
    Execution,
    Message,
    Place,
    Test,
    grouped,
    labels_of,
    number,
    outcome_of,
    text_of,
)

HOST: Final = 0
ENDPOINT: Final = "imported"
_ASSISTANT: Final = "assistant"

Step = tuple[float, ev.Event]


class Lane(Struct, frozen=True, kw_only=True):
    """Where and when a test ran: ``started_at`` may be later than its log says, if all lanes were
    taken.
    """

    run_id: str
    worker: int
    attempt_id: str
    started_at: float


class Told(Struct, kw_only=True):
    """A test as steps in the order of time, its row, and what the caller counts."""

    steps: list[Step]
    row: Row
    turns: int
    doubled: int


def tell(test: Test, place: Place, lane: Lane, put: Callable[[bytes], tuple[int, int]]) -> Told:
    """The events of a test but for its end, which needs a commit number: see `ended`.

    ``put`` takes a message body for the transcript and says where it lies.
    """
    turns, doubled = grouped(test.conversation_history)
    spoken = [(turn, said) for turn, said in turns if any(m.role == _ASSISTANT for m in said)]
    labels = labels_of(test)
    tools = _tools_of(spoken, test.execution_history)
    steps: list[Step] = [(lane.started_at, _started(place, lane, labels))]
    steps.append((lane.started_at, ev.AttemptRunning(lane.attempt_id, lane.worker)))
    share = place.elapsed_s / max(1, len(spoken))
    at = lane.started_at
    calls: list[ToolCall] = []
    for turn, said in turns:
        used = tools.get(turn, [])
        answered = any(m.role == _ASSISTANT for m in said)
        steps += _turn(lane, turn, said, used, at, share if answered else 0.0, put)
        calls += [_tool_call(turn, item) for item in used]
        at += share if answered else 0.0
    outcome, cause = outcome_of(test, len(spoken))
    record = _record(test, place, turns, calls, scored=cause == "")
    row = _row(test, place, lane, labels, record, (outcome, cause))
    return Told(steps=steps, row=row, turns=len(spoken), doubled=doubled)


def _started(place: Place, lane: Lane, labels: dict[str, Any]) -> ev.AttemptStarted:
    return ev.AttemptStarted(
        task_id=place.task_id,
        attempt=1,
        attempt_id=lane.attempt_id,
        worker=lane.worker,
        host=HOST,
        model=place.model,
        deployment=place.model,
        endpoint=ENDPOINT,
        labels=labels,
    )


def _turn(
    lane: Lane,
    turn: int,
    said: Sequence[Message],
    tools: Sequence[Execution],
    at: float,
    share_s: float,
    put: Callable[[bytes], tuple[int, int]],
) -> Iterator[Step]:
    """One turn from ``at`` on: what was asked, the answer, its tools, what they returned."""
    attempt_id, worker = lane.attempt_id, lane.worker
    tool_s = sum(number(item.execution_time) for item in tools)
    scale = min(1.0, share_s / tool_s) if tool_s else 0.0
    answer_at = at + share_s - tool_s * scale
    if not any(message.role == _ASSISTANT for message in said):
        yield from ((at, _said(lane, turn, message, put)) for message in said)
        return
    first = next(n for n, message in enumerate(said) if message.role == _ASSISTANT)
    yield at, ev.TurnStarted(attempt_id, worker, turn)
    yield from ((at, _said(lane, turn, message, put)) for message in said[:first])
    yield at, ev.CallStarted(attempt_id, worker, turn)
    yield answer_at, ev.CallEnded(attempt_id, worker, turn, answer_at - at, 0, "ok")
    yield answer_at, _said(lane, turn, said[first], put)
    now = answer_at
    for item in tools:
        name, took = text_of(item.tool), number(item.execution_time) * scale
        yield now, ev.ToolStarted(attempt_id, worker, name)
        now += took
        error = text_of(item.error)[:400]
        yield now, ev.ToolEnded(attempt_id, worker, name, item.success is True, took, error)
    yield from ((now, _said(lane, turn, message, put)) for message in said[first + 1 :])
    yield max(now, at + share_s), ev.TurnEnded(attempt_id, worker, turn)


def _said(
    lane: Lane, turn: int, message: Message, put: Callable[[bytes], tuple[int, int]]
) -> ev.MessageAdded:
    offset, length = put(msgspec.json.encode(text_of(message.content)))
    return ev.MessageAdded(lane.attempt_id, lane.worker, turn, message.role, offset, length)


def _tools_of(
    spoken: Sequence[tuple[int, Sequence[Message]]], executions: Sequence[Execution]
) -> dict[int, list[Execution]]:
    """Which turn ran which tools: the log keeps them apart, so the order and the names decide.

    A tool belongs to the next turn whose answer names it; what fits nowhere, to the last one.
    """
    found: dict[int, list[Execution]] = {}
    left = list(reversed(executions))
    for turn, said in spoken:
        text = "\n".join(text_of(m.content) for m in said if m.role == _ASSISTANT)
        while left and text_of(left[-1].tool) and text_of(left[-1].tool) in text:
            found.setdefault(turn, []).append(left.pop())
            if left and text_of(left[-1].tool) == text_of(found[turn][-1].tool):
                break  # the same tool again is the next turn's: a turn runs a tool once
    if left and spoken:
        found.setdefault(spoken[-1][0], []).extend(reversed(left))
    return found


def _tool_call(turn: int, item: Execution) -> ToolCall:
    return ToolCall(
        turn=turn,
        tool=text_of(item.tool),
        ok=item.success is True,
        error=text_of(item.error),
        elapsed_s=number(item.execution_time),
    )


def _record(
    test: Test,
    place: Place,
    turns: Sequence[tuple[int, Sequence[Message]]],
    calls: list[ToolCall],
    *,
    scored: bool,
) -> Record:
    """What the test measured. A turn is one call to the model."""
    result = test.result
    answered = sum(1 for _, said in turns if any(m.role == _ASSISTANT for m in said))
    tool_s = min(place.elapsed_s, sum(call.elapsed_s for call in calls))
    messages = [
        {"role": message.role, "content": text_of(message.content), "turn": turn}
        for turn, said in turns
        for message in said
    ]
    return Record(
        score=min(1.0, number(result.final_score)) if scored else None,
        success_level=text_of(result.success_level),
        turns=answered,
        calls=answered,
        api_s=place.elapsed_s - tool_s,
        tool_s=tool_s,
        tool_calls=calls,
        error=text_of(result.error),
        extra=msgspec.json.encode({"result": result, "file": place.path.name}).decode(),
        messages=msgspec.json.encode(messages).decode(),
    )


def _row(
    test: Test,
    place: Place,
    lane: Lane,
    labels: dict[str, Any],
    record: Record,
    judged: tuple[str, str],
) -> Row:
    """``judged`` is outcome and cause."""
    outcome, cause = judged
    worker = WorkerState(
        worker=lane.worker,
        host=HOST,
        task_id=place.task_id,
        attempt=1,
        attempt_id=lane.attempt_id,
        model=place.model,
        deployment=place.model,
        endpoint=ENDPOINT,
        started_at=lane.started_at,
    )
    return row_of(
        run_id=lane.run_id,
        task=Task(task_id=place.task_id, id=test.test_id, model=place.model, labels=labels),
        worker=worker,
        outcome=outcome,
        cause=cause,
        elapsed_s=place.elapsed_s,
        record=record,
    )
