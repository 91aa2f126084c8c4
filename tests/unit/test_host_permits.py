"""Shares of an endpoint: never more than dealt, and every wait ends."""

import threading

import pytest

from runner.core.plan import Endpoint
from runner.host.permits import Shares
from runner.host.scope import Aborted, Scope


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def endpoint(**limits):
    return (Endpoint(name="e", base_url="http://127.0.0.1/", **limits),)


def test_without_limits_there_is_always_a_permit():
    shares = Shares(endpoint())
    assert all(shares.try_acquire("e") for _ in range(1000))


def test_a_limited_endpoint_gives_nothing_before_the_deal():
    shares = Shares(endpoint(qps=5))
    assert shares.try_acquire("e") is None
    shares.deal("e", 5.0, -1)
    assert shares.try_acquire("e") is not None


def test_in_flight_is_bounded_and_released_once():
    shares = Shares(endpoint(max_in_flight=2))
    shares.deal("e", -1.0, 2)
    first, second = shares.try_acquire("e"), shares.try_acquire("e")
    assert first
    assert second
    assert shares.try_acquire("e") is None
    first.release()
    first.release()
    assert shares.try_acquire("e") is not None
    assert shares.try_acquire("e") is None
    second.release()
    assert shares.try_acquire("e") is not None


def test_rate_over_ten_seconds():
    clock = Clock()
    shares = Shares(endpoint(qps=4), clock)
    shares.deal("e", 4.0, -1)
    given = 0
    for _ in range(1000):
        given += shares.try_acquire("e") is not None
        clock.now += 0.01
    assert 39 <= given <= 41


def test_a_larger_share_counts_at_once():
    clock = Clock()
    shares = Shares(endpoint(qps=1), clock)
    shares.deal("e", 0.001, -1)
    assert shares.try_acquire("e")
    assert not shares.try_acquire("e")
    shares.deal("e", 10.0, -1)
    clock.now += 0.11
    assert shares.try_acquire("e")


def test_a_wait_ends_with_the_scope():
    shares = Shares(endpoint(max_in_flight=1))
    shares.deal("e", -1.0, 1)
    scope, other = Scope(), Scope()
    shares.acquire(other, "e")
    threading.Timer(0.05, scope.cancel, ("killed:user",)).start()
    with pytest.raises(Aborted, match="killed:user"):
        shares.acquire(scope, "e")
    assert "permit of e" in scope.detail


def test_what_a_lost_attempt_holds_goes_to_the_next_in_line():
    shares = Shares(endpoint(max_in_flight=1))
    shares.deal("e", -1.0, 1)
    lost, waiting = Scope(), Scope()
    held = shares.acquire(lost, "e")
    threading.Timer(0.05, shares.give_back_all, (lost,)).start()
    assert shares.acquire(waiting, "e") is not held
    held.release()
    assert shares.try_acquire("e") is None


def test_a_wait_for_the_rate_ends_by_itself():
    shares = Shares(endpoint(qps=50))
    shares.deal("e", 50.0, -1)
    scope = Scope()
    for _ in range(5):
        shares.acquire(scope, "e").release()
