"""The pulse: signs of life of all workers and hosts, once a second, in one event.

Apart from `attempts` because signs are no history: a thousand chunks of a stream become one line a
second, and only for workers where something changed.
"""

import os
from collections.abc import Iterable
from typing import Final

from runner.core import events as ev
from runner.core import messages as m
from runner.engine import probe
from runner.engine.axis import Axis
from runner.engine.hosts import HostLink

PULSE_S: Final = 1.0


class Pulse:
    """Collects signs between two pulses and makes the event."""

    def __init__(self, axis: Axis) -> None:
        self._axis = axis
        self._slots: dict[int, ev.SlotPulse] = {}
        self._zombies: dict[int, list[m.Zombie]] = {}
        self._cpu: dict[int, tuple[float, float]] = {}
        self.free_bytes = 0

    def beat(self, link: HostLink, beat: m.Beat) -> None:
        """Take the signs of a beat; a later one of the same worker replaces it."""
        at = self._axis.at
        for slot in beat.changed:
            if slot.attempt_id in link.given:
                self._slots[slot.worker] = ev.SlotPulse(
                    slot.worker,
                    slot.phase,
                    round(at(slot.since), 3),
                    round(at(slot.last_sign), 3),
                    round(at(slot.progress), 3),
                    slot.bytes,
                )
        self._zombies[link.host] = beat.zombies

    def forget(self, host: int) -> None:
        """A host is gone, and its threads with it."""
        self._zombies.pop(host, None)

    def event(self, links: Iterable[HostLink], now: float) -> ev.Pulse:
        """Everything since the last one."""
        slots = list(self._slots.values())
        self._slots.clear()
        engine = probe.vitals(os.getpid())
        percent = self._percent(os.getpid(), engine.cpu_s, now) if engine else 0.0
        hosts = [found for link in links if (found := self._host(link, now))]
        # A host for each attempt means as many pids as attempts.
        self._cpu = {pid: clock for pid, clock in self._cpu.items() if clock[0] == now}
        return ev.Pulse(
            slots=slots,
            hosts=hosts,
            zombies=[
                ev.ZombiePulse(
                    host, z.worker, z.attempt_id, round(self._axis.at(z.since), 3), z.frame, z.cpu
                )
                for host, zombies in self._zombies.items()
                for z in zombies
            ],
            engine_cpu_percent=percent,
            engine_cpu_s=round(engine.cpu_s, 3) if engine else 0.0,
            engine_rss_bytes=engine.rss_bytes if engine else 0,
            free_bytes=self.free_bytes,
            memory_percent=round(probe.memory_percent(), 1),
        )

    def _host(self, link: HostLink, now: float) -> ev.HostPulse | None:
        found = probe.vitals(link.pid) if link.pid else None
        if found is None:
            return None
        return ev.HostPulse(
            link.host,
            round(self._axis.at(link.heard), 3),
            self._percent(link.pid, found.cpu_s, now),
            found.rss_bytes,
            found.threads,
            len(self._zombies.get(link.host, ())),
            round(found.cpu_s, 3),
        )

    def _percent(self, pid: int, cpu_s: float, now: float) -> float:
        before_at, before = self._cpu.get(pid, (now, cpu_s))
        self._cpu[pid] = (now, cpu_s)
        apart = now - before_at
        return round(100.0 * (cpu_s - before) / apart, 1) if apart > 0 else 0.0
