"""The life of an attempt in its slot: prepare, run, score, and one last message.

Apart from the slots (whose thread it borrows) and from the attempt (which only keeps the facts).
The order at the end is fixed: children are ended, the slot is freed, then `Ended` is sent; the
engine's next order for the slot would otherwise overtake it (61 of 2,000 attempts vanished).
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from runner.core import messages
from runner.core.outcomes import Phase
from runner.core.plan import Plan
from runner.host import attempt as attempts
from runner.host import python, scope
from runner.host.agent import Ctx, Task
from runner.host.apikey import ApiKey
from runner.host.attempt import Attempt
from runner.host.calls import Session
from runner.host.gate import Interrupted
from runner.host.guard import Connections
from runner.host.ladder import Rung
from runner.host.outbox import Outbox
from runner.host.permits import Shares
from runner.host.proxy import Proxy
from runner.host.recorder import Recorder
from runner.host.speech import AttemptStream
from runner.host.verdict import Verdict, of_error, of_result
from runner.masking import Secrets


def _nobody_waits(_worker: int) -> None:
    """The engine decides what runs next; only a wrapped script's requests wait for slots here."""


@dataclass
class Shared:
    """What all attempts of a host share. ``plan`` is exchanged when the engine changes it."""

    plan: Plan
    run_dir: str
    outbox: Outbox
    shares: Shares
    keys: dict[str, ApiKey]
    secrets: Secrets
    source: python.Source
    proxy: Proxy
    streams: tuple[AttemptStream, ...]
    idle: Callable[[int], object] = _nobody_waits
    """Told of each slot that is free again, once the engine has been told."""
    connections: dict[int, Connections] = field(default_factory=dict[int, Connections])
    """Those that wait for the next attempt of a worker."""

    def finish(self, attempt: Attempt, verdict: Verdict) -> None:
        """End an attempt that was taken out of its slot: free what it holds, then say `Ended`."""
        self.close(attempt)
        self.outbox.post(attempt.ended(verdict))
        self.idle(attempt.worker)

    def close(self, attempt: Attempt) -> None:
        """Free what an attempt that was taken out of its slot still holds. Waits for nothing.

        Open connections serve the slot's next attempt, unless this one may have left some in use.
        """
        self.shares.give_back_all(attempt.scope)
        connections, clean = attempt.connections, attempt.is_tidy and not attempt.scope.cancelled
        attempt.scope.close()
        attempt.forget()
        if connections is None:
            return
        if clean:
            self.connections[attempt.worker] = connections
        else:
            connections.close()


class Performer:
    """Carries attempts out, each in the thread of its slot.

    ``release`` frees a slot (False if the attempt lost it before), ``changed`` tells the watch that
    a clock of so many seconds has started, ``end_children`` ends what the attempt has started.
    """

    def __init__(
        self,
        shared: Shared,
        release: Callable[[Attempt], bool],
        changed: Callable[[float], None],
        end_children: Callable[[Attempt], object],
    ) -> None:
        self._shared = shared
        self._release = release
        self._changed = changed
        self._end_children = end_children

    def __call__(self, attempt: Attempt) -> None:
        """From `Started` to `Ended`. Raises nothing but a straggling `Interrupted`.

        Called again after one of those, it only brings the attempt to its end.
        """
        before = attempts.current.set(attempt)
        try:
            with scope.use(attempt.scope):
                verdict = self._verdict(attempt)
                for stream in self._shared.streams:
                    stream.end_line(attempt)
        finally:
            attempts.current.reset(before)
        self._finish(attempt, verdict)

    def _verdict(self, attempt: Attempt) -> Verdict:
        try:
            try:
                if attempt.thread:  # an interruption struck at the very end of the first time
                    attempt.scope.check()
                verdict = of_result(self._stages(attempt))
                attempt.gate.shut()
            except BaseException as error:  # noqa: BLE001 - SystemExit too ends the attempt only
                attempt.gate.shut()
                verdict = self._of_error(attempt, error)
        except Interrupted as error:
            attempt.gate.shut()
            verdict = self._of_error(attempt, error)
        return verdict

    def _of_error(self, attempt: Attempt, error: BaseException) -> Verdict:
        return of_error(error, attempt.scope.reason, self._shared.secrets.mask)

    def _stages(self, attempt: Attempt) -> Any:
        attempt.begin()
        task, ctx = Task(attempt.order), self._ctx(attempt)
        if attempt.is_claimed:  # nothing to import, nothing to prepare
            executor = self._shared.source.load(attempt.scope)
        else:
            executor = self._prepared(attempt, task, ctx)
        with self._stage(attempt, "code", "attempt", attempt.limits.attempt):
            if not attempt.is_claimed:
                attempt.send(messages.Running(time.monotonic(), attempt.id))
            result = python.call(executor.run, attempt.scope, task, ctx)
        if executor.score is not None:
            with self._stage(attempt, "score", "score", attempt.limits.score):
                attempt.send(messages.Scoring(time.monotonic(), attempt.id))
                result = python.call(executor.score, attempt.scope, task, ctx, result)
        for client in attempt.clients:
            client.close()
        attempt.is_tidy = True
        return result

    def _prepared(self, attempt: Attempt, task: Task, ctx: Ctx) -> python.Executor:
        with self._stage(attempt, "prepare", "prepare", attempt.limits.prepare):
            executor = self._shared.source.load(attempt.scope)
            if executor.prepare is not None:
                python.call(executor.prepare, attempt.scope, task, ctx)
        return executor

    def _stage(self, attempt: Attempt, phase: Phase, limit: str, seconds: float) -> "_Stage":
        return _Stage(attempt, phase, limit, seconds, self._changed)

    def _ctx(self, attempt: Attempt) -> Ctx:
        shared = self._shared
        recorder = Recorder(attempt)
        attempt.session = Session(
            attempt.scope,
            attempt.endpoint,
            attempt.limits,
            recorder,
            shared.shares,
            shared.keys[attempt.endpoint.name],
            lambda: random.Random(f"{attempt.order.seed} {attempt.id}"),
            task_id=attempt.order.task_id,
        )
        attempt.connections = shared.connections.pop(attempt.worker, None) or Connections()
        return Ctx(
            attempt,
            attempt.session,
            recorder,
            attempt.connections,
            shared.plan,
            shared.run_dir,
            shared.secrets,
            shared.proxy,
        )

    def _finish(self, attempt: Attempt, verdict: Verdict) -> None:
        self._end_children(attempt)
        if attempt.scope.cancelled and not attempt.rung:
            attempt.rung = Rung.ABORT  # it obeyed before the watch had looked
        if not self._release(attempt):
            attempt.left(f"{verdict.outcome} {verdict.cause}".strip())
            return
        self._shared.finish(attempt, verdict)


class _Stage:
    """A stage of an attempt: its phase, its limit, and the gate open for executor code."""

    def __init__(
        self,
        attempt: Attempt,
        phase: Phase,
        limit: str,
        seconds: float,
        changed: Callable[[float], None],
    ) -> None:
        self._attempt = attempt
        self._phase: Phase = phase
        self._seconds = seconds
        self._limit = attempt.scope.limit(limit, seconds)
        self._changed = changed

    def __enter__(self) -> None:
        scope = self._attempt.scope
        scope.check()
        scope.enter(self._phase)
        scope.progress()
        self._limit.__enter__()
        self._changed(self._seconds)
        if not self._attempt.is_claimed:  # what a lane runs is ours, and obeys
            self._attempt.gate.open()

    def __exit__(self, *exception: object) -> None:
        self._attempt.gate.shut()
        self._limit.__exit__(None, None, None)
        if exception[0] is None:
            self._attempt.scope.check()
