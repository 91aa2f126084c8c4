"""What events of hosts do to the state: they start, freeze, recover, drain and go.

An event of a host that the state does not know changes nothing.
"""

from runner.core import events as ev
from runner.core.state.model import HostState, State


def apply_host_starting(state: State, event: ev.HostStarting) -> None:
    """A process is being made for these workers."""
    state.hosts[event.host] = HostState(
        host=event.host,
        workers=event.workers,
        alone=event.alone,
        started_at=event.at,
        beat_at=event.at,
        restarts=max((state.deaths_of.get(number, 0) for number in event.workers), default=0),
    )
    for number in event.workers:
        if 0 <= number < len(state.workers):
            state.workers[number].host = event.host


def apply_host_started(state: State, event: ev.HostStarted) -> None:
    """It runs and takes attempts."""
    host = state.hosts.get(event.host)
    if host is not None:
        host.pid, host.status, host.beat_at = event.pid, "ok", event.at


def apply_host_froze(state: State, event: ev.HostFroze) -> None:
    """It says nothing any more."""
    host = state.hosts.get(event.host)
    if host is not None:
        host.status = "frozen"
        host.frozen_at = event.at - event.silent_s


def apply_host_examined(state: State, event: ev.HostExamined) -> None:
    """A look from outside says why it is frozen."""
    host = state.hosts.get(event.host)
    if host is not None:
        host.holder, host.holder_frame = event.worker, event.frame
        host.stopped = event.stopped


def apply_host_recovered(state: State, event: ev.HostRecovered) -> None:
    """It speaks again."""
    host = state.hosts.get(event.host)
    if host is not None:
        host.status = "draining" if host.draining else "ok"
        host.frozen_at = 0.0
        host.holder, host.holder_frame, host.stopped = -1, "", False
        host.beat_at = event.at


def apply_host_draining(state: State, event: ev.HostDraining) -> None:
    """It takes no new attempt and goes when its last has ended."""
    host = state.hosts.get(event.host)
    if host is not None:
        host.status = "draining"
        host.draining = True


def apply_host_gone(state: State, event: ev.HostGone) -> None:
    """It ended, or was ended; a death that nobody ordered counts against its workers."""
    host = state.hosts.pop(event.host, None)
    if host is not None:
        state.gone_cpu_s += host.cpu_s
        if not host.draining:
            state.totals.host_restarts += 1
            for number in host.workers:
                state.deaths_of[number] = state.deaths_of.get(number, 0) + 1
    state.zombies = [zombie for zombie in state.zombies if zombie.host != event.host]
