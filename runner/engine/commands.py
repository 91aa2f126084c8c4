"""What a person or a script may ask of a running engine, and what it is told.

Every command comes through here, whoever sent it, and leaves an event that names its origin. They
act on attempts, not on lines of a screen: an answer about another attempt than the asker saw would
be a kill of an innocent.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from runner.core import events as ev
from runner.core.outcomes import KILLED_RETRY, KILLED_USER
from runner.core.plan import Task
from runner.core.state import State
from runner.engine.attempts import Attempts
from runner.engine.control import Client
from runner.engine.journal import Journal
from runner.errors import PlanError, format_problems

PENDING_S: Final = 10.0
ENDED_KEPT: Final = 4096
MAX_WORKERS: Final = 4096


class Steering(Protocol):
    """What the engine's loop lends to the commands."""

    def find_task(self, task_id: str) -> Task | None:
        """The task of that id; None if the plan has none."""
        ...

    def queue_again(self, task: Task) -> None:
        """Queue a task before all others."""
        ...

    def resize(self, workers: int, origin: str) -> None:
        """Have that many slots."""
        ...

    def change(self, key: str, value: str, origin: str, *, now: bool) -> str:
        """Change the plan; the old value. `PlanError` if it is refused."""
        ...

    def unpause(self, origin: str) -> None:
        """Lift every pause that a person may lift."""
        ...

    def stop(self, origin: str, why: str, *, drain: bool) -> None:
        """End the run."""
        ...

    def ping(self) -> dict[str, Any]:
        """The answer to ``ping``, from memory."""
        ...

    def ask_stacks(self, tell: Callable[[str], None]) -> None:
        """Have every host print its stacks."""
        ...


@dataclass(slots=True)
class _Waiting:
    """Somebody who is told when an attempt has ended, or after `PENDING_S` that it has not yet."""

    attempt_id: str
    asked: float
    tell: Callable[[dict[str, Any]], None]
    over: bool = False


@dataclass(slots=True)
class Commands:
    """Carries out requests. ``clock`` is monotonic seconds."""

    journal: Journal
    attempts: Attempts
    steering: Steering
    clock: Callable[[], float]
    _ended: OrderedDict[str, ev.AttemptEnded] = field(
        default_factory=OrderedDict[str, ev.AttemptEnded]
    )
    _killed: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    _waiting: list[_Waiting] = field(default_factory=list[_Waiting])

    @property
    def _state(self) -> State:
        return self.journal.state

    def handle(self, client: Client, request: dict[str, Any]) -> None:
        """Answer one request; an op that is not known ends the connection, the run goes on."""
        do = _OPS.get(request["op"])
        if do is None:
            client.refuse(f"unknown op; known are {', '.join(sorted(_OPS))}")
            return
        if request["op"] == "ping":
            client.pings += 1
        do(self, client, request)

    def remember(self, event: ev.AttemptEnded) -> None:
        """Keep how an attempt ended, for those who ask too late."""
        self._ended[event.attempt_id] = event
        while len(self._ended) > ENDED_KEPT:
            gone, _ = self._ended.popitem(last=False)
            self._killed.pop(gone, None)

    def step(self, now: float) -> None:
        """Tell those whose kill takes long that it does."""
        for waiting in self._waiting:
            if not waiting.over and now - waiting.asked >= PENDING_S:
                waiting.over = True
                waiting.tell({"ok": True, "attempt_id": waiting.attempt_id, "pending": True})
        self._waiting = [waiting for waiting in self._waiting if not waiting.over]

    # ------------------------------------------------------------------------- kill and retry

    def on_kill(self, client: Client, request: dict[str, Any]) -> None:
        """End an attempt now; its task does not run again."""
        self._end(client, request, retry=False)

    def on_retry(self, client: Client, request: dict[str, Any]) -> None:
        """End the attempt if it runs, and queue its task first."""
        if self._state.plan is not None and self._state.plan.is_wrap:
            error = "a request of a wrapped script cannot be asked again; kill ends it"
            client.answer({"ok": False, "error": error})
            return
        self._end(client, request, retry=True)

    def _end(self, client: Client, request: dict[str, Any], *, retry: bool) -> None:
        attempt_id = request.get("attempt_id")
        running = self._named(request)
        if attempt_id is not None and running != attempt_id:
            self._too_late(client, attempt_id, retry=retry)
            return
        if running is None:
            self._not_running(client, request, retry=retry)
            return
        live = self.attempts.live[running]
        asked = self.clock()
        again = self._state.workers[live.worker].killing_at > 0 and running in self._killed
        self.journal.emit(ev.KillRequested(attempt_id=running, origin=client.origin, retry=retry))
        self._killed.setdefault(running, {})
        waiting = _Waiting(running, asked, client.answer)
        self._waiting.append(waiting)

        def tell(event: ev.AttemptEnded) -> None:
            answer = self._killed.get(running)
            if not answer:  # who asked first is told first
                answer = {**_ended_answer(event, self.clock() - asked), "by": client.origin}
                self._killed[running] = answer
            if not waiting.over:
                waiting.over = True
                client.answer({**answer, "already": True} if again else answer)

        live.waiters.append(tell)
        self.attempts.order_kill(running, KILLED_RETRY if retry else KILLED_USER)

    def _named(self, request: dict[str, Any]) -> str | None:
        """The attempt under way that the request means: by its id, its task or its worker."""
        attempt_id = request.get("attempt_id")
        if isinstance(attempt_id, str):
            return attempt_id if attempt_id in self.attempts.live else None
        task_id, worker = request.get("task"), _whole(request.get("worker"))
        for running, live in self.attempts.live.items():
            if live.task.task_id == task_id or (task_id is None and live.worker == worker):
                return running
        return None

    def _too_late(self, client: Client, attempt_id: Any, *, retry: bool) -> None:
        """The attempt is over: a second kill gets the first one's answer, any other is told so."""
        event = self._ended.get(attempt_id) if isinstance(attempt_id, str) else None
        if event is None:
            client.answer({"ok": False, "error": "no such attempt"})
        elif not retry and self._killed.get(event.attempt_id):
            client.answer({**self._killed[event.attempt_id], "already": True})
        else:
            client.answer(
                {
                    "ok": False,
                    "error": "already ended",
                    "attempt_id": event.attempt_id,
                    "outcome": event.outcome,
                    "cause": event.cause,
                }
            )

    def _not_running(self, client: Client, request: dict[str, Any], *, retry: bool) -> None:
        task_id = request.get("task")
        if not isinstance(task_id, str):
            worker = _whole(request.get("worker"))
            known = worker is not None and 0 <= worker < len(self._state.workers)
            error = f"worker {worker} is idle" if known else "want a worker, task or attempt_id"
            client.answer({"ok": False, "error": error})
            return
        task = self.steering.find_task(task_id)
        if task is None:
            client.answer({"ok": False, "error": "the plan has no such task"})
        elif not retry:
            client.answer({"ok": False, "error": "the task is not running"})
        else:
            self.journal.emit(ev.TaskQueued(task_id=task_id, origin=client.origin))
            self.steering.queue_again(task)
            client.answer({"ok": True, "task_id": task_id, "queued": True})

    # ------------------------------------------------------------------------------- the run

    def on_pause(self, client: Client, request: dict[str, Any]) -> None:
        """Start no new attempts: of the run, or of one ``model`` (on one ``endpoint``) only."""
        if "model" in request:
            self._rest(client, request, pause=True)
            return
        already = "user" in self._state.pauses
        if not already:
            text = f"by {client.origin}"
            self.journal.emit(ev.RunPaused(cause="user", text=text, origin=client.origin))
        client.answer({"ok": True, "already": already})

    def on_resume(self, client: Client, request: dict[str, Any]) -> None:
        """Start attempts again, whatever paused the run; with ``model`` only those of that one."""
        if "model" in request:
            self._rest(client, request, pause=False)
            return
        already = not self._state.pauses
        self.steering.unpause(client.origin)
        client.answer({"ok": True, "already": already})

    def _rest(self, client: Client, request: dict[str, Any], *, pause: bool) -> None:
        """Pause one model on one endpoint, or let it go on; 10 minutes do not lift this."""
        model, endpoint = request.get("model"), request.get("endpoint")
        found = {
            (item.model, item.endpoint)
            for item in self._state.endpoints.values()
            if item.model == model and endpoint in (None, item.endpoint)
        }
        if not found:
            client.answer({"ok": False, "error": "the plan has no such model on that endpoint"})
            return
        for name, place in sorted(found):
            why, origin = f"paused by {client.origin}", client.origin
            self.journal.emit(
                ev.EndpointPaused(model=name, endpoint=place, why=why)
                if pause
                else ev.EndpointUnpaused(model=name, endpoint=place, origin=origin)
            )
        client.answer({"ok": True, "model": model})

    def on_stop(self, client: Client, request: dict[str, Any]) -> None:
        """End the run: now, or with ``drain`` when the attempts under way have ended."""
        drain = bool(request.get("drain"))
        why = f"stopped by {client.origin}"
        self.steering.stop(client.origin, why, drain=drain)
        client.answer({"ok": True, "drain": drain})

    def on_workers(self, client: Client, request: dict[str, Any]) -> None:
        """Change the number of slots."""
        number = _whole(request.get("n"))
        if number is None or not 1 <= number <= MAX_WORKERS:
            client.answer({"ok": False, "error": f"want n from 1 to {MAX_WORKERS}"})
            return
        self.steering.resize(number, client.origin)
        client.answer({"ok": True, "workers": number})

    def on_set(self, client: Client, request: dict[str, Any]) -> None:
        """Change a key of the plan."""
        key, value = request.get("key"), request.get("value")
        if not isinstance(key, str) or not isinstance(value, str):
            client.answer({"ok": False, "error": "want key and value, both as text"})
            return
        try:
            old = self.steering.change(key, value, client.origin, now=bool(request.get("now")))
        except PlanError as error:
            client.answer({"ok": False, "error": "; ".join(format_problems(error.problems))})
            return
        client.answer({"ok": True, "key": key, "old": old})

    def on_ping(self, client: Client, _request: dict[str, Any]) -> None:
        """How the run, its log and its rows are, from memory."""
        client.answer({"ok": True, **self.steering.ping()})

    def on_stacks(self, client: Client, _request: dict[str, Any]) -> None:
        """The Python stacks of all hosts."""
        self.steering.ask_stacks(lambda text: client.answer({"ok": True, "text": text}))


def _whole(value: Any) -> int | None:
    """A whole number of a request; ``true`` is none, though Python takes it for 1."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _ended_answer(event: ev.AttemptEnded, took_s: float) -> dict[str, Any]:
    return {
        "ok": True,
        "attempt_id": event.attempt_id,
        "task_id": event.task_id,
        "outcome": event.outcome,
        "cause": event.cause,
        "rung": event.rung,
        "then": event.then,
        "took_s": round(took_s, 6),
    }


_OPS: Final[dict[str, Callable[[Commands, Client, dict[str, Any]], None]]] = {
    "kill": Commands.on_kill,
    "retry": Commands.on_retry,
    "pause": Commands.on_pause,
    "resume": Commands.on_resume,
    "stop": Commands.on_stop,
    "workers": Commands.on_workers,
    "set": Commands.on_set,
    "ping": Commands.on_ping,
    "stacks": Commands.on_stacks,
}
