"""The run as a whole: paused, resized, changed, stopped, finished.

Apart from the loop because these are the decisions that a person or the brakes make; the loop only
turns. Implements `commands.Steering`.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from runner.core import events as ev
from runner.core import messages as m
from runner.core.outcomes import DEADLINE_RUN, KILLED_STOP, PauseCause
from runner.core.plan import Task
from runner.core.policy.adaptive import admissions
from runner.core.policy.brakes import brake, memory_pressure
from runner.core.policy.dispatch import Queue
from runner.core.policy.endpoints import asked_again, recovered, rests
from runner.core.state import State
from runner.core.status import not_scored, run_elapsed_s
from runner.engine.attempts import Attempts
from runner.engine.config import PlanDocument, change
from runner.engine.journal import Journal
from runner.engine.storage import Storage
from runner.engine.supervisor import Supervisor
from runner.engine.tasks import NoTasks, TaskSource
from runner.errors import SourceChanged

STOP_ROWS_S: Final = 10.0
"""How long a stop waits for rows that the disk does not take, before they go elsewhere."""
STOP_KILL_S: Final = 5.0
"""How long a stop waits for hosts to end their attempts before it ends the hosts."""
STACKS_S: Final = 2.0
LIFTED_BY_HAND: Final[tuple[PauseCause, ...]] = ("user", "brake", "storm", "memory")


class Steering:
    """Pausing, resizing, changing, ending."""

    def __init__(
        self,
        run_dir: Path,
        document: PlanDocument,
        source: TaskSource | NoTasks,
        queue: Queue,
        journal: Journal,
        attempts: Attempts,
        supervisor: Supervisor,
        storage: Storage,
    ) -> None:
        self._run_dir = run_dir
        self.document = document
        self._source = source
        self._queue = queue
        self._journal = journal
        self._attempts = attempts
        self._supervisor = supervisor
        self._storage = storage
        self._stopping_since = 0.0
        self._stacks: dict[int, tuple[float, dict[int, str], set[int], Callable[[str], None]]] = {}
        self._next_stacks = 0
        self._forgiven_brake = ""
        self._finishing = False
        self._ends_as = ""
        self.over = False

    @property
    def _state(self) -> State:
        return self._journal.state

    # ---------------------------------------------------------------------------- questions

    def paused(self) -> bool:
        """Whether anything forbids new attempts."""
        return bool(self._state.pauses) or self._state.status != "running"

    def find_task(self, task_id: str) -> Task | None:
        """The task of that id, made from the source."""
        try:
            found = self._source.find(task_id)
            return None if found is None else self._source.task(*found)
        except SourceChanged:
            return None

    def ping(self) -> dict[str, Any]:
        """How things are, without touching a disk."""
        state = self._state
        return {
            "state": state.status,
            "seq": state.seq,
            "at": self._journal.axis.now(),
            "viewers": state.viewers,
            **self._storage.ping(),
        }

    def queue_open_tasks(self) -> None:
        """After a resume: what was queued again or lost runs before what was never started."""
        for task_id, open_task in self._state.tasks.items():
            task = self.find_task(task_id) if open_task.status == "pending" else None
            if task is not None:
                self._queue.again(task, first=False, alone=open_task.alone)

    # ----------------------------------------------------------------------------- commands

    def queue_again(self, task: Task) -> None:
        """Queue the task before all others; one that is queued already moves to the front."""
        if not self._queue.first(task.task_id):
            self._queue.again(task)

    def resize(self, workers: int, origin: str) -> None:
        """Have that many slots: new hosts for more, for fewer the last ones end when idle."""
        self._journal.emit(ev.WorkersChanged(target=workers, origin=origin))
        self._supervisor.grow(range(workers), time.monotonic())

    def change(self, key: str, value: str, origin: str, *, now: bool) -> str:
        """Change a key of the plan, checked like the plan; hosts are told. The old value."""
        plan_before = self.document.plan
        self.document, before = change(self.document, key, value)
        old = str(before)
        plan = self.document.plan
        rested = {(r.model, r.endpoint) for r in asked_again(self._state, plan_before, plan)}
        self._journal.emit(
            ev.PlanChanged(key=key, old=old, new=value, now=now, origin=origin, plan=plan)
        )
        for link in self._supervisor.links.values():
            link.send(m.Set(plan=plan, running=now))
        if plan.run.workers != self._state.target_workers and key == "run.workers":
            self.resize(plan.run.workers, origin)
        for model, endpoint in rested:
            self._journal.emit(ev.EndpointUnpaused(model=model, endpoint=endpoint, origin=origin))
        return old

    def unpause(self, origin: str) -> None:
        """Lift every pause that a person may lift; endpoints that paused themselves as well."""
        for cause in LIFTED_BY_HAND:
            if cause in self._state.pauses:
                self._journal.emit(ev.RunUnpaused(cause=cause, origin=origin))
        self._forgiven_brake = brake(self._state)
        self._supervisor.calm()
        paused = {
            (found.model, found.endpoint)
            for found in self._state.endpoints.values()
            if found.paused_why
        }
        for model, endpoint in paused:
            self._journal.emit(ev.EndpointUnpaused(model=model, endpoint=endpoint, origin=origin))

    def stop(self, origin: str, why: str, *, drain: bool) -> None:
        """End the run now, or when what is under way has ended."""
        if drain:
            if self._state.status != "draining":
                self._journal.emit(ev.DrainStarted(origin=origin))
                self._ends_as = why
            return
        self._end_now(origin, why, KILLED_STOP)

    def _end_now(self, origin: str, why: str, cause: str) -> None:
        if self._stopping_since:
            return
        self._stopping_since = time.monotonic()
        self._ends_as = why
        self._journal.emit(ev.StopRequested(origin=origin, why=why))
        for attempt_id in list(self._attempts.live):
            self._attempts.order_kill(attempt_id, cause)

    def stop_at_once(self, origin: str) -> None:
        """A second signal: do not wait for hosts."""
        self._end_now(origin, f"stopped by {origin}", KILLED_STOP)
        self._stopping_since = min(self._stopping_since, time.monotonic() - STOP_KILL_S)

    def ask_stacks(self, tell: Callable[[str], None]) -> None:
        """Have every host print its stacks; ``tell`` gets them all, or what came in 2 s."""
        self._next_stacks += 1
        number = self._next_stacks
        hosts = set(self._supervisor.links)
        self._stacks[number] = (time.monotonic(), {}, hosts, tell)
        for link in self._supervisor.links.values():
            link.send(m.Stacks(id=number))

    def stacks_taken(self, host: int, number: int, text: str) -> None:
        """One host's answer."""
        asked = self._stacks.get(number)
        if asked is not None:
            asked[1][host] = text
            if asked[2] <= set(asked[1]):
                self._tell_stacks(number)

    def _tell_stacks(self, number: int) -> None:
        _, texts, hosts, tell = self._stacks.pop(number)
        missing = "".join(f"process {host} did not answer\n" for host in sorted(hosts - set(texts)))
        tell("\n".join(f"process {h}\n{text}" for h, text in sorted(texts.items())) + missing)

    # ------------------------------------------------------------------------------- judging

    def step(self, now: float) -> None:
        """Brakes, the run's own limit, and whether it is over."""
        for number, asked in list(self._stacks.items()):
            if now - asked[0] >= STACKS_S:
                self._tell_stacks(number)
        if self._finishing:
            if self._storage.finished:
                self._finish()
            return
        if not self._stopping_since:
            self._rest_endpoints()
            self._brakes(now)
            self._run_limit()
        self._maybe_over(now)

    def _rest_endpoints(self) -> None:
        """Pause models whose key is refused or that never answer; go on with one that does."""
        for rest in list(rests(self._state, self._journal.axis.now())):
            self._journal.emit(
                ev.EndpointPaused(
                    model=rest.model, endpoint=rest.endpoint, why=rest.why, until=rest.until
                )
            )
        for admission in list(admissions(self._state, self._journal.axis.now())):
            self._journal.emit(
                ev.AdmissionChanged(
                    model=admission.model,
                    endpoint=admission.endpoint,
                    limit=admission.limit,
                    why=admission.why,
                )
            )
        for found in list(recovered(self._state)):
            self._journal.emit(ev.EndpointUnpaused(model=found.model, endpoint=found.endpoint))

    def _brakes(self, now: float) -> None:
        if self._state.status not in ("running", "paused"):
            return
        why = brake(self._state)
        if why and why != self._forgiven_brake:
            self._pause("brake", why)
        self._pause("storm", self._supervisor.storm(now))
        memory = memory_pressure(self._state)
        self._pause("memory", memory)
        if not memory and "memory" in self._state.pauses:
            self._journal.emit(ev.RunUnpaused(cause="memory"))

    def _pause(self, cause: PauseCause, why: str) -> None:
        if why and cause not in self._state.pauses:
            self._journal.emit(ev.RunPaused(cause=cause, text=why))

    def _run_limit(self) -> None:
        plan = self._state.plan
        now = self._journal.axis.now()
        if plan is not None and run_elapsed_s(self._state, now) >= plan.limits.run:
            self._end_now("limit", f"limits.run = {plan.limits.run:g} s is over", DEADLINE_RUN)

    def _maybe_over(self, now: float) -> None:
        """Finish when every task is done, or when a stop or drain has nothing left to wait for."""
        state = self._state
        if self._all_done() and not self._attempts.live and not state.awaited:
            self._begin_finish()
        elif state.status == "draining" and not self._attempts.live:
            waited = now - self._stopping_since if self._stopping_since else 0.0
            if not state.awaited or waited >= STOP_ROWS_S:
                self._begin_finish()
        elif self._stopping_since and now - self._stopping_since >= STOP_KILL_S:
            for link in list(self._supervisor.links.values()):
                link.kill("the run is stopped")

    def _all_done(self) -> bool:
        """Whether every task is done; of a wrapped script the end is told, by a drain."""
        state = self._state
        if state.plan is not None and state.plan.is_wrap and state.status != "draining":
            return False
        return len(state.done) >= state.tasks_total

    def _begin_finish(self) -> None:
        """Hosts go; rows that wait are written and parts merged."""
        self._finishing = True
        self._supervisor.close()
        if self._state.awaited:
            self._finish()
        else:
            self._storage.finish()

    def _finish(self) -> None:
        state = self._state
        cut = state.plan is not None and state.plan.is_wrap and self._stopping_since > 0
        complete = self._all_done() and not cut
        code = (1 if not_scored(state) else 0) if complete else 3
        status = "finished" if complete else "stopped"
        why = "" if complete else self._ends_as
        self._journal.emit(ev.RunEnded(status=status, why=why, exit_code=code))
        self.over = True
