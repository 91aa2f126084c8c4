"""Attempts under way: given to a slot, followed through its messages, ended exactly once.

Ownership is the only fence: an attempt id is never reused, and a message counts only while the host
that sent it owns the attempt. Whatever comes later is dropped, counted and told.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from runner.core import events as ev
from runner.core import messages as m
from runner.core.health import model_of
from runner.core.loops import LoopDetector
from runner.core.outcomes import HOST_LOST, is_scored, outcome_of
from runner.core.plan import Plan, Task
from runner.core.policy.places import best_place
from runner.core.policy.requeue import after
from runner.core.rows import Record, Row
from runner.core.seeds import seed_of
from runner.core.state import State, WorkerState
from runner.engine.hosts import HostLink
from runner.engine.journal import Journal
from runner.engine.leftovers import end_child
from runner.engine.rowing import ended, record_of, row_of

MISSES_LOST: Final = 2
"""Beats without an attempt that the engine thinks the host owns, before it counts as lost."""

GRACE_FIRST_BEAT_S: Final = 0.5

HOST_ENDS: Final = "end"
"""The rung at which a host of one slot ends itself, after its last message."""


@dataclass(slots=True)
class Live:
    """An attempt under way: its task, the host that owns it, and who waits for its end."""

    task: Task
    link: HostLink
    worker: int
    detector: LoopDetector | None
    waiters: list[Callable[[ev.AttemptEnded], None]] = field(
        default_factory=list[Callable[[ev.AttemptEnded], None]]
    )
    loop_turn: int | None = None
    children: dict[int, float] = field(default_factory=dict[int, float])
    """Processes that it started and that have not ended: pid -> birth, seconds after boot."""


class Attempts:
    """All attempts under way. ``put_row`` takes a finished row; ``ended`` is told of each end."""

    def __init__(
        self,
        journal: Journal,
        put_row: Callable[[int, Row], object],
        ended: Callable[[Live, ev.AttemptEnded], None],
    ) -> None:
        self._journal = journal
        self._put_row = put_row
        self._ended = ended
        self._count = 0
        self.live: dict[str, Live] = {}
        self.late: Counter[tuple[str, int, str]] = Counter()

    @property
    def _state(self) -> State:
        return self._journal.state

    def _plan(self) -> Plan:
        plan = self._state.plan
        if plan is None:
            raise RuntimeError("the run has no plan yet")
        return plan

    # --------------------------------------------------------------------------------- start

    def start(self, task: Task, worker: int, link: HostLink, now: float) -> None:
        """Give ``task`` to a slot. Its attempt id holds the epoch, so no resume can reuse it."""
        plan, state = self._plan(), self._state
        model = plan.model(task.model)
        self._count += 1
        attempt_id = f"{state.epoch}-{self._count:05d}"
        known = state.tasks.get(task.task_id)
        attempt = known.attempts + 1 if known else 1
        place = best_place(state, model, self._journal.axis.now()) or model.places[0]
        watched = any(getattr(plan.loops, rule) != "off" for rule in plan.loops.__struct_fields__)
        self.live[attempt_id] = Live(
            task, link, worker, LoopDetector(plan.loops) if watched else None
        )
        link.given[attempt_id] = now
        self._journal.emit(
            ev.AttemptStarted(
                task_id=task.task_id,
                attempt=attempt,
                attempt_id=attempt_id,
                worker=worker,
                host=link.host,
                model=task.model,
                deployment=place.deployment,
                endpoint=place.endpoint,
                labels=task.labels,
            )
        )
        link.send(
            m.Run(
                attempt_id=attempt_id,
                worker=worker,
                task_id=task.task_id,
                attempt=attempt,
                model=task.model,
                deployment=place.deployment,
                endpoint=place.endpoint,
                seed=seed_of(plan.run.seed, task),
                labels=task.labels,
                data=task.data,
            )
        )

    def adopt(self, link: HostLink, claim: m.Claimed) -> None:
        """Take over an attempt that a host began: a request of a wrapped script waits for nobody.

        Its task is the request, which cannot be asked again, so it has this one attempt.
        """
        task = Task(task_id=f"call-{claim.attempt_id}", id=claim.attempt_id, model=claim.model)
        self.live[claim.attempt_id] = Live(task, link, claim.worker, None)
        link.given[claim.attempt_id] = claim.t
        link.threads[claim.worker] = claim.thread
        self._journal.emit(
            ev.AttemptStarted(
                task_id=task.task_id,
                attempt=1,
                attempt_id=claim.attempt_id,
                worker=claim.worker,
                host=link.host,
                model=claim.model,
                deployment=claim.model,
                endpoint=claim.endpoint,
                labels={},
            ),
            claim.t,
        )
        running = ev.AttemptRunning(attempt_id=claim.attempt_id, worker=claim.worker)
        self._journal.emit(running, claim.t)

    # ------------------------------------------------------------------------------ messages

    def owned(self, link: HostLink, attempt_id: str, what: str) -> Live | None:
        """The attempt, if this host owns it; otherwise the message is counted as dropped."""
        live = self.live.get(attempt_id)
        if live is None or live.link is not link:
            self.late[attempt_id, link.host, what] += 1
            return None
        return live

    def cost(self, model_name: str, tokens_in: int, tokens_out: int) -> float:
        """Money for a call, by the plan's prices per million tokens."""
        model = model_of(self._state.plan, model_name)
        if model is None:
            return 0.0
        price = model.price
        return (max(0, tokens_in) * price.in_ + max(0, tokens_out) * price.out) / 1e6

    def judge_turn(self, attempt_id: str, live: Live, message: m.TurnEnded) -> None:
        """Feed the turn to the loop rules; a kill ends the attempt, ``done`` is the host's."""
        if live.detector is None or message.features is None:
            return
        for finding in live.detector.feed(message.turn, message.features):
            self._journal.emit(
                ev.LoopSeen(
                    attempt_id=attempt_id,
                    worker=live.worker,
                    rule=finding.rule,
                    action=finding.action,
                    turns=list(finding.turns),
                    advice=finding.advice,
                )
            )
            if finding.action == "kill" and finding.rule != "done":
                live.loop_turn = finding.turns[-1]
                self.order_kill(attempt_id, f"loop:{finding.rule}")

    # ---------------------------------------------------------------------------------- ends

    def order_kill(self, attempt_id: str, cause: str) -> bool:
        """Tell the host to end the attempt; the first cause stays. False if it is not under way."""
        live = self.live.get(attempt_id)
        if live is None:
            return False
        worker = self._state.workers[live.worker]
        if not worker.killing_at:
            self._journal.emit(
                ev.KillOrdered(attempt_id=attempt_id, worker=live.worker, cause=cause)
            )
            live.link.send(m.Kill(attempt_id=attempt_id, cause=cause))
        return True

    def host_says_ended(self, live: Live, message: m.Ended) -> None:
        """The host freed the slot. A result that was already in the pipe beats a kill.

        Otherwise the first cause wins: the one that was ordered, else the host's own.
        """
        worker = self._state.workers[live.worker]
        outcome, cause = message.outcome, message.cause
        if not is_scored(outcome) and worker.killing_cause:
            cause = worker.killing_cause
            outcome = outcome_of(cause)
        live.link.is_spent = message.rung == HOST_ENDS
        self.end(
            message.attempt_id,
            outcome,
            cause,
            rung=message.rung,
            elapsed_s=message.elapsed_s,
            record=message.record,
            monotonic=message.t,
        )

    def lose(self, link: HostLink, culprit: str, culprit_cause: str, error: str) -> None:
        """End everything that a dead host owned. ``culprit`` may be empty: then all are suspects.

        An attempt whose kill was ordered ends by that cause: the host's death carried it out. Then
        nobody else is a suspect, since a host that does not end an attempt is killed for it.
        """
        owned = list(link.given)
        if len(owned) == 1 and not culprit:
            culprit = owned[0]
        ordered = any(self._state.workers[self.live[a].worker].killing_at for a in owned)
        suspects = not culprit and not ordered
        self._end_children(owned)
        for attempt_id in owned:
            worker = self._state.workers[self.live[attempt_id].worker]
            if worker.killing_cause:
                self.end(attempt_id, outcome_of(worker.killing_cause), worker.killing_cause, "kill")
            elif attempt_id == culprit:
                self.end(attempt_id, outcome_of(culprit_cause), culprit_cause, "kill", error=error)
            else:
                self.end(attempt_id, "lost", HOST_LOST, "kill", error=error, suspect=suspects)

    def release(self, link: HostLink, error: str) -> None:
        """End everything that a host owned which died through nobody's fault here."""
        owned = list(link.given)
        self._end_children(owned)
        for attempt_id in owned:
            self.end(attempt_id, "lost", HOST_LOST, "kill", error=error)

    def _end_children(self, owned: list[str]) -> None:
        """A tool in a session of its own outlives its host: it is known by pid and birth."""
        for attempt_id in owned:
            for pid, born in self.live[attempt_id].children.items():
                end_child(pid, born)

    def end(  # noqa: PLR0913 - one door for every end, each fact of it named
        self,
        attempt_id: str,
        outcome: str,
        cause: str,
        rung: str = "",
        *,
        elapsed_s: float | None = None,
        record: Record | None = None,
        error: str = "",
        suspect: bool = False,
        monotonic: float | None = None,
    ) -> None:
        """The attempt is over: its slot is free, its row is on the way, its task goes on."""
        live = self.live.pop(attempt_id)
        live.link.given.pop(attempt_id, None)
        live.link.missed.pop(attempt_id, None)
        state, plan = self._state, self._plan()
        worker = state.workers[live.worker]
        task = state.tasks.get(live.task.task_id)
        elapsed = self._journal.axis.now() - worker.started_at if elapsed_s is None else elapsed_s
        record = record_of(worker, error) if record is None else record
        if live.loop_turn is not None and cause.startswith("loop:"):
            record.loop_turn = live.loop_turn
        row_number = state.rows.next_row
        row = row_of(
            run_id=state.run_id,
            task=live.task,
            worker=worker,
            outcome=outcome,
            cause=cause,
            elapsed_s=elapsed,
            record=record,
        )
        then = (
            "final"
            if plan.is_wrap
            else after(outcome, cause, task, plan.run.max_attempts, suspect=suspect)
        )
        event = ended(row, row_number, then=then, rung=rung or worker.rung, suspect=suspect)
        self._journal.emit(event, monotonic)
        self._put_row(row_number, row)
        for tell in live.waiters:
            tell(event)
        self._ended(live, event)

    def reconcile(self, link: HostLink, beat: m.Beat) -> None:
        """Attempts that the host no longer has though nobody said so: lost after two beats.

        Only attempts handed over well before the beat count, since the order may be on its way.
        """
        running = set(beat.running)
        for attempt_id, given in list(link.given.items()):
            if attempt_id in running or given > beat.t - GRACE_FIRST_BEAT_S:
                link.missed.pop(attempt_id, None)
                continue
            link.missed[attempt_id] = link.missed.get(attempt_id, 0) + 1
            if link.missed[attempt_id] >= MISSES_LOST:
                text = f"process {link.host} no longer has attempt {attempt_id}"
                self._journal.emit(ev.HostOverloaded(host=link.host, why=text))
                self.end(attempt_id, "lost", HOST_LOST, error=text)

    def tell_late(self) -> None:
        """One event for each kind of thing that came too late since the last call."""
        for (attempt_id, host, what), count in self.late.items():
            self._journal.emit(
                ev.LateDropped(attempt_id=attempt_id, host=host, what=what, count=count)
            )
        self.late.clear()

    def worker_of(self, attempt_id: str) -> WorkerState | None:
        """The slot's state while the attempt is under way."""
        live = self.live.get(attempt_id)
        return self._state.workers[live.worker] if live else None
