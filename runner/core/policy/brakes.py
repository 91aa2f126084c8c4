"""When a run should stop starting attempts and ask for a person: ``[stop]`` and start storms."""

from collections.abc import Sequence
from typing import Final

from runner.core.outcomes import PauseCause
from runner.core.state.model import State

STORM_DEATHS: Final = 5
STORM_WINDOW_S: Final = 60.0
START_WAIT_S: Final = 0.5
START_WAIT_MOST_S: Final = 30.0


def brake(state: State) -> str:
    """Why the brakes of ``[stop]`` would pause the run now, in words; empty where they do not."""
    if state.plan is None:
        return ""
    stop = state.plan.stop
    if stop.tokens and state.totals.tokens_in + state.totals.tokens_out >= stop.tokens:
        return f"stop.tokens = {stop.tokens} is used up"
    if stop.cost and state.totals.cost >= stop.cost:
        return f"stop.cost = {stop.cost:g} is used up"
    if stop.error_rate and len(state.recent) >= stop.over:
        bad = sum(1 for outcome in state.recent if outcome in ("errored", "timed_out"))
        if bad > stop.error_rate * len(state.recent):
            return f"{bad} of the last {len(state.recent)} attempts errored or timed out"
    return ""


def memory_pressure(state: State) -> str:
    """Why memory forbids new attempts, in words; empty where it does not."""
    if state.plan is None:
        return ""
    most = state.plan.resources.max_memory_percent
    if most and state.memory_percent >= most:
        return f"memory is {state.memory_percent:.0f} % used, over max_memory_percent = {most:g}"
    return ""


def storm(deaths: Sequence[float], last_scored: float, now: float) -> bool:
    """Whether hosts die faster than they are of use.

    ``deaths`` are the moments at which hosts died, oldest first; ``last_scored`` is when an attempt
    was last scored.
    """
    recent = [at for at in deaths if at > now - STORM_WINDOW_S]
    return len(recent) >= STORM_DEATHS and last_scored < recent[0]


def start_wait(deaths: Sequence[float], now: float) -> float:
    """Seconds before a dead host is started again: 0, then 0.5 doubling to 30."""
    recent = sum(1 for at in deaths if at > now - STORM_WINDOW_S)
    if recent < 2:
        return 0.0
    return min(START_WAIT_MOST_S, START_WAIT_S * 2 ** (recent - 2))


PAUSES_LIFTED_BY_THEMSELVES: Final[tuple[PauseCause, ...]] = ("disk", "memory")
