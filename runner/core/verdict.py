"""One sentence that tells a person at 03:00 whether to act.

It stands on line 2 of the screen, in ``status``, in headless lines and in what the hooks are told:
the same words everywhere, so they are made here once.
"""

from typing import Final, Literal, NamedTuple

from runner.core.health import health, outlook, stalled_s, watch_of
from runner.core.policy.room import low_room
from runner.core.state.model import State, WorkerState
from runner.core.text import duration, one_line, plural

Alarm = Literal["calm", "notice", "trouble", "needs_you"]
"""How loud the sentence is; red is for ``needs_you`` alone."""

ENGINE_LATE_S: Final = 1.0
ENGINE_SILENT_S: Final = 1.6
"""Viewers ask once a second, so this is one missed answer and some; on every screen within 2 s."""


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


def troubles(state: State, now: float) -> list[Trouble]:
    """All workers that are not well, worst first: stuck, slow, then those that back off."""
    if state.status in ("finished", "stopped"):
        return []
    found: list[Trouble] = []
    for worker in state.workers:
        if not worker.busy:
            continue
        how = health(worker, watch_of(state.plan, worker.model), now)
        if how != "ok" or worker.phase in ("backoff", "killing"):
            found.append(Trouble(worker, how, stalled_s(worker, now)))
    rank = {"stuck": 0, "slow": 1, "ok": 2}
    found.sort(key=lambda t: (rank[t.health], -t.stalled_s, t.worker.worker))
    return found


def verdict(state: State, now: float, engine: EngineSeen | None = None) -> Verdict:
    """The sentence for this moment."""
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
    stuck = [t for t in troubles(state, now) if t.health == "stuck"]
    if frozen and not stuck:
        numbers = ", ".join(str(host.host) for host in frozen)
        return Verdict(f"process {numbers} does not answer; it is replaced by itself", "trouble")
    if stuck:
        return _stuck(state, stuck, now)
    return _calm(state, now)


def _ended(state: State) -> Verdict:
    scored = sum(state.outcomes.get(name, 0) for name in ("passed", "partial", "failed"))
    not_scored = len(state.done) - scored
    left = state.tasks_total - len(state.done)
    text = f"{state.status}: {scored} of {state.tasks_total} tasks scored"
    if not_scored:
        text += f", {not_scored} not scored"
    if left:
        text += f", {left} not run"
    if state.ended_why:
        text += f" ({one_line(state.ended_why, 60)})"
    return Verdict(text + f". {plural(state.rows.written, 'result')} saved.", "calm")


def _paused(state: State, now: float) -> Verdict:
    cause, words = next(iter(state.pauses.items()))
    since = duration(now - state.paused_at)
    if cause == "user":
        by = f" by {one_line(state.pause_origin, 40)}" if state.pause_origin else ""
        return Verdict(f"PAUSED{by} for {since}: no new tasks are started", "notice")
    return Verdict(f"NEEDS YOU: paused for {since}: {one_line(words, 120)}", "needs_you")


def _stuck(state: State, stuck: list[Trouble], now: float) -> Verdict:
    busy = len(state.owner)
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


def _calm(state: State, now: float) -> Verdict:
    text, alarm = _well(state, now)
    low = low_room(state)
    return Verdict(f"DISK LOW: {low}. {text}", "notice") if low else Verdict(text, alarm)


def _well(state: State, now: float) -> Verdict:
    found = troubles(state, now)
    slow = sum(1 for t in found if t.health == "slow")
    waiting = sum(1 for t in found if t.health == "ok" and t.worker.phase == "backoff")
    busy = len(state.owner)
    if not busy and state.status == "running":
        left = state.tasks_total - len(state.done) - state.running_tasks
        text = f"no worker is busy, {plural(left, 'task')} to go." if left else "almost done."
        return Verdict(f"{text} {_saved(state)}", "calm")
    parts = [f"{plural(busy, 'worker')} busy"]
    if slow:
        parts.append(f"{slow} slow")
    if waiting:
        parts.append(f"{waiting} backing off")
    if len(parts) == 1:
        parts.append("all well")
    ending = " Ends when these are done." if state.status == "draining" else ""
    return Verdict(f"{', '.join(parts)}.{ending} {_saved(state)}", "notice" if slow else "calm")


def _saved(state: State) -> str:
    waiting = len(state.awaited)
    return "All results saved." if not waiting else f"{plural(waiting, 'result')} being saved."
