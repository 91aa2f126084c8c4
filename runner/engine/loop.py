"""The engine's loop: message -> event -> state -> policy -> orders, in one thread, without a disk.

Every wait is in one ``select``. Files are written by the writers' threads; what is read here is
/proc. A turn that starts more than a second late means that the engine itself did not run: then
everything that waits is read first and nobody is judged for the gap.
"""

import contextlib
import os
import selectors
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from runner.core import events as ev
from runner.core.messages import GarbledFrameError, Share
from runner.core.outcomes import KILLED_MEMORY
from runner.core.policy.deadlines import defied, overdue
from runner.core.policy.memory import CRITICAL_PERCENT, victim
from runner.core.policy.shares import bounded, deal, deal_rate
from runner.engine.attempts import Attempts
from runner.engine.autopsy import Finding
from runner.engine.commands import Commands
from runner.engine.control import ControlServer
from runner.engine.dispatcher import Dispatcher
from runner.engine.hosts import HostLink, LocalHosts, Rests
from runner.engine.inbox import Inbox
from runner.engine.journal import Journal
from runner.engine.notify import Notifier
from runner.engine.probe import vitals
from runner.engine.pulse import PULSE_S, Pulse
from runner.engine.steering import Steering
from runner.engine.storage import Storage
from runner.engine.supervisor import LATE_S, PROCESS_KILL_S, Supervisor

TICK_S: Final = 0.1
LAG_S: Final = 1.0

Ready = Callable[[float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the loop turns; made and tied together by `runner.engine.boot`."""

    journal: Journal
    hosts: LocalHosts
    attempts: Attempts
    supervisor: Supervisor
    dispatcher: Dispatcher
    inbox: Inbox
    pulse: Pulse
    storage: Storage
    steering: Steering
    commands: Commands
    control: ControlServer
    notifier: Notifier


class Loop:
    """Turns until the run is over.

    ``wake`` is an eventfd that writers and autopsies ring; ``findings`` is where autopsies leave
    what they found.
    """

    def __init__(
        self, parts: Parts, selector: selectors.BaseSelector, wake: int, findings: list[Finding]
    ) -> None:
        self._journal = parts.journal
        self._hosts = parts.hosts
        self._attempts = parts.attempts
        self._supervisor = parts.supervisor
        self._dispatcher = parts.dispatcher
        self._inbox = parts.inbox
        self._pulse = parts.pulse
        self._storage = parts.storage
        self._steering = parts.steering
        self._commands = parts.commands
        self._control = parts.control
        self._notifier = parts.notifier
        self._selector = selector
        self._wake = wake
        self._findings = findings
        self._watched: dict[int, tuple[HostLink, int]] = {}
        self._rests = Rests()
        self._zygote: socket.socket | None = None
        self._pulse_at = 0.0
        self._tick_at = 0.0
        self._turns = 0
        self._signals: list[int] = []
        selector.register(wake, selectors.EVENT_READ, self._woken)

    def start(self, workers: int) -> None:
        """Start the zygote and the hosts."""
        self._supervisor.start_all(workers, self._journal.axis.monotonic())
        self._journal.flush()

    def close(self) -> None:
        """End hosts and hang up on clients, whatever happened."""
        self._supervisor.close()
        self._control.close()
        self._journal.flush()
        self._hosts.settle()

    def signalled(self, number: int) -> None:
        """A signal came: the first stops the run, the second does not wait."""
        self._signals.append(number)

    def run(self) -> None:
        """Turn until the run is over."""
        clock = self._journal.axis.monotonic
        last = clock()
        while not self._steering.over:
            ready = self._selector.select(self._rests.patience(last, TICK_S))
            now = clock()
            if now - last > LAG_S + TICK_S:
                self._lagged(now - last, now)
            last = now
            for key, _ in ready:
                act: Ready = key.data
                act(now)
            self._end_rests(now)
            self._step(now)
            self._journal.flush()

    def _step(self, now: float) -> None:
        self._storage.step(now)
        self._hosts.flush()
        self._supervisor.step(now)
        if now - self._tick_at >= TICK_S:
            self._tick_at = now
            self._deadlines(now)
            self._commands.step(now)
            self._control.step(now)
            self._stop_if_asked()
            self._steering.step(now)
        if self._steering.over:
            return  # its end is the last that is said of a run
        if now - self._pulse_at >= PULSE_S:
            self._pulse_at = now
            self._beat_of_the_run(now)
        self._dispatcher.step(now)
        self._watch_hosts()

    # ------------------------------------------------------------------------------ sockets

    def _watch_hosts(self) -> None:
        """Register new hosts, forget buried ones, follow who has something to send."""
        zygote = self._hosts.socket
        if zygote is not self._zygote:
            self._forget(self._zygote)
            self._zygote = zygote
            if zygote is not None:
                self._selector.register(zygote, selectors.EVENT_READ, self._supervisor.on_zygote)
        links = self._supervisor.links
        for host in [host for host in self._watched if host not in links]:
            link, pidfd = self._watched.pop(host)
            self._unregister(link.sock_fd)
            self._unregister(pidfd)
            self._pulse.forget(host)
        for host, link in links.items():
            self._watch(host, link)

    def _watch(self, host: int, link: HostLink) -> None:
        known = self._watched.get(host)
        if known is None:
            self._listen(link)
            self._watched[host] = (link, -1)
        elif known[1] < 0 <= link.pidfd:
            self._selector.register(
                link.pidfd, selectors.EVENT_READ, partial(self._supervisor.on_death, link)
            )
            self._watched[host] = (link, link.pidfd)
        link.flush()
        if link.eof and link.sock_fd in self._selector.get_map():
            self._unregister(link.sock_fd)

    def _unregister(self, fd: int) -> None:
        if fd >= 0:
            with contextlib.suppress(KeyError, ValueError, OSError):
                self._selector.unregister(fd)

    def _forget(self, sock: socket.socket | None) -> None:
        if sock is not None:
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(sock)

    def _on_host(self, link: HostLink, now: float) -> None:
        self._read_host(link, now)
        plan = self._journal.state.plan
        if plan is not None and plan.is_wrap:
            self._unregister(link.sock_fd)
            self._rests.begin(link, now)

    def _end_rests(self, now: float) -> None:
        """Read who has rested enough; who is silent, or was sent an order, is listened to again."""
        for link in self._rests.over(now):
            was_asked = link.is_asked
            if self._supervisor.links.get(link.host) is not link:
                self._rests.end(link)
            elif self._read_host(link, now) and not was_asked:
                self._rests.begin(link, now)
            else:
                self._rests.end(link)
                self._listen(link)

    def _listen(self, link: HostLink) -> None:
        act = partial(self._on_host, link)
        self._selector.register(link.sock_fd, selectors.EVENT_READ, act)

    def _read_host(self, link: HostLink, now: float) -> bool:
        """Take what it says; whether it said anything."""
        if link.host not in self._supervisor.links:
            return False
        try:
            found = link.receive(now)
            for message in found:
                self._inbox.take(link, message)
        except GarbledFrameError as error:
            self._journal.emit(ev.HostOverloaded(host=link.host, why=str(error)))
            link.kill(f"sent garbage: {error}")
            return False
        return bool(found)

    def _woken(self, _now: float) -> None:
        """A writer's notice or an autopsy's finding waits."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._wake)
        while self._findings:
            self._supervisor.on_finding(self._findings.pop(0))

    # ------------------------------------------------------------------------------ judging

    def _lagged(self, gap: float, now: float) -> None:
        """The engine did not run: read what waits, judge nobody for the gap."""
        self._journal.emit(ev.EngineLagged(gap_s=round(gap, 3)))
        for link in list(self._supervisor.links.values()):
            self._read_host(link, now)
        self._supervisor.forgive(now)

    def _deadlines(self, now: float) -> None:
        state, at = self._journal.state, self._journal.axis.at(now)
        for late in list(overdue(state, at)):
            live = self._attempts.live[late.worker.attempt_id]
            if now - live.link.heard <= LATE_S:  # a late host is judged first, then its attempts
                self._attempts.order_kill(late.worker.attempt_id, late.cause)
        plan = state.plan
        one_each = plan is not None and plan.resources.isolation == "process"
        if one_each:
            for worker in state.workers:
                if worker.killing_at and at - worker.killing_at >= PROCESS_KILL_S:
                    self._end_host(worker.attempt_id, "its attempt did not end when told to")
        self._memory()
        for worker in list(defied(state, at)):
            self._end_host(worker.attempt_id, f"did not end attempt {worker.attempt_id}")

    def _memory(self) -> None:
        """End the host that takes too much memory; its one attempt is ``killed:memory``."""
        state = self._journal.state
        plan = state.plan
        watched = plan is not None and plan.resources.max_host_memory_mb > 0
        if not watched and state.memory_percent < CRITICAL_PERCENT:
            return
        links = self._supervisor.links
        sizes = {
            host: found.rss_bytes
            for host, link in links.items()
            if link.pid and not link.why_killed and (found := vitals(link.pid))
        }
        chosen = victim(state, sizes)
        if chosen is not None:
            link = links[chosen.host]
            if len(link.given) == 1:
                self._attempts.order_kill(next(iter(link.given)), KILLED_MEMORY)
            link.kill(chosen.why)

    def _end_host(self, attempt_id: str, why: str) -> None:
        live = self._attempts.live.get(attempt_id)
        if live is not None:
            live.link.kill(why)

    def _beat_of_the_run(self, now: float) -> None:
        """Once a second: the pulse, the wall clock, viewers, shares, dropped things."""
        self._attempts.tell_late()
        moved = self._journal.axis.jump()
        if moved:
            self._journal.emit(ev.ClockJumped(by_s=round(moved, 3)))
        if self._control.viewers != self._journal.state.viewers:
            self._journal.emit(ev.ViewerChanged(viewers=self._control.viewers, origin=""))
        self._pulse.free_bytes = self._storage.free_bytes
        self._journal.emit(self._pulse.event(self._supervisor.links.values(), now))
        self._notifier.step()
        self._deal()

    def _deal(self) -> None:
        """Deal ``qps`` and ``max_in_flight`` of bounded endpoints to the hosts by demand."""
        state = self._journal.state
        plan = state.plan
        if plan is None or not any(bounded(endpoint) for endpoint in plan.endpoints):
            return
        self._turns += 1
        for endpoint in plan.endpoints:
            if not bounded(endpoint):
                continue
            demand = dict.fromkeys(self._supervisor.links, 0)
            for worker in state.workers:
                if worker.busy and worker.endpoint == endpoint.name and worker.host in demand:
                    demand[worker.host] += 1
            flights = deal(endpoint.max_in_flight, demand, self._turns)
            rates = deal_rate(endpoint.qps, demand)
            for host, link in self._supervisor.links.items():
                in_flight = flights.get(host, 0) if endpoint.max_in_flight else -1
                qps = rates.get(host, 0.0) if endpoint.qps else -1.0
                link.send(Share(endpoint=endpoint.name, qps=qps, in_flight=in_flight))

    def _stop_if_asked(self) -> None:
        while self._signals:
            name = signal.Signals(self._signals.pop(0)).name
            if self._journal.state.status == "draining":
                self._steering.stop_at_once(name)
            else:
                self._steering.stop(name, f"stopped by {name}", drain=False)
