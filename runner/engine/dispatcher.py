"""Starts attempts: an idle worker, a task that may run now, a host that is up.

Apart from the queue (pure) because this half knows workers and hosts. A worker's number says where
it stands on the screen, so idle ones are taken lowest first.
"""

from collections.abc import Callable

from runner.core import events as ev
from runner.core import messages as m
from runner.core.plan import Model, Plan, Task
from runner.core.policy.dispatch import Queue
from runner.core.policy.places import best_place
from runner.core.state import State
from runner.core.status import model_workers
from runner.engine.attempts import Attempts
from runner.engine.hosts import HostLink
from runner.engine.journal import Journal
from runner.engine.supervisor import Supervisor
from runner.errors import SourceChanged


class Dispatcher:
    """Fills idle workers. ``paused`` says whether anything forbids new attempts now."""

    def __init__(
        self,
        journal: Journal,
        attempts: Attempts,
        supervisor: Supervisor,
        queue: Queue,
        paused: Callable[[], bool],
    ) -> None:
        self._journal = journal
        self._attempts = attempts
        self._supervisor = supervisor
        self._queue = queue
        self._paused = paused
        self._used: set[int] = set()
        self._first_use_at = 0.0
        self._for_alone: dict[int, Task] = {}

    @property
    def _state(self) -> State:
        return self._journal.state

    def _plan(self) -> Plan:
        plan = self._state.plan
        if plan is None:
            raise RuntimeError("the run has no plan yet")
        return plan

    def step(self, now: float) -> None:
        """Start what can be started; what a wrapped script starts by itself may have to wait."""
        if self._plan().is_wrap:
            self._hold()
            return
        self._start_alone(now)
        if len(self._state.owner) >= self._state.target_workers or self._paused():
            return
        plan = self._plan()
        for number in range(self._state.target_workers):
            link = self._free(number)
            if link is None or not self._may_be_used(number, plan, now):
                continue
            if self._queue.alone_waiting and self._order_alone(number, now):
                continue
            try:
                task = self._queue.take(self._may_start)
            except SourceChanged as error:
                self._journal.emit(ev.RunPaused(cause="brake", text=str(error)))
                return
            if task is None:
                return
            self._begin(task, number, link, now)

    def _hold(self) -> None:
        """Tell hosts that take requests by themselves whether the run is paused."""
        on = bool(self._state.pauses)
        for link in self._supervisor.links.values():
            if link.ready and link.holds != on:
                link.holds = on
                link.send(m.Hold(on))

    def _free(self, number: int) -> HostLink | None:
        """The host for the worker's next attempt, if the worker is idle and its host well."""
        if number >= len(self._state.workers) or self._state.workers[number].busy:
            return None
        link = self._supervisor.home.get(number)
        if link is None or not link.ready or link.frozen_since or link.alone or link.why_killed:
            return None
        return link

    def _may_be_used(self, number: int, plan: Plan, now: float) -> bool:
        """First uses of slots keep ``start_interval`` apart; later ones do not wait."""
        if number in self._used:
            return True
        if now < self._first_use_at:
            return False
        self._used.add(number)
        self._first_use_at = max(now, self._first_use_at + plan.run.start_interval)
        return True

    def _begin(self, task: Task, number: int, link: HostLink, now: float) -> None:
        self._attempts.start(task, number, link, now)

    def _may_start(self, model: Model) -> bool:
        """Whether the model is under its share of workers and served anywhere."""
        state = self._state
        busy = sum(item.busy for item in state.endpoints.values() if item.model == model.name)
        if busy >= model_workers(state, model.name):
            return False
        return best_place(state, model, self._journal.axis.now()) is not None

    # -------------------------------------------------------------------------------- alone

    def _order_alone(self, number: int, now: float) -> bool:
        """Give a suspect task a host of its own on this worker; it starts when that is up."""
        task = self._queue.take_alone()
        if task is None:
            return False
        link = self._supervisor.start([number], now, alone=True)
        self._for_alone[link.host] = task
        return True

    def _start_alone(self, now: float) -> None:
        for host, task in list(self._for_alone.items()):
            link = self._supervisor.links.get(host)
            if link is None:
                del self._for_alone[host]
                self._queue.again(task, alone=True)
            elif link.ready and not self._paused():
                del self._for_alone[host]
                self._begin(task, link.workers[0], link, now)

    def idle(self) -> bool:
        """Whether nothing is left to start and nothing waits for a host of its own."""
        return not self._for_alone and self._queue.empty()
