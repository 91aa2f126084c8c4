"""How long the host of a wrapped script is not listened to."""

import socket
from collections.abc import Iterator

import pytest

from runner.core import messages as m
from runner.engine.hosts import HostLink, Rests
from runner.engine.hosts.rests import REST_S


@pytest.fixture
def link() -> Iterator[HostLink]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield HostLink(1, [1], ours, 0.0)


def test_a_host_that_was_read_rests_for_its_time(link: HostLink) -> None:
    rests = Rests()
    rests.begin(link, 10.0)
    assert rests.over(10.0 + 0.9 * REST_S) == []
    assert rests.over(10.0 + REST_S) == [link]
    rests.end(link)
    assert rests.over(99.0) == []


def test_who_was_sent_an_order_is_listened_to_at_once(link: HostLink) -> None:
    rests = Rests()
    link.receive(10.0)
    rests.begin(link, 10.0)
    link.send(m.Kill(attempt_id="a", cause="killed:user"))
    assert rests.over(10.0) == [link]
    link.receive(10.0)
    assert rests.over(10.0) == []


def test_the_loop_waits_no_longer_than_the_first_rest(link: HostLink) -> None:
    rests = Rests()
    assert rests.patience(10.0, 0.1) == 0.1
    rests.begin(link, 10.0)
    assert rests.patience(10.0, 0.1) == pytest.approx(REST_S)
    assert rests.patience(10.0, 0.01) == 0.01
    assert rests.patience(11.0, 0.1) == 0.0
