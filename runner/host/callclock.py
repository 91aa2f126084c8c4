"""The clock of one request: which of its limits runs now, and which one fired.

One CallClock per try. It lives in a context variable while our transport sends or reads, because
httpcore hands a network stream nothing but a buffer and a timeout; so several threads or tasks of
one attempt can call at the same time. Streams and backends ask it for every wait.
"""

import contextvars
import math
from collections.abc import Callable
from typing import Literal

import httpx2

from runner.core.plan import Limits
from runner.host.scope import Aborted, Scope

CallLimit = Literal["connect", "first_byte", "idle", "call"]
_INF = math.inf
_CONNECT_METHOD = b"CONNECT "


class CallTimeout(httpx2.TimeoutException):
    """A call hit one of its own limits, named by `limit`.

    An httpx2 timeout, so SDKs report it as theirs (openai.APITimeoutError, with this as its cause).
    """

    def __init__(self, limit: CallLimit, seconds: float) -> None:
        super().__init__(f"the {limit} limit of {seconds:g} s was reached")
        self.limit: CallLimit = limit


class CallClock:
    """Limits and marks of one try, on the scope's clock. Without `limits` only the scope binds.

    Stages: connect (name look-up, TCP, proxy, TLS), send, wait (sent, no byte yet), body. The
    contract binds first_byte and idle to streamed calls; every call is bound by `call`.
    """

    def __init__(
        self,
        scope: Scope,
        limits: Limits | None,
        streamed: bool,
        on_first_byte: Callable[[float], None] | None = None,
    ) -> None:
        self.scope = scope
        self.streamed = streamed
        self._on_first_byte = on_first_byte
        self.started = scope.clock()
        self.sent_at: float | None = None
        self.first_byte_at: float | None = None
        self.has_connected = False
        """Whether a connection was made for this try; else it met one that was parked."""
        self.bytes_in = 0
        self._limits = limits
        self._connect_end = _INF
        self._drain_end = _INF
        self._stage: Literal["send", "connect", "wait", "body"] = "send"
        self._last_byte_at = self.started

    # -- limits ---------------------------------------------------------------------------------

    @property
    def call_end(self) -> float:
        """When the `call` limit fires."""
        end = _INF if self._limits is None else self.started + self._limits.call
        return min(end, self._drain_end)

    def next_limit(self) -> tuple[float, CallLimit]:
        """The limit that fires next, and when."""
        limits = self._limits
        if limits is None:
            return self._drain_end, "call"
        end, name = self.call_end, "call"
        stage_end, stage_name = _INF, name
        if self._stage == "connect":
            stage_end, stage_name = self._connect_end, "connect"
        elif self.streamed and self._stage == "wait":
            stage_end, stage_name = (self.sent_at or self.started) + limits.first_byte, "first_byte"
        elif self.streamed and self._stage == "body":
            stage_end, stage_name = self._last_byte_at + limits.idle, "idle"
        return (stage_end, stage_name) if stage_end < end else (end, name)

    def timeout(self, limit: CallLimit) -> CallTimeout:
        """The exception for a limit that fired."""
        seconds: float = 0.0 if self._limits is None else getattr(self._limits, limit)
        return CallTimeout(limit, seconds)

    def check(self) -> None:
        """Raise if the scope has ended or the `call` limit has passed, whichever came first.

        Asked before each read and write: a body that never pauses never waits.
        """
        scope = self.scope
        if scope.reason is not None:
            raise Aborted(scope.reason)
        end = self.call_end
        if scope.clock() >= end and end <= scope.deadline:
            raise self.timeout("call")
        scope.check()

    def window(self, timeout: float | None) -> tuple[float | None, CallLimit | None]:
        """How long a wait may last now (None: for ever), and the limit that would end it.

        `timeout` is the caller's own (httpx's timeout=); if that one is shorter, the limit is None.
        """
        now = self.scope.clock()
        end, name = self.next_limit()
        self.scope.next_limit = None if end == _INF else (name, end)
        if timeout is not None and now + timeout < end:
            return timeout, None
        return (None if end == _INF else max(0.0, end - now)), name

    def expired(self, limit: CallLimit | None, error: type[Exception]) -> Exception:
        """The exception for a wait that ran out: ours for our limit, `error` for the caller's."""
        return error("timed out") if limit is None else self.timeout(limit)

    def draining(self, seconds: float) -> None:
        """The content is here: what is left of the body may take this long and no longer."""
        self._drain_end = self.scope.clock() + seconds

    # -- marks ----------------------------------------------------------------------------------

    def connecting(self, detail: str) -> None:
        """A new connection begins (its name look-up comes first)."""
        self.has_connected = True
        if self._stage != "connect":
            limits = self._limits
            self._connect_end = _INF if limits is None else self.scope.clock() + limits.connect
            self._stage = "connect"
        if self.scope.phase != "connect":
            self.scope.enter("connect")
        self.scope.detail = detail

    def writing(self, buffer: bytes) -> None:
        """Request bytes are about to be sent. CONNECT to a proxy still is connecting."""
        if self._stage == "connect" and buffer.startswith(_CONNECT_METHOD):
            return
        if self._stage in {"connect", "send"}:
            self.scope.enter("wait")
        if self._stage == "connect":
            self._stage = "send"

    def written(self) -> None:
        """Request bytes were handed to the kernel."""
        if self._stage != "connect":
            self._stage = "wait"
            self.sent_at = self.scope.clock()

    def received(self, count: int) -> None:
        """Bytes arrived, of whatever kind: a sign of life. 0 is the end of the stream."""
        if not count:
            return
        scope = self.scope
        now = scope.clock()
        scope.last_sign = now
        scope.bytes_in += count
        if self._stage == "connect":
            return
        self.bytes_in += count
        self._last_byte_at = now
        if self.first_byte_at is None:
            self.first_byte_at = now
            if self._on_first_byte is not None:
                self._on_first_byte(now - (self.sent_at or self.started))
        if self._stage != "body":
            self._stage = "body"
            scope.enter("stream")


# The try that this thread (or task) sends or reads for at this moment.
current: contextvars.ContextVar[CallClock | None] = contextvars.ContextVar("call", default=None)
