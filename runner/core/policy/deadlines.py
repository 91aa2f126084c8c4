"""Which attempts are past a limit that their host should have acted on.

The host's own scope fires first and reports; this is the second guard, from another process. It
waits `GRACE_S` beyond the limit and leaves attempts of a host that does not answer to the verdict
on that host.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from runner.core.health import outlook
from runner.core.state.model import State, WorkerState

GRACE_S: Final = 1.0
DEFIED_S: Final = 4.0
"""A host that answers but has not ended a killed attempt by now is broken: its ladder takes 1.5 s
to the last rung that it can climb by itself."""


class Overdue(NamedTuple):
    """An attempt to end, and the limit that it is past."""

    worker: WorkerState
    cause: str


def overdue(state: State, now: float) -> Iterator[Overdue]:
    """Attempts past a limit by `GRACE_S` whose host answers and was not told yet."""
    for worker in state.workers:
        if not worker.busy or worker.killing_at or not _answers(state, worker):
            continue
        look = outlook(state, worker, now - GRACE_S)
        if look is not None and look.ends_in_s <= 0.0:
            yield Overdue(worker, f"deadline:{look.limit}")


def defied(state: State, now: float) -> Iterator[WorkerState]:
    """Attempts whose host was told to end them and did not, though it answers."""
    for worker in state.workers:
        told = worker.busy and worker.killing_at
        if told and now - worker.killing_at >= DEFIED_S and _answers(state, worker):
            yield worker


def _answers(state: State, worker: WorkerState) -> bool:
    host = state.hosts.get(worker.host)
    return host is not None and host.status in ("ok", "draining")
