"""The steps of the fold that concern durable rows: only they make a task done."""

from typing import Final

from runner.core import events as ev
from runner.core.outcomes import OUTCOMES, is_scored
from runner.core.state.model import FINISHES_KEPT, State
from runner.core.state.moves import set_status

_COUNTED_BY_BRAKE: Final = ("passed", "partial", "failed", "errored", "timed_out")
_SAME: Final[dict[str, str]] = {name: name for name in OUTCOMES}
"""One string for each outcome: a million done tasks hold no copies of the decoder's."""


def apply_rows_written(state: State, event: ev.RowsWritten) -> None:
    """The rows of a part are safe; tasks whose last attempt they hold are done."""
    rows = state.rows
    rows.written += event.rows
    rows.parts += 1
    rows.bytes += event.bytes
    rows.last_write_at = event.at
    rows.next_row = max(rows.next_row, event.last + 1)
    _record_all(state, event.first, event.last, event.at)


def apply_rows_found(state: State, event: ev.RowsFound) -> None:
    """A part that the last engine wrote but could no longer log. Its attempts were logged before.

    The engine emits the missing `AttemptEnded` of such rows first, so this only acknowledges them.
    Rows that were recorded before (a merger that could no longer be logged) are not counted again.
    """
    state.rows.written += _record_all(state, event.first, event.last, event.at)
    state.rows.parts += 1
    state.rows.bytes += event.bytes
    state.rows.last_write_at = event.at
    state.rows.next_row = max(state.rows.next_row, event.last + 1)


def _record_all(state: State, first: int, last: int, at: float) -> int:
    """Record the awaited rows of a range, in order; how many there were.

    What is looked at is the range or all that is awaited, whichever is less: a garbled line may
    name any range.
    """
    if last - first < len(state.awaited):
        numbers = [number for number in range(first, last + 1) if number in state.awaited]
    else:
        numbers = sorted(number for number in state.awaited if first <= number <= last)
    for number in numbers:
        _record(state, number, at)
    return len(numbers)


def _record(state: State, number: int, at: float) -> None:
    awaited = state.awaited.pop(number)
    if awaited.outcome in _COUNTED_BY_BRAKE:
        over = max(1, state.plan.stop.over) if state.plan else 30
        state.recent.append(awaited.outcome)
        del state.recent[:-over]
    task = state.tasks.get(awaited.task_id)
    if task is None:
        return
    if task.scored is None and is_scored(awaited.outcome):
        task.scored = awaited.outcome
    if task.status != "recording" or task.last_row != number:
        return  # the row of an earlier attempt: the task waits for its last one
    outcome = task.scored or awaited.outcome
    outcome = _SAME.get(outcome, outcome)
    set_status(state, task, "done")
    del state.tasks[awaited.task_id]
    state.done[awaited.task_id] = outcome
    if task.attempts > 1:
        state.attempts_of[awaited.task_id] = task.attempts
    state.outcomes[outcome] = state.outcomes.get(outcome, 0) + 1
    state.finished_at.append(at)
    if len(state.finished_at) > 2 * FINISHES_KEPT:
        del state.finished_at[:-FINISHES_KEPT]


def apply_parts_compacted(state: State, event: ev.PartsCompacted) -> None:
    """Fewer files, the same rows."""
    state.rows.parts -= event.members - 1


def apply_rows_failed(state: State, event: ev.RowsFailed) -> None:
    """Rows wait in memory."""
    if not state.rows.error:
        state.rows.failed_at = event.at
    state.rows.error = event.error


def apply_rows_recovered(state: State, _event: ev.RowsRecovered) -> None:
    """Rows can be written again."""
    state.rows.error = ""
    state.rows.failed_at = 0.0
