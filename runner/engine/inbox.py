"""Messages of hosts, turned into events: one short step for each kind.

Apart from `attempts` because this is translation: who sent it is checked, ``t`` becomes ``at``, a
worker's number is added, and what belongs to nobody any more is dropped and counted.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from runner.core import events as ev
from runner.core import messages as m
from runner.engine.attempts import Attempts, Live
from runner.engine.hosts import HostLink
from runner.engine.journal import Journal
from runner.engine.pulse import Pulse
from runner.masking import Secrets

OfAttempt = (
    m.Started
    | m.Running
    | m.Scoring
    | m.CallStarted
    | m.FirstByte
    | m.CallEnded
    | m.BackedOff
    | m.TurnStarted
    | m.TurnEnded
    | m.ToolStarted
    | m.ToolEnded
    | m.Said
    | m.Log
    | m.Child
    | m.Sample
    | m.RungReached
    | m.Ended
)

LOG_BUDGET_BYTES: Final = 256 * 1024
"""Log lines of one attempt that go into the run's log; the rest is counted. The host's own file
has them all."""
TEXT_CHARS: Final = 200
ZOMBIES_DRAIN: Final = 3
ZOMBIES_SHARE: Final = 0.3
ZOMBIE_BURNS: Final = 0.9
ZOMBIE_BURNS_S: Final = 2.0


class Inbox:
    """Takes every message of every host. ``sick`` is told of hosts to replace."""

    def __init__(
        self,
        journal: Journal,
        attempts: Attempts,
        pulse: Pulse,
        sick: Callable[[HostLink, str], None],
        stacks: Callable[[int, int, str], None],
        secrets: Secrets,
    ) -> None:
        self._journal = journal
        self._attempts = attempts
        self._pulse = pulse
        self._sick = sick
        self._stacks = stacks
        self._secrets = secrets
        self._logged: dict[str, int] = {}
        self._unlogged: dict[str, int] = {}

    def take(self, link: HostLink, message: m.HostMessage) -> None:
        """Let one message have its effect."""
        if isinstance(message, m.Beat):
            self._beat(link, message)
        elif isinstance(message, m.Hello):
            link.ready = True
            link.threads.update(message.threads)
            self._journal.emit(ev.HostStarted(host=link.host, pid=message.pid))
        elif isinstance(message, m.Claimed):
            self._attempts.adopt(link, message)
        elif isinstance(message, m.StacksTaken):
            self._stacks(link.host, message.id, message.text)
        elif isinstance(message, m.KeyLearned):
            self._secrets.add(message.key)
        elif isinstance(message, m.Dropped):
            self._attempts.late[message.attempt_id, link.host, message.what] += 1
        else:
            what = type(message).__name__
            live = self._attempts.owned(link, message.attempt_id, what)
            if live is not None:
                self._of_attempt(live, message)

    def _beat(self, link: HostLink, beat: m.Beat) -> None:
        self._pulse.beat(link, beat)
        self._attempts.reconcile(link, beat)
        zombies = beat.zombies
        share = len(zombies) / max(1, len(link.workers))
        if len(zombies) >= ZOMBIES_DRAIN or (len(zombies) > 1 and share >= ZOMBIES_SHARE):
            self._sick(link, f"{len(zombies)} abandoned threads")
        for zombie in zombies:
            if zombie.cpu >= ZOMBIE_BURNS and beat.t - zombie.since >= ZOMBIE_BURNS_S:
                self._sick(link, f"an abandoned thread burns CPU at {zombie.frame}")

    def _of_attempt(self, live: Live, message: OfAttempt) -> None:
        translate = _EVENT_OF.get(type(message))
        if translate is not None:
            self._journal.emit(translate(message, live.worker), message.t)
        elif isinstance(message, m.CallEnded):
            self._call_ended(live, message)
        elif isinstance(message, m.BackedOff):
            self._backed_off(live, message)
        elif isinstance(message, m.TurnEnded):
            self._turn_ended(live, message)
        elif isinstance(message, m.Said):
            self._said(live, message)
        elif isinstance(message, m.Log):
            self._log(live, message)
        elif isinstance(message, m.Ended):
            self._ended(live, message)
        elif isinstance(message, m.Child):
            self._child(live, message)
        elif isinstance(message, m.Started):
            live.link.threads[live.worker] = message.thread

    def _call_ended(self, live: Live, message: m.CallEnded) -> None:
        cost = self._attempts.cost(live.task.model, message.tokens_in, message.tokens_out)
        self._journal.emit(
            ev.CallEnded(
                attempt_id=message.attempt_id,
                worker=live.worker,
                n=message.n,
                latency_s=round(message.latency_s, 6),
                bytes=message.bytes,
                how=message.how,
                tokens_in=message.tokens_in,
                tokens_out=message.tokens_out,
                cost=cost,
            ),
            message.t,
        )

    def _backed_off(self, live: Live, message: m.BackedOff) -> None:
        self._journal.emit(
            ev.BackedOff(
                attempt_id=message.attempt_id,
                worker=live.worker,
                n=message.n,
                attempt_no=message.attempt_no,
                attempts=message.attempts,
                until=round(self._journal.axis.at(message.until), 3),
                why=message.why,
                status=message.status,
                text=message.text[:TEXT_CHARS],
            ),
            message.t,
        )

    def _turn_ended(self, live: Live, message: m.TurnEnded) -> None:
        self._journal.emit(
            ev.TurnEnded(
                attempt_id=message.attempt_id,
                worker=live.worker,
                turn=message.turn,
                features=message.features,
            ),
            message.t,
        )
        self._attempts.judge_turn(message.attempt_id, live, message)

    def _said(self, live: Live, message: m.Said) -> None:
        offset, length = self._journal.place(body_of(message))
        self._journal.emit(
            ev.MessageAdded(
                attempt_id=message.attempt_id,
                worker=live.worker,
                turn=message.turn,
                role=message.role,
                offset=offset,
                length=length,
            ),
            message.t,
        )

    def _log(self, live: Live, message: m.Log) -> None:
        used = self._logged.get(message.attempt_id, 0) + len(message.text)
        dropped = message.dropped
        if used > LOG_BUDGET_BYTES:
            self._unlogged[message.attempt_id] = self._unlogged.get(message.attempt_id, 0) + 1
            return
        self._logged[message.attempt_id] = used
        self._journal.emit(
            ev.Logged(
                attempt_id=message.attempt_id,
                worker=live.worker,
                text=message.text,
                dropped=dropped,
            ),
            message.t,
        )

    def _child(self, live: Live, message: m.Child) -> None:
        if message.running:
            live.children[message.pid] = message.born
        else:
            live.children.pop(message.pid, None)
        self._journal.emit(
            ev.ChildChanged(
                attempt_id=message.attempt_id,
                worker=live.worker,
                pid=message.pid,
                born=message.born,
                command=message.command[:TEXT_CHARS],
                running=message.running,
            ),
            message.t,
        )

    def _ended(self, live: Live, message: m.Ended) -> None:
        self._logged.pop(message.attempt_id, None)
        unlogged = self._unlogged.pop(message.attempt_id, 0)
        if unlogged:
            text = "more was logged than is kept here; the process's own log has it"
            self._journal.emit(
                ev.Logged(
                    attempt_id=message.attempt_id,
                    worker=live.worker,
                    text=text,
                    dropped=unlogged,
                )
            )
        self._attempts.host_says_ended(live, message)


def body_of(message: m.Said) -> bytes:
    """The transcript's line for a message: ``{"role", "text"}``, one line whatever is in it."""
    text = message.text.encode("utf-8", "replace").decode()
    return msgspec.json.encode({"role": message.role, "text": text})


_EVENT_OF: Final[dict[type[m.Message], Callable[[Any, int], ev.Event]]] = {
    m.Running: lambda said, worker: ev.AttemptRunning(attempt_id=said.attempt_id, worker=worker),
    m.Scoring: lambda said, worker: ev.AttemptScoring(attempt_id=said.attempt_id, worker=worker),
    m.CallStarted: lambda said, worker: ev.CallStarted(
        attempt_id=said.attempt_id, worker=worker, n=said.n, stream=said.stream
    ),
    m.FirstByte: lambda said, worker: ev.FirstByte(
        attempt_id=said.attempt_id, worker=worker, n=said.n, wait_s=round(said.wait_s, 6)
    ),
    m.TurnStarted: lambda said, worker: ev.TurnStarted(
        attempt_id=said.attempt_id, worker=worker, turn=said.turn, max_turns=said.max_turns
    ),
    m.ToolStarted: lambda said, worker: ev.ToolStarted(
        attempt_id=said.attempt_id,
        worker=worker,
        tool=said.tool,
        detail=said.detail[:TEXT_CHARS],
    ),
    m.ToolEnded: lambda said, worker: ev.ToolEnded(
        attempt_id=said.attempt_id,
        worker=worker,
        tool=said.tool,
        ok=said.ok,
        elapsed_s=round(said.elapsed_s, 6),
        error=said.error[:TEXT_CHARS],
    ),
    m.Sample: lambda said, worker: ev.Sampled(
        attempt_id=said.attempt_id,
        worker=worker,
        cpu=round(said.cpu, 2),
        state=said.state,
        frame=said.frame,
        waits_for=said.waits_for,
    ),
    m.RungReached: lambda said, worker: ev.RungReached(
        attempt_id=said.attempt_id, worker=worker, rung=said.rung
    ),
}
"""Messages that are events as they stand, but for the clock and the worker's number."""
