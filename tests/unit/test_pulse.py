"""The pulse of a run whose hosts come and go: what it keeps is of those that are there."""

import socket
import subprocess
from collections.abc import Iterator

import pytest

from runner.engine.axis import Axis
from runner.engine.hosts import HostLink
from runner.engine.pulse import Pulse


@pytest.fixture
def host() -> Iterator[HostLink]:
    process = subprocess.Popen(["sleep", "60"])
    ours, theirs = socket.socketpair()
    link = HostLink(0, [0], ours, 0.0)
    link.known_as(process.pid)
    try:
        yield link
    finally:
        process.kill()
        process.wait()
        link.close()
        theirs.close()


def test_processes_that_are_gone_are_forgotten(host: HostLink) -> None:
    pulse = Pulse(Axis(0.0))
    assert [found.host for found in pulse.event([host], 1.0).hosts] == [0]
    assert len(pulse._cpu) == 2
    assert pulse.event([], 2.0).hosts == []
    assert len(pulse._cpu) == 1


def test_the_cpu_of_the_engine_is_what_it_used_since_the_last_pulse() -> None:
    pulse = Pulse(Axis(0.0))
    assert pulse.event([], 1.0).engine_cpu_percent == 0.0
    used = sum(range(5_000_000))
    assert used
    assert pulse.event([], 2.0).engine_cpu_percent > 0.0
