"""What commands ask of a run folder, whether its engine lives or not: a moment, an end, results.

Apart from `runner.past.history`, which keeps an index for walking about in the past: a command
asks once and leaves, so here the log is folded from its first line and nothing is remembered.
"""

import os
import time
from bisect import bisect_right
from pathlib import Path
from typing import Any, Final, NamedTuple

from runner.client import Control
from runner.core import events as ev
from runner.core.outcomes import is_scored
from runner.core.state import State, fold
from runner.core.verdict import ENGINE_SILENT_S, EngineSeen
from runner.engine.elsewhere import rest_of
from runner.errors import EngineGone, RunError
from runner.past.tail import Tail
from runner.runs import LOG, engine_alive

PING_S: Final = 1.5
_END_BYTES: Final = 64 * 1024
_OVER: Final = ("finished", "stopped")


class Reading(NamedTuple):
    """A run at one moment. ``now`` is that moment on the run's axis, unix seconds."""

    state: State
    now: float
    engine: EngineSeen


def ask_ping(run_dir: Path, timeout_s: float = PING_S) -> dict[str, Any] | None:
    """The engine's own answer to ``ping``; None if nobody answers in time."""
    try:
        with Control(run_dir, timeout_s) as control:
            return control.ask("ping")
    except EngineGone:
        return None


def read_state(run_dir: Path, at: float | None = None) -> State:
    """The fold of all events up to the moment ``at``, of the whole log without one.

    `RunError` where the log cannot be read.
    """
    state = State()
    tail = Tail(run_dir)
    try:
        while batch := tail.poll():
            if batch.restarted:
                state = State()
            found = batch.events
            if at is not None and found and found[-1].at > at:
                return fold(found[: bisect_right(found, at, key=lambda event: event.at)], state)
            fold(found, state)
    except OSError as error:
        raise RunError(f"{run_dir / LOG} cannot be read: {error.strerror or error}") from error
    finally:
        tail.close()
    return state


def read_run(run_dir: Path, at: float | None = None) -> Reading:
    """The run as it is now, or as it was at the moment ``at``."""
    if at is not None:
        state = read_state(run_dir, at)
        silent = at - state.at if state.status not in _OVER else 0.0
        return Reading(state, at, EngineSeen(alive=True, silent_s=max(0.0, silent)))
    answer = ask_ping(run_dir) if engine_alive(run_dir) else None
    state = read_state(run_dir)
    return Reading(state, *present(run_dir, state, answer))


def present(run_dir: Path, state: State, answer: dict[str, Any] | None) -> tuple[float, EngineSeen]:
    """The present moment on the run's axis, and how its engine is, by its last ``ping`` answer."""
    if state.status in _OVER:
        return state.at, EngineSeen(alive=engine_alive(run_dir))
    if answer is not None:
        at = answer.get("at")
        return max(state.at, at if isinstance(at, float) else 0.0), EngineSeen()
    if engine_alive(run_dir):
        now = max(state.at, time.time())
        return now, EngineSeen(alive=True, silent_s=max(now - state.at, ENGINE_SILENT_S))
    return state.at, EngineSeen(alive=False)


def end_of(run_dir: Path) -> ev.RunEnded | None:
    """How the run's last engine left, told from the end of the log; None if it did not, or not yet.

    Reads 64 KiB whatever the size of the log: an engine that leaves in order writes nothing after
    it.
    """
    try:
        with (run_dir / LOG).open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _END_BYTES))
            data = file.read(_END_BYTES)
    except OSError:
        return None
    whole = data[: data.rfind(b"\n") + 1]
    if size > _END_BYTES:
        whole = whole[whole.find(b"\n") + 1 :]
    found = ev.decode_lines(whole)[0]
    for event in reversed([*found, *rest_of(run_dir, found[-1] if found else None)]):
        if isinstance(event, ev.RunEnded):
            return event
        if isinstance(event, ev.EngineStarted):
            return None
    return None


def state_word(run_dir: Path, *, live: bool) -> str:
    """The run's state in one word, without reading its log: for lists of runs."""
    if live:
        answer = ask_ping(run_dir)
        return str(answer.get("state", "running")) if answer else "frozen"
    end = end_of(run_dir)
    return end.status if end else "lost"


def task_results(run_dir: Path) -> dict[str, ev.AttemptEnded]:
    """The attempt that counts for each task: its first scored one by commit number, else its last.

    Attempts whose row is not on the disk yet count too. `RunError` where the log cannot be read.
    """
    found: dict[str, ev.AttemptEnded] = {}
    tail = Tail(run_dir)
    try:
        while batch := tail.poll():
            for event in batch.events:
                if isinstance(event, ev.AttemptEnded):
                    known = found.get(event.task_id)
                    if known is None or not is_scored(known.outcome):
                        found[event.task_id] = event
    except OSError as error:
        raise RunError(f"{run_dir / LOG} cannot be read: {error.strerror or error}") from error
    finally:
        tail.close()
    return found
