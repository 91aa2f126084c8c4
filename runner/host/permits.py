"""This host's share of each endpoint: requests per second and requests in flight.

Apart from the calls that need them, because the engine deals the shares anew every second and the
host only keeps to them: no call waits for a round trip.
"""

import threading
import time
from collections.abc import Callable
from math import inf

from runner.core.plan import Endpoint
from runner.host.scope import Scope
from runner.host.scope import current as current_scope


class Permit:
    """The right to have one request in flight."""

    def __init__(self, share: "_Share") -> None:
        self._share = share

    def release(self) -> None:
        """Give it back; only the first time counts."""
        self._share.give_back(self)


class _Share:
    """One endpoint, from any thread."""

    def __init__(self, clock: Callable[[], float], dealt: bool) -> None:
        self._lock = threading.RLock()
        self.changed = threading.Condition(self._lock)
        self._clock = clock
        self._dealt = dealt
        self._qps = -1.0
        self._in_flight = -1
        self._next_at = 0.0
        self._held: dict[Permit, Scope | None] = {}

    def deal(self, qps: float, in_flight: int) -> None:
        with self.changed:
            self._dealt = True
            if qps != self._qps:
                self._qps = qps
                self._next_at = min(self._next_at, self._clock() + self._gap_s())
            self._in_flight = in_flight
            self.changed.notify_all()

    def _gap_s(self) -> float:
        return 1.0 / self._qps if self._qps > 0 else 0.0

    def ready_in_s(self) -> float:
        """Seconds until a permit may be had; inf while somebody has to give one back first."""
        full = 0 <= self._in_flight <= len(self._held)
        if not self._dealt or full or self._qps == 0:
            return inf
        return max(0.0, self._next_at - self._clock())

    def take(self, scope: Scope | None) -> Permit | None:
        with self._lock:
            if self.ready_in_s() > 0.0:
                return None
            self._next_at = self._clock() + self._gap_s()
            permit = Permit(self)
            self._held[permit] = scope
            return permit

    def give_back(self, permit: Permit) -> None:
        with self._lock:
            if self._held.pop(permit, self) is not self and self._in_flight >= 0:
                self.changed.notify_all()

    def give_back_all(self, scope: Scope) -> None:
        with self._lock:
            if scope in self._held.values():
                self._held = {one: held for one, held in self._held.items() if held is not scope}
                self.changed.notify_all()


class Shares:
    """The shares of all endpoints of a plan.

    An endpoint with a limit gives no permit before the engine has dealt a share of it: a host never
    exceeds what it was given.
    """

    def __init__(
        self, endpoints: tuple[Endpoint, ...], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._shares = {
            one.name: _Share(clock, dealt=not (one.qps or one.max_in_flight)) for one in endpoints
        }

    def deal(self, endpoint: str, qps: float, in_flight: int) -> None:
        """A new share from the engine; -1 is no bound. One for an unknown endpoint is a new one."""
        self._shares.setdefault(endpoint, _Share(self._clock, dealt=True)).deal(qps, in_flight)

    def acquire(self, scope: Scope, endpoint: str) -> Permit:
        """A permit, after a wait that the scope can end. The phase stays what it was."""
        share = self._shares[endpoint]
        while (permit := share.take(scope)) is None:
            scope.detail = f"waiting for a permit of {endpoint}"
            seconds = share.ready_in_s()
            # Whoever is woken takes again, and may find that another was faster.
            scope.wait_for(
                share.changed,
                lambda: share.ready_in_s() <= 0.0,
                None if seconds == inf else max(seconds, 0.001),
            )
        scope.detail = ""
        return permit

    def try_acquire(self, endpoint: str) -> Permit | None:
        """A permit if there is one now."""
        return self._shares[endpoint].take(current_scope.get())

    def give_back_all(self, scope: Scope) -> None:
        """Take back what an attempt still holds: its thread may never return to do it."""
        for share in self._shares.values():
            share.give_back_all(scope)
