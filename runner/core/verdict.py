"""One sentence that tells a person at 03:00 whether to act.

It stands on line 2 of the screen, in ``status``, in headless lines and in what the hooks are told:
the same words everywhere, so they are made here once.
"""

from collections import Counter
from typing import Final, Literal, NamedTuple

from runner.core.health import health, outlook, stalled_s, watch_of
from runner.core.plan import Watch
from runner.core.policy.room import low_room
from runner.core.state.model import State, WorkerState
from runner.core.text import duration, latency, one_line, plural
from runner.core.why import BACKOFF_WORDS, usual_s, waits_as_usual

Alarm = Literal["calm", "notice", "trouble", "needs_you"]
"""How loud the sentence is; red is for ``needs_you`` alone."""

ENGINE_LATE_S: Final = 1.0
ENGINE_SILENT_S: Final = 1.6
"""Viewers ask twice a second, so this is some missed answers; on every screen within 2 s."""


class EngineSeen(NamedTuple):
    """What a viewer itself saw of the engine: is its process there, how old is its last word."""

    alive: bool = True
    silent_s: float = 0.0


class Verdict(NamedTuple):
    """The sentence and how loud it is."""

    text: str
    alarm: Alarm


class Trouble(NamedTuple):
    """A worker that does not get on."""

    worker: WorkerState
    health: str
    stalled_s: float


_ON_PURPOSE: Final = ("backoff", "killing")
"""Phases that are told in the list of troubles even where they are as they should be."""


def _watch(state: State, model: str, known: dict[str, tuple[Watch, float]]) -> tuple[Watch, float]:
    """The thresholds of a model, and for how long without progress a worker is well; noted."""
    watch = watch_of(state.plan, model)
    known[model] = watch, min(watch.slow_after, watch.stuck_after)
    return known[model]


def troubles(state: State, now: float) -> list[Trouble]:
    """All workers that are not well, worst first: stuck, slow, then those that back off."""
    if state.status in ("finished", "stopped"):
        return []
    found: list[Trouble] = []
    watches: dict[str, tuple[Watch, float]] = {}
    for worker in state.workers:
        if not worker.attempt_id:
            continue
        watch, well_s = watches.get(worker.model) or _watch(state, worker.model, watches)
        if (
            worker.phase not in _ON_PURPOSE
            and now - max(worker.progress_at, worker.started_at) < well_s
        ):
            continue  # as nearly all are, four times a second
        how = health(worker, watch, now)
        if how != "ok" or worker.phase in _ON_PURPOSE:
            found.append(Trouble(worker, how, stalled_s(worker, now)))
    rank = {"stuck": 0, "slow": 1, "ok": 2}
    found.sort(key=lambda t: (rank[t.health], -t.stalled_s, t.worker.worker))
    return found


def verdict(
    state: State,
    now: float,
    engine: EngineSeen | None = None,
    found: list[Trouble] | None = None,
) -> Verdict:
    """The sentence for this moment; ``found`` is from `troubles`, where that is known already."""
    engine = engine or EngineSeen()
    if state.status in ("finished", "stopped"):
        return _ended(state)
    saved = f"{plural(state.rows.written, 'result')} safe"
    if not engine.alive:
        return Verdict(f"ENGINE GONE. {saved}. Start it again: pilot-tui resume", "needs_you")
    if engine.silent_s >= ENGINE_SILENT_S:
        silent = duration(engine.silent_s)
        return Verdict(f"ENGINE SILENT {silent}: numbers below are old", "needs_you")
    if state.rows.error:
        waiting = plural(len(state.awaited), "result")
        error = one_line(state.rows.error, 80)
        return Verdict(f"NEEDS YOU: {waiting} cannot be saved ({error}); none is lost", "needs_you")
    if state.pauses:
        return _paused(state, now)
    frozen = [host for host in state.hosts.values() if host.status == "frozen"]
    found = troubles(state, now) if found is None else found
    stuck = [t for t in found if t.health == "stuck"]
    if frozen and not stuck:
        numbers = ", ".join(str(host.host) for host in frozen)
        return Verdict(f"process {numbers} does not answer; it is replaced by itself", "trouble")
    if stuck:
        return _stuck(state, stuck, now)
    return _calm(state, found, now)


def _ended(state: State) -> Verdict:
    scored = sum(state.outcomes.get(name, 0) for name in ("passed", "partial", "failed"))
    not_scored = len(state.done) - scored
    left = state.tasks_total - len(state.done)
    if state.plan is not None and state.plan.is_wrap:
        text = f"{state.status}: {plural(scored, 'call')} answered"
        text += f", {not_scored} without an answer" if not_scored else ""
    else:
        text = f"{state.status}: {scored} of {state.tasks_total} tasks scored"
        text += f", {not_scored} not scored" if not_scored else ""
    if left:
        text += f", {left} not run"
    if state.ended_why:
        text += f" ({one_line(state.ended_why, 60)})"
    text += f". {plural(state.rows.written, 'result')} saved."
    if state.awaited:  # the disk took no more: they lie elsewhere, or their attempts run again
        waiting = plural(len(state.awaited), "result")
        text += f" {waiting} not in the run folder yet: resume the run."
    return Verdict(text, "needs_you" if state.awaited else "calm")


def _paused(state: State, now: float) -> Verdict:
    cause, words = next(iter(state.pauses.items()))
    since = duration(now - state.paused_at)
    if cause == "user":
        by = f" by {one_line(state.pause_origin, 40)}" if state.pause_origin else ""
        return Verdict(f"PAUSED{by} for {since}: no new tasks are started", "notice")
    return Verdict(f"NEEDS YOU: paused for {since}: {one_line(words, 120)}", "needs_you")


def _stuck(state: State, stuck: list[Trouble], now: float) -> Verdict:
    busy = len(state.owner)
    usual = _usual(state, stuck, now)
    if usual:
        text = f"{len(stuck)} STUCK for {duration(stuck[0].stalled_s)}, but that is usual here"
        return Verdict(f"{text} (p95 {usual}): stuck_after is short. {_saved(state)}", "notice")
    ends = [look.ends_in_s for t in stuck if (look := outlook(state, t.worker, now))]
    longest = duration(stuck[0].stalled_s)
    within = duration(max(ends, default=0.0))
    if len(stuck) == 1:
        head = f"1 STUCK for {longest}; it ends by itself within {within}."
    else:
        all_ = "both end" if len(stuck) == 2 else "all end"
        head = (
            f"{len(stuck)} STUCK, the longest for {longest}; {all_} by themselves within {within}."
        )
    fine = f"{busy - len(stuck)} of {busy} work normally."
    return Verdict(f"{head} {fine} {_saved(state)}", "trouble")


def _usual(state: State, stuck: list[Trouble], now: float) -> str:
    """The longest usual wait, where all of them wait no longer than is usual; else empty."""
    keys = {t.worker.endpoint_key for t in stuck}
    usual = {key: usual_s(state.endpoints[key], now) for key in keys if key in state.endpoints}
    if all(waits_as_usual(t.worker, usual.get(t.worker.endpoint_key), now) for t in stuck):
        return latency(max(found for found in usual.values() if found is not None))
    return ""


def _calm(state: State, found: list[Trouble], now: float) -> Verdict:
    text, alarm = _well(state, found, now)
    low = low_room(state)
    return Verdict(f"DISK LOW: {low}. {text}", "notice") if low else Verdict(text, alarm)


def _well(state: State, found: list[Trouble], now: float) -> Verdict:
    slow = sum(1 for t in found if t.health == "slow")
    waiting = sum(1 for t in found if t.health == "ok" and t.worker.phase == "backoff")
    busy = len(state.owner)
    rests = _rests(state, now)
    wrap = state.plan is not None and state.plan.is_wrap
    if not busy and wrap and state.status == "running":
        return Verdict(f"no call is open. {_saved(state)}", "calm")
    if not busy and state.status == "running":
        left = state.tasks_total - len(state.done) - state.running_tasks
        if left and rests:
            return Verdict(f"NEEDS YOU: {rests}. {_saved(state)}", "needs_you")
        text = f"no worker is busy, {plural(left, 'task')} to go." if left else "almost done."
        return Verdict(f"{text} {_saved(state)}", "calm")
    parts = [f"{plural(busy, 'call')} open" if wrap else f"{plural(busy, 'worker')} busy"]
    if slow:
        parts.append(f"{slow} slow")
    if waiting:
        parts.append(f"{waiting} backing off" + (_storm(found, now) if 2 * waiting > busy else ""))
    if len(parts) == 1:
        parts.append("all well")
    ending = " Ends when these are done." if state.status == "draining" else ""
    ending += f" {rests}." if rests else ""
    loud = slow or rests or waiting == busy
    return Verdict(f"{', '.join(parts)}.{ending} {_saved(state)}", "notice" if loud else "calm")


def _storm(found: list[Trouble], now: float) -> str:
    """Why most workers back off, and when the first goes on."""
    waiting = [t.worker for t in found if t.health == "ok" and t.worker.phase == "backoff"]
    reasons = Counter((worker.backoff_why, worker.endpoint) for worker in waiting)
    (cause, endpoint), _ = reasons.most_common(1)[0]
    first = duration(min(worker.backoff_until for worker in waiting) - now)
    words = BACKOFF_WORDS.get(cause, one_line(cause, 40))
    return f": {words} from {one_line(endpoint, 24)}, the first goes on in {first}"


def _rests(state: State, now: float) -> str:
    """A model that was given a rest by itself, for how long and why; empty where none was."""
    found = [item for item in state.endpoints.values() if item.paused_why and item.paused_until]
    if not found:
        return ""
    first = min(found, key=lambda item: item.paused_until)
    name = f"{one_line(first.model, 40)} on {one_line(first.endpoint, 24)}"
    left = duration(first.paused_until - now)
    others = f" (and {plural(len(found) - 1, 'other')})" if len(found) > 1 else ""
    return f"{name} rests for {left}{others}: {one_line(first.paused_why, 80)}"


def _saved(state: State) -> str:
    waiting = len(state.awaited)
    return "All results saved." if not waiting else f"{plural(waiting, 'result')} being saved."
