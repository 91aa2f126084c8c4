"""One attempt in its host: what was ordered, how far it has come, what it may still say.

Apart from the slot, which outlives it, and from the thread, which may: the ladder can take the slot
from an attempt whose thread does not obey. From then on nothing that this thread says or does on
behalf of the attempt is let through (`send`, `owned`).
"""

import threading
import time
import weakref
from collections import Counter
from contextvars import ContextVar
from typing import Final, Protocol

from runner.core import messages
from runner.core.messages import Message, Run
from runner.core.plan import Endpoint, Limits, Model
from runner.core.rows import Record
from runner.core.text import one_line
from runner.host.calls import Session
from runner.host.gate import Gate
from runner.host.guard import Connections
from runner.host.outbox import Outbox, Rate
from runner.host.scope import Scope
from runner.host.verdict import Verdict

LOG_PER_S = 100.0
LOG_BURST = 200.0
MAX_LINE_CHARS = 4000
PATIENT: Final[frozenset[type[Message]]] = frozenset(
    {messages.FirstByte, messages.CallEnded, messages.TurnEnded}
)
MAX_TOOL_CALLS = 5000
"""The last ones go into the row; with all of them its message could outgrow a frame."""


class Client(Protocol):
    """What all blocking clients have in common."""

    def close(self) -> None:
        """Close the responses that are still open."""
        ...


class Attempt:
    """Orders, scope, gate and record of one attempt. ``limits`` are those in force for it."""

    def __init__(self, order: Run, model: Model, endpoint: Endpoint, outbox: Outbox) -> None:
        self.order = order
        self.id = order.attempt_id
        self.worker = order.worker
        self.model = model
        self.endpoint = endpoint
        self.limits: Limits = model.limits
        self.is_claimed = False
        """Whether this host began it by itself, and the engine does not know of it yet."""
        self.scope = Scope()
        self.gate = Gate()
        self.record = Record()
        self.started = time.monotonic()
        self.ident = 0
        self.thread = 0
        """The thread that works for it: Python's and the kernel's name of it, 0 before it began."""
        self.ending_since: float | None = None
        """When the ladder began, by the watch's clock."""
        self.rung = ""
        self.stepped_at = 0.0
        """The rung that was reached last, and when something was last done on it."""
        self.owned = True
        """False once the slot is free or somebody else's: set under the slots' lock, never back."""
        self.abandoned_at: float | None = None
        self.has_left = False
        """Whether its thread has come back from executor code: until then it may be a zombie."""
        self.session: Session | None = None
        self.connections: Connections | None = None
        self.clients: list[Client] = []
        self.is_tidy = False
        """What its calls share; ``is_tidy`` once every client has closed its responses."""
        self.coroutine: object = None
        """That of an ``async`` executor while it runs: where it waits stands there."""
        self.helpers: list[weakref.ref[threading.Thread]] = []
        """Threads that executor code has started. A list, since others read while it appends."""
        self.patient = PATIENT
        """Messages that go with the next one, at the latest with a beat, which says as much."""
        self._outbox = outbox
        self._late: Counter[str] = Counter()
        self._lines = Rate(LOG_PER_S, LOG_BURST, self.started)
        self._lines_dropped = 0

    def begin(self) -> None:
        """The calling thread takes the attempt up."""
        self.ident = threading.get_ident()
        self.thread = threading.get_native_id()
        self.started = time.monotonic()
        self.send(self._claim() if self.is_claimed else self._start())

    def _start(self) -> messages.Started:
        return messages.Started(self.started, self.id, self.thread)

    def _claim(self) -> messages.Claimed:
        order = self.order
        return messages.Claimed(
            self.started, self.id, order.worker, self.thread, order.model, order.endpoint
        )

    def send(self, message: Message) -> None:
        """Tell the engine; waits while the host's outbox is full. Too late is counted instead."""
        with self.gate.shut_for_block():
            self.send_shut(message)

    def send_shut(self, *told: Message) -> None:
        """`send` where the gate is shut. Several go as one, as soon as the first of them must."""
        if self.owned:
            now = type(told[0]) not in self.patient
            self._outbox.put(self.scope, *told, now=now)
        else:
            for message in told:
                self.late(type(message).__name__)

    def late(self, what: str) -> None:
        """Something came from a thread whose attempt is over: the first of a kind is reported."""
        self._late[what] += 1
        if self._late[what] == 1:
            self._outbox.post(messages.Dropped(time.monotonic(), self.id, what))

    def forget(self) -> None:
        """Let go of what knows it in turn: it then ends with its last user, not with a collection.

        At twenty wrapped calls at a time collections were a twelfth of a host's CPU.
        """
        self.session = None
        self.clients = []

    def left(self, what: str) -> None:
        """The thread of an abandoned attempt came back after all, with ``what``."""
        self.has_left = True
        late = "".join(f", {count} {name}" for name, count in sorted(self._late.items()))
        self._outbox.post(messages.Dropped(time.monotonic(), self.id, f"{what}{late}"))

    def set_limits(self, limits: Limits) -> None:
        """New limits for an attempt that is under way: clocks that run take them at once."""
        self.limits = limits
        session = self.session  # which may be forgotten meanwhile
        if session is not None:
            session.limits = limits
        for name in ("prepare", "attempt", "score"):
            self.scope.set_limit(name, getattr(limits, name))

    def say(self, text: str) -> None:
        """A line of the attempt's log, unless there are too many of them."""
        with self.gate.shut_for_block():
            now = time.monotonic()
            if self.owned and not self._lines.allow(now):
                self._lines_dropped += 1
                return
            dropped, self._lines_dropped = self._lines_dropped, 0
            self.send(messages.Log(now, self.id, one_line(text, MAX_LINE_CHARS), dropped))

    def ended(self, verdict: Verdict) -> messages.Ended:
        """The last message of the attempt. Its record is a copy: a zombie may go on with its own.

        To be called once, by whoever took the attempt out of its slot.
        """
        now = time.monotonic()
        if self._lines_dropped:
            self._outbox.post(messages.Log(now, self.id, "", self._lines_dropped))
        record = verdict.onto(self.record)
        record.tool_calls = record.tool_calls[-MAX_TOOL_CALLS:]
        return messages.Ended(
            now,
            self.id,
            verdict.outcome,
            verdict.cause,
            self.rung,
            now - self.started,
            record,
        )


current: ContextVar[Attempt | None] = ContextVar("attempt", default=None)
"""The attempt that this thread (or task) works for; helper threads of an executor inherit it."""
