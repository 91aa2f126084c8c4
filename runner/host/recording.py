"""What calls say of themselves and what they ask of their host: records, Recorder, Permits.

Apart from the calls because the host's side implements these and needs nothing else of them.
"""

from dataclasses import dataclass
from typing import Protocol

from runner.host.retry import ErrorKind
from runner.host.scope import Scope


@dataclass(frozen=True, slots=True)
class BackOff:
    """A wait before a call is sent again. `try_no` of `tries` is the one that failed."""

    try_no: int
    tries: int
    wait_s: float
    until: float
    """On the scope's clock."""
    why: ErrorKind
    status: int
    """0 if no answer came."""
    text: str


@dataclass(frozen=True, slots=True)
class CallEnd:
    """How a call ended: `ok`, `closed` (its reader left early), a limit, `status:NNN`, an
    exception's class, or the reason of an abort. Tokens are None where the server said none.
    """

    how: str
    status: int
    latency_s: float
    bytes_in: int
    tokens_in: int | None
    tokens_out: int | None


class Recorder(Protocol):
    """Who is told about calls. Called by the worker; must not block or raise. `n` counts from 1."""

    def call_started(self, n: int, model: str, stream: bool) -> None:
        """A try of a call is sent, its permit given; `model` is the request's: the deployment."""
        ...

    def first_byte(self, n: int, wait_s: float) -> None:
        """The first byte of an answer came `wait_s` after the request was sent (for each try)."""
        ...

    def backed_off(self, n: int, backoff: BackOff) -> None:
        """The call failed and will be sent again after a wait."""
        ...

    def call_ended(self, n: int, end: CallEnd) -> None:
        """The call is over; said exactly once for each that started."""
        ...


class Permit(Protocol):
    """The right to have one request in flight."""

    def release(self) -> None:
        """Give it back; at most one call per permit."""
        ...


class Permits(Protocol):
    """This host's share of an endpoint (qps, max_in_flight)."""

    def acquire(self, scope: Scope, endpoint: str) -> Permit:
        """Wait under the scope."""
        ...

    def try_acquire(self, endpoint: str) -> Permit | None:
        """Do not wait; None if there is none now."""
        ...
