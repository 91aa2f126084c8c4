"""One row a task with what all its attempts cost: the table that reports are made of.

Apart from the groups because two sources meet here and nowhere else: the rows of all attempts, and
the loop findings of the log, which tell from which turn on an attempt led nowhere.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from runner.core import events as ev
from runner.core.outcomes import FROZE_HOST, KILLED_RETRY, KILLED_USER
from runner.core.rows import Row
from runner.errors import RunError
from runner.past.frames import Frame, pl
from runner.past.table import one_a_task, results
from runner.past.tail import events_named
from runner.runs import LOG

_BODIES: Final = ("messages", "extra", "tool_calls")
"""Gigabytes that no group needs."""
COLUMNS: Final = tuple(name for name in Row.__struct_fields__ if name not in _BODIES)
SPENT: Final = ("tokens_in", "tokens_out", "cost", "backoff_s")
"""Columns that count for a task over all its attempts, not only over the one that was scored."""


def judged(run: str | Path) -> Frame:
    """`weigh` of a run folder, or of what commands take for one.

    Raises OSError, and `RunError` for a damaged part or a log that cannot be read.
    """
    from runner.past.table import run_folder

    run_dir = run_folder(run)
    return weigh(results(run_dir, attempts=True, columns=COLUMNS), loops_of(run_dir))


def weigh(attempts: Frame, loops: Mapping[str, tuple[str, int]]) -> Frame:
    """One row a task, its result, out of the rows of all attempts; these columns are added:

    ``attempts``; ``re_run``, whether there was more than one; ``by_hand``, attempts that a person
    ended; and seconds of workers: ``hang_s``, whole attempts that ended by a limit or froze their
    host; ``loop_s``, attempts that ended looped, from the turn on in which the loop began;
    ``overrun_s``, attempts that went on after every required tool had succeeded. A turn's time is
    taken as its share of the attempt. `SPENT` columns are sums over all attempts.

    ``loops`` is what `loops_of` found.
    """
    found = pl.DataFrame(
        [(attempt_id, rule, turn) for attempt_id, (rule, turn) in loops.items()],
        schema={"attempt_id": pl.String, "_rule": pl.String, "_turn": pl.Int64},
        orient="row",
    )
    attempts = attempts.join(found, on="attempt_id", how="left", maintain_order="left")
    turns = pl.max_horizontal("turns", "_turn", pl.lit(1))
    done = pl.col("_rule") == "done"
    looped = pl.col("outcome") == "looped"
    since = turns - pl.col("_turn").fill_null(1) + pl.when(looped).then(1).otherwise(0)
    gone = pl.col("elapsed_s") * since / turns
    hung = (pl.col("outcome") == "timed_out") | (pl.col("cause") == FROZE_HOST)
    hand = pl.col("cause").is_in([KILLED_USER, KILLED_RETRY])
    costs = attempts.group_by("task_id").agg(
        pl.len().alias("attempts"),
        (pl.len() > 1).alias("re_run"),
        hand.sum().alias("by_hand"),
        pl.col("elapsed_s").filter(hung).sum().alias("hang_s"),
        gone.filter(looped).sum().alias("loop_s"),
        gone.filter(done & ~looped).sum().alias("overrun_s"),
        *(pl.col(name).sum() for name in SPENT),
    )
    kept = one_a_task(attempts).drop("_rule", "_turn", *SPENT)
    return kept.join(costs, on="task_id", how="left", maintain_order="left")


def loops_of(run_dir: Path) -> dict[str, tuple[str, int]]:
    """Of each attempt in which a loop rule fired: the rule and the turn from which on it counts.

    A rule that ended the attempt counts, else ``done``, else the first. `RunError` where the log
    cannot be read.
    """
    if not (run_dir / LOG).exists():
        return {}
    try:
        seen = events_named(run_dir, [ev.LoopSeen.__name__])
    except OSError as error:
        raise RunError(f"{run_dir / LOG} cannot be read: {error.strerror or error}") from error
    found: dict[str, tuple[int, str, int]] = {}
    for event in seen:
        if isinstance(event, ev.LoopSeen) and event.turns:
            rank = 0 if event.rule == "done" else 1 if event.action == "kill" else 2
            known = found.get(event.attempt_id)
            if known is None or rank < known[0]:
                found[event.attempt_id] = (rank, event.rule, min(event.turns))
    return {attempt_id: (rule, turn) for attempt_id, (_, rule, turn) in found.items()}


def stacked(frames: Sequence[Frame]) -> Frame:
    """The tasks of several runs in one table."""
    return pl.concat(list(frames), how="diagonal_relaxed")


def run_names(infos: Sequence[tuple[str, str]]) -> list[str]:
    """What to call runs that stand side by side, out of (id, name): names where they differ."""
    names = [name or run_id for run_id, name in infos]
    if len(set(names)) == len(names):
        return names
    return [run_id for run_id, _ in infos]
