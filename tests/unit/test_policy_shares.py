"""Permits of a bounded endpoint over hosts: they add up, and nobody waits for ever."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.core.policy.shares import deal, deal_rate

DEMAND = st.dictionaries(st.integers(0, 30), st.integers(0, 200), max_size=12)


@given(st.integers(1, 500), DEMAND, st.integers(0, 10**6))
def test_shares_add_up_to_the_bound(bound: int, demand: dict[int, int], turn: int) -> None:
    shares = deal(bound, demand, turn)
    wanting = {host for host, wanted in demand.items() if wanted}
    assert set(shares) == wanting
    assert sum(shares.values()) == (bound if wanting else 0)
    assert min(shares.values(), default=0) >= 0


@given(st.integers(1, 500), DEMAND, st.integers(0, 10**6))
def test_each_host_has_its_turn(bound: int, demand: dict[int, int], turn: int) -> None:
    wanting = {host for host, wanted in demand.items() if wanted}
    had = {
        host
        for later in range(len(wanting))
        for host, share in deal(bound, demand, turn + later).items()
        if share
    }
    assert had == wanting


@given(DEMAND, st.integers(0, 10**6))
def test_with_enough_for_all_nobody_waits_a_turn(demand: dict[int, int], turn: int) -> None:
    wanting = [host for host, wanted in demand.items() if wanted]
    shares = deal(len(wanting) + 3, demand, turn)
    assert all(shares[host] >= 1 for host in wanting)


def test_most_goes_to_who_has_most_to_do() -> None:
    shares = deal(12, {0: 30, 1: 10}, 0)
    assert shares[0] > 2 * shares[1]


@given(st.floats(0.01, 1000), DEMAND)
def test_rates_add_up(qps: float, demand: dict[int, int]) -> None:
    rates = deal_rate(qps, demand)
    if any(demand.values()):
        assert sum(rates.values()) == pytest.approx(qps)
    else:
        assert rates == {}


def test_no_bound_is_not_dealt() -> None:
    assert deal(0, {0: 5}, 0) == {}
    assert deal_rate(0, {0: 5}) == {}
