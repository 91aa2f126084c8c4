"""What a new engine does with a folder that another one left: nothing runs twice, nothing is lost.

Parquet wins over the log: a row that is on disk was finished, whatever the log knows of it. What
the log knows and no file has is lost, gets a row that says so, and runs again.
"""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from runner.core import events as ev
from runner.core.outcomes import ENGINE_LOST, SCORED
from runner.core.plan import Task
from runner.core.policy.requeue import after
from runner.core.rows import Row
from runner.core.state import State, WorkerState, fold
from runner.core.state.model import Awaited
from runner.engine.journal import Journal
from runner.engine.log import EVENTS, chunks
from runner.engine.results.parts import FOLDER, Live, live
from runner.engine.rowing import Ending, ended, record_of, row_of
from runner.errors import RunError

FindTask = Callable[[str], Task | None]
PutRow = Callable[[int, Row], object]


class Past(Struct):
    """What the log told: the state, the digests of its parts, where its bodies end, bad lines.

    ``causes`` is why the last attempt of a task ended without a score, by task id; ``last`` is the
    last event.
    """

    state: State
    digests: dict[str, str]
    body_end: int
    undecodable: int
    causes: dict[str, str]
    last: ev.Event | None = None


def read_past(run_dir: Path) -> Past:
    """Fold the whole log of a run folder; an absent one is an empty past."""
    past = Past(State(), {}, 0, 0, {})
    for chunk in chunks(run_dir / EVENTS):
        found, bad = ev.decode_lines(chunk.data)
        past.undecodable += bad
        fold(found, past.state)
        for event in found:
            if isinstance(event, ev.RowsWritten | ev.RowsFound | ev.PartsCompacted):
                past.digests[event.part] = event.digest
            elif isinstance(event, ev.AttemptEnded) and event.outcome not in SCORED:
                past.causes[event.task_id] = event.cause
            elif isinstance(event, ev.MessageAdded):
                past.body_end = max(past.body_end, event.offset + event.length + 1)
        past.last = found[-1] if found else past.last
    return past


def adopt_emergencies(run_dir: Path, run_id: str, folders: list[Path]) -> list[Path]:
    """Take in rows that an earlier stop had to save elsewhere; the files that were taken."""
    from runner.engine.results import emergency

    taken: list[Path] = []
    for folder in folders:
        for file in emergency.find(folder, run_id):
            emergency.adopt(file, run_id, run_dir / FOLDER)
            taken.append(file)
    return taken


def rows_of(path: Path) -> list[Ending]:
    """The rows of a part, in commit order."""
    from runner.engine.results.partfile import open_part

    with open_part(path) as file:
        table = file.read(columns=list(Ending.__struct_fields__))
    return msgspec.convert(table.to_pylist(), list[Ending])


Found = list[tuple[ev.RowsFound, list[Ending]]]


def survey(run_dir: Path, digests: Mapping[str, str]) -> tuple[Live, Found]:
    """Tidy the results folder; its live parts, and those that the log does not know, read.

    A new run needs no Arrow for that, so that its hosts start 0.1 to 0.4 s earlier.
    """
    folder = run_dir / FOLDER
    folder.mkdir(exist_ok=True)
    if not any(folder.iterdir()):
        return live(folder), []
    from runner.engine.results import recover

    recover.tidy(folder, digests)
    current, found = recover.survey(folder, digests)
    unknown: Found = []
    for item in found:
        if item.problem:
            text = f"{folder / item.part.name} is damaged ({item.problem})"
            raise RunError(f"{text}: move it away, and its tasks run again")
        event = ev.RowsFound(
            first=item.part.first,
            last=item.part.last,
            rows=item.part.rows,
            bytes=item.bytes,
            part=item.part.name,
            digest=item.digest,
        )
        unknown.append((event, rows_of(folder / item.part.name)))
    return current, unknown


def tell_found(journal: Journal, found: Found) -> None:
    """Let the log learn of rows that were written just before its engine died."""
    state = journal.state
    for event, rows in found:
        for number, row in enumerate(rows, event.first):
            if number not in state.awaited and number >= state.rows.next_row:
                journal.emit(_ended_as_found(state, row, number))
        journal.emit(event)


def _ended_as_found(state: State, row: Ending, number: int) -> ev.AttemptEnded:
    plan = state.plan
    most = plan.run.max_attempts if plan else 1
    then = after(row.outcome, row.cause, state.tasks.get(row.task_id), most)
    return ended(row, number, then=then)


def end_lost(journal: Journal, find_task: FindTask, put_row: PutRow, next_row: int) -> None:
    """Give every attempt without a durable row one that says ``lost``, from ``next_row`` on.

    First those that had ended, in the order of the commit numbers that no file has, then those that
    were under way. ``next_row`` is what the files say: the log may have counted further.
    """
    state = journal.state
    ended = [_worker_of(awaited) for _, awaited in sorted(state.awaited.items())]
    under_way = [worker for worker in state.workers if worker.busy]
    for number, worker in enumerate([*ended, *under_way], next_row):
        _lose(journal, find_task, put_row, worker, number)


def queue_retries(journal: Journal, causes: Mapping[str, str], wanted: Collection[str]) -> int:
    """Queue done, unscored tasks again whose outcome or cause is among ``wanted``; how many."""
    state = journal.state
    chosen = [
        task_id
        for task_id, outcome in state.done.items()
        if outcome not in SCORED and (outcome in wanted or causes.get(task_id) in wanted)
    ]
    for task_id in chosen:
        journal.emit(ev.TaskQueued(task_id=task_id, origin="resume --retry"))
    return len(chosen)


def _worker_of(awaited: Awaited) -> WorkerState:
    return WorkerState(
        worker=awaited.worker,
        host=awaited.host,
        task_id=awaited.task_id,
        attempt=awaited.attempt,
        attempt_id=awaited.attempt_id,
        model=awaited.model,
        started_at=awaited.ended_at,
    )


def _lose(
    journal: Journal,
    find_task: FindTask,
    put_row: PutRow,
    worker: WorkerState,
    number: int,
) -> None:
    state = journal.state
    text = "the engine was gone before this attempt's row was saved"
    record = record_of(worker, text)
    task = find_task(worker.task_id) or Task(
        task_id=worker.task_id, id=worker.task_id, model=worker.model
    )
    elapsed = max(0.0, state.at - worker.started_at) if worker.started_at else 0.0
    row = row_of(
        run_id=state.run_id,
        task=task,
        worker=worker,
        outcome="lost",
        cause=ENGINE_LOST,
        elapsed_s=elapsed,
        record=record,
    )
    then = after("lost", ENGINE_LOST, state.tasks.get(worker.task_id), 1)
    journal.emit(ended(row, number, then=then))
    put_row(number, row)
