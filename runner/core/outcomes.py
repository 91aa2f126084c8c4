"""Names of outcomes, causes, phases and healths, and the rules that hang on them alone.

They are apart because every side speaks them: hosts, engine, fold, screens, the result row and the
scripts of strangers. The spelling is the contract's and never changes.
"""

from typing import Final, Literal

Outcome = Literal["passed", "partial", "failed", "timed_out", "looped", "killed", "errored", "lost"]
Phase = Literal[
    "idle",
    "prepare",
    "connect",
    "wait",
    "stream",
    "backoff",
    "tool",
    "code",
    "score",
    "killing",
]
Health = Literal["ok", "slow", "stuck"]
RunStatus = Literal["starting", "running", "paused", "draining", "finished", "stopped"]
HostStatus = Literal["starting", "ok", "frozen", "draining", "gone"]
PauseCause = Literal["user", "disk", "memory", "storm", "brake"]
Then = Literal["requeued", "alone", "final"]
"""What comes after an attempt: queued again, queued to run alone in a host, or nothing."""

SCORED: Final[tuple[Outcome, ...]] = ("passed", "partial", "failed")
UNSCORED: Final[tuple[Outcome, ...]] = ("timed_out", "looped", "killed", "errored", "lost")
OUTCOMES: Final[tuple[Outcome, ...]] = (*SCORED, *UNSCORED)
PHASES: Final[tuple[Phase, ...]] = (
    "idle",
    "prepare",
    "connect",
    "wait",
    "stream",
    "backoff",
    "tool",
    "code",
    "score",
    "killing",
)

LIMITS: Final = (
    "attempt",
    "call",
    "first_byte",
    "idle",
    "connect",
    "prepare",
    "score",
    "run",
)
LOOP_RULES: Final = ("repeat", "cycle", "search", "unclosed_tag", "no_action", "done")
KILL_CAUSES: Final = ("user", "retry", "memory", "stop")

DEADLINE_RUN: Final = "deadline:run"
KILLED_USER: Final = "killed:user"
KILLED_RETRY: Final = "killed:retry"
KILLED_MEMORY: Final = "killed:memory"
KILLED_STOP: Final = "killed:stop"
HOST_LOST: Final = "host_lost"
ENGINE_LOST: Final = "engine_lost"
FROZE_HOST: Final = "error:FrozeHost"
HOST_EXIT: Final = "error:HostExit"

_OF_PREFIX: Final[dict[str, Outcome]] = {
    "deadline": "timed_out",
    "loop": "looped",
    "killed": "killed",
    "retries": "errored",
    "error": "errored",
    "host_lost": "lost",
    "engine_lost": "lost",
}


def is_scored(outcome: str) -> bool:
    """Whether the model was judged: infrastructure trouble never counts as a wrong answer."""
    return outcome in SCORED


def outcome_of(cause: str) -> Outcome:
    """The outcome that a cause of an unscored end belongs to; ``ValueError`` for an unknown one."""
    found = _OF_PREFIX.get(cause.partition(":")[0])
    if found is None:
        raise ValueError(f"unknown cause {cause!r}")
    return found


def is_charged(outcome: str, cause: str) -> bool:
    """Whether the attempt counts against ``max_attempts`` (contract, "Life of a task")."""
    if outcome == "timed_out":
        return cause != DEADLINE_RUN
    return outcome == "errored" or cause == KILLED_MEMORY


def may_requeue(outcome: str, cause: str) -> bool:
    """Whether policy may queue the task again: never what a person killed, looped or was scored."""
    if outcome in SCORED or outcome == "looped":
        return False
    return cause not in (KILLED_USER, KILLED_STOP, DEADLINE_RUN)
