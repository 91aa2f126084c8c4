"""What came out of runs, in a table: by model and prompt type, from the log alone.

Apart from the results in Parquet, which hold everything: this answers at once, needs no table
library, and counts tasks as the exit code does.
"""

import math
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from msgspec import Struct, field

from runner.core import events as ev
from runner.core.outcomes import OUTCOMES, SCORED, is_scored
from runner.core.why import quantile
from runner.errors import RunError
from runner.runs import LOG
from runner.tail import Tail

_Z: Final = 1.96  # of the normal distribution: 95 %


class Group(Struct, kw_only=True):
    """The tasks of one model and prompt type. Rates are of scored tasks, 0..1, or None."""

    run_id: str
    model: str
    prompt_type: str
    tasks: int
    scored: int
    not_scored: int
    outcomes: dict[str, int]
    success: float | None
    success_low: float | None
    """95 % Wilson interval: it says something about small groups too."""
    success_high: float | None
    mean_turns: float | None
    p50_s: float | None
    p95_s: float | None
    """Seconds of the attempts that count."""
    attempts: int
    tokens_in: int
    tokens_out: int
    cost: float


class _Tally(Struct):
    results: dict[str, ev.AttemptEnded] = field(default_factory=dict[str, ev.AttemptEnded])
    attempts: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float = 0.0


def report_of(run_dir: Path) -> list[Group]:
    """The groups of one run, by model and prompt type. `RunError` if its log cannot be read."""
    run_id = run_dir.name
    prompt_types: dict[str, str] = {}
    tallies: dict[tuple[str, str], _Tally] = {}
    for event in _ends_and_starts(run_dir):
        if isinstance(event, ev.EngineStarted):
            run_id = event.run_id
        elif isinstance(event, ev.AttemptStarted):
            prompt_types[event.task_id] = str(event.labels.get("prompt_type", ""))
        elif isinstance(event, ev.AttemptEnded):
            key = (event.model, prompt_types.get(event.task_id, ""))
            _count(tallies.setdefault(key, _Tally()), event)
    return [
        _group(run_id, model, prompt_type, tally)
        for (model, prompt_type), tally in sorted(tallies.items())
    ]


def _ends_and_starts(run_dir: Path) -> Iterable[ev.Event]:
    tail = Tail(run_dir)
    try:
        while batch := tail.poll():
            yield from batch.events
    except OSError as error:
        raise RunError(f"{run_dir / LOG} cannot be read: {error.strerror or error}") from error
    finally:
        tail.close()


def _count(tally: _Tally, event: ev.AttemptEnded) -> None:
    known = tally.results.get(event.task_id)
    if known is None or not is_scored(known.outcome):
        tally.results[event.task_id] = event
    tally.attempts += 1
    tally.tokens_in += event.tokens_in
    tally.tokens_out += event.tokens_out
    tally.cost += event.cost


def _group(run_id: str, model: str, prompt_type: str, tally: _Tally) -> Group:
    ended = list(tally.results.values())
    counts = Counter(event.outcome for event in ended)
    scored = [event for event in ended if is_scored(event.outcome)]
    low, high = wilson(counts["passed"], len(scored))
    seconds = [(event.at, event.elapsed_s) for event in ended]
    return Group(
        run_id=run_id,
        model=model,
        prompt_type=prompt_type,
        tasks=len(ended),
        scored=len(scored),
        not_scored=len(ended) - len(scored),
        outcomes={name: counts[name] for name in OUTCOMES if name in SCORED or counts[name]},
        success=counts["passed"] / len(scored) if scored else None,
        success_low=low,
        success_high=high,
        mean_turns=sum(event.turns for event in scored) / len(scored) if scored else None,
        p50_s=quantile(seconds, 0.5),
        p95_s=quantile(seconds, 0.95),
        attempts=tally.attempts,
        tokens_in=tally.tokens_in,
        tokens_out=tally.tokens_out,
        cost=round(tally.cost, 6),
    )


def wilson(passed: int, tried: int) -> tuple[float | None, float | None]:
    """The 95 % interval of a share (Wilson 1927), which stays within 0..1 for few tries too."""
    if not tried:
        return None, None
    share = passed / tried
    spread = _Z * math.sqrt(share * (1 - share) / tried + _Z**2 / (4 * tried**2))
    middle = share + _Z**2 / (2 * tried)
    scale = 1 + _Z**2 / tried
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)
