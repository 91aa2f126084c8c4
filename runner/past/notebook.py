"""The Python face for notebooks and scripts: run a plan, then look at results, events and states.

Apart from what screens use because here a run may be named like in the shell (an id, a unique
prefix, ``latest``) or given as what `run` returned, and everything answers with plain values.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from runner.core import events as ev
from runner.core.state import State
from runner.errors import EngineError, RunError
from runner.past.reading import read_state
from runner.past.table import run_folder
from runner.past.tail import Tail
from runner.runs import LOG, RunInfo, about, engine_alive, runs_folder
from runner.start.launching import launch

POLL_S: Final = 0.2


def events(run: str | Path | RunInfo) -> Iterator[ev.Event]:
    """All events of a run so far, oldest first, read as they are asked for.

    `RunError` where the log cannot be read.
    """
    run_dir = run_folder(run)
    tail = Tail(run_dir)
    try:
        while batch := tail.poll():
            yield from batch.events
    except OSError as error:
        raise RunError(f"{run_dir / LOG} cannot be read: {error.strerror or error}") from error
    finally:
        tail.close()


def state(run: str | Path | RunInfo, at: float | None = None) -> State:
    """The run as its log tells it, now or at the moment ``at`` (unix seconds).

    `RunError` where the log cannot be read.
    """
    return read_state(run_folder(run), at)


def run(
    plan: str | Path,
    *,
    runs_dir: str | Path | None = None,
    overrides: Mapping[str, str] | None = None,
    run_id: str | None = None,
    limit: int | None = None,
    only: Sequence[str] = (),
) -> RunInfo:
    """Start a run and wait for its end; what it is called and where it lies.

    ``overrides`` are ``--set``: dotted key to TOML value. An interrupt ends the wait only: the run
    goes on and any terminal may attach to it. `PlanError` with every problem, and nothing is
    started; `StartFailed` with the engine's words.
    """
    started = launch(
        plan,
        runs_dir=Path(runs_dir).absolute() if runs_dir else runs_folder(),
        overrides=overrides,
        run_id=run_id,
        limit=limit,
        only=only,
    )
    while engine_alive(started.run_dir):
        time.sleep(POLL_S)
    ended = about(started.run_dir)
    if ended is None:
        raise EngineError(f"{started.run_dir} vanished")
    return ended
