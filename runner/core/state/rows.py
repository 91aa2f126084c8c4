"""The steps of the fold that concern durable rows: only they make a task done."""

from typing import Final

from runner.core import events as ev
from runner.core.outcomes import OUTCOMES, is_scored
from runner.core.state.attempts import set_status
from runner.core.state.model import FINISHES_KEPT, State

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
    """
    state.rows.written += event.rows
    state.rows.parts += 1
    state.rows.bytes += event.bytes
    state.rows.last_write_at = event.at
    state.rows.next_row = max(state.rows.next_row, event.last + 1)
    for number in range(event.first, event.last + 1):
        _record(state, number, event.at)


def _record(state: State, number: int, at: float) -> None:
    awaited = state.awaited.pop(number, None)
    if awaited is None:
        return
    if awaited.outcome in _COUNTED_BY_BRAKE:
        over = state.plan.stop.over if state.plan else 30
        state.recent = [*state.recent[1 - over :], awaited.outcome] if over > 1 else []
    task = state.tasks.get(awaited.task_id)
    if task is None:
        return
    if task.scored is None and is_scored(awaited.outcome):
        task.scored = awaited.outcome
    if task.status != "recording":
        return
    outcome = task.scored or awaited.outcome
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


def apply_log_failed(state: State, event: ev.LogFailed) -> None:
    """The log was behind for a while; kept as a word for the errors screen."""
    state.log_error = f"{event.error} for {event.for_s:.0f}s"
