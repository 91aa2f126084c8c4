"""Small phrases that several views share: a worker's turn, its limits, what comes after its end."""

from functools import lru_cache
from typing import Final

from runner import (
    LIMIT_SHORT,
    LIMIT_WORDS,
    WorkerState,
    doing,
    duration,
    limits_of,
    outlook,
    why,
)
from tui.runview import RunView
from tui.text import clock, plain, width

NO_RUN: Final = "open a run first: arrows and enter"
"""What keys of a run say while there is only the list of runs."""


def until_words(view: RunView) -> str:
    """``up to 12:05:07`` in a replay, whose lists know of nothing later; empty in a live run."""
    return f"up to {clock(view.now)}" if view.kind == "replay" else ""


def things(view: RunView, number: int | None = None) -> str:
    """What is counted: ``tasks``; ``calls`` of a script that is only watched. One is singular."""
    plan = view.state.plan
    word = "call" if plan is not None and plan.is_wrap else "task"
    return word if number == 1 else word + "s"


PHASE_SHORT: Final = {
    "backoff": "back-off",
    "code": "own code",
    "connect": "connect",
    "idle": "idle",
    "killing": "ending",
    "prepare": "prepare",
    "score": "scoring",
    "stream": "stream",
    "wait": "waiting",
}


def why_words(view: RunView, worker: WorkerState) -> str:
    """`why`, without what stands beside it anyway: when a back-off ends. As of this second."""
    facts = (worker.attempt_id, worker.phase, worker.since_at, worker.sign_at, worker.sampled_at)
    words = view.each_second(
        ("why", worker.worker), facts, lambda: why(view.state, worker, view.now)
    )
    return words.partition(", next in ")[0]


def task_name(worker: WorkerState, cells: int = 80) -> str:
    """The task of a worker, see `task_words`; only its name where there is no room for labels."""
    words = task_words(worker.task_id)
    return words if width(words) <= cells else plain(worker.task_id.partition("@")[0], 80)


@lru_cache(maxsize=8192)
def task_words(task_id: str) -> str:
    """A task's id without the model, which has a column of its own: ``id value ...``."""
    name, _, rest = task_id.partition("@")
    labels = " ".join(part.partition("=")[2] or part for part in rest.split("/")[1:])
    return plain(f"{name} {labels}" if labels else name, 80)


def turn(worker: WorkerState) -> str:
    """``10/50``; ``10`` where the number of turns is open."""
    return f"{worker.turn}/{worker.max_turns}" if worker.max_turns else str(worker.turn)


def short_doing(worker: WorkerState) -> str:
    """What it is at, in one word: the tool's name, else the phase."""
    if worker.phase == "tool" and worker.tool:
        return doing(worker).removeprefix("tool ")
    return PHASE_SHORT.get(worker.phase, worker.phase)


def ends(view: RunView, worker: WorkerState, *, short: bool = False) -> tuple[str, str]:
    """When it ends by itself and by what: ``("10m54s", "attempt limit")``; empty for idle ones."""
    look = outlook(view.state, worker, view.now)
    if look is None:
        return "", ""
    words = LIMIT_SHORT if short else LIMIT_WORDS
    return duration(look.ends_in_s), words.get(look.limit, look.limit)


def most_attempts(view: RunView) -> int:
    """How often a task is tried at most."""
    return view.state.plan.run.max_attempts if view.state.plan else 1


def then_words(view: RunView, worker: WorkerState) -> str:
    """What comes after its end: ``runs again as attempt 2 of 2`` or ``is not run again``."""
    look = outlook(view.state, worker, view.now)
    if look is None:
        return ""
    if look.then == "final":
        return "is not run again"
    return f"runs again as attempt {worker.attempt + 1} of {most_attempts(view)}"


def attempt_limit_s(view: RunView, worker: WorkerState) -> float:
    """The attempt limit in force for this worker, seconds."""
    return limits_of(view.state.plan, worker.model).attempt


def ran_s(view: RunView, worker: WorkerState) -> float:
    """Seconds that count against the attempt limit: since run() began."""
    return max(0.0, view.now - worker.running_at) if worker.running_at else 0.0
