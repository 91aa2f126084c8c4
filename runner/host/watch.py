"""The host's own watch: beats, deadlines, the ladder's hands, samples.

One thread, on purpose: a beat is proof that deadlines and kills still work here. It waits for
nothing but its own alarm, and sends with `Outbox.post`, which never waits either.
"""

import os
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

import msgspec

from runner.core import messages
from runner.core.messages import SlotBeat
from runner.core.outcomes import KILLED_STOP, Phase
from runner.core.text import one_line
from runner.host import ladder, samples
from runner.host.attempt import Attempt
from runner.host.children import Process
from runner.host.ladder import Rung, Steps
from runner.host.offspring import Offspring
from runner.host.outbox import FULL_BYTES, Outbox
from runner.host.samples import IDLE_CPU, Clock
from runner.host.slots import Slots
from runner.host.verdict import Verdict, of_reason

SAMPLE_AFTER_S = 2.0
SAMPLE_EVERY_S = 1.0
NUDGE_ZOMBIE_S = 1.0
"""How often a zombie is asked again to leave, in case it comes back to Python for a moment."""

_LAST_WORDS_S = 0.1


class Watch:
    """Looks after all slots of a host until the process ends."""

    def __init__(
        self,
        slots: Slots,
        outbox: Outbox,
        offspring: Offspring,
        steps: Steps,
        base: str,
        finish: Callable[[Attempt, Verdict], None],
    ) -> None:
        self._slots = slots
        self._outbox = outbox
        self._offspring = offspring
        self._steps = steps
        self._base = base
        self._finish = finish
        self.heartbeat_s = 0.5
        self._alarm = threading.Event()
        self._zombies: dict[Attempt, float] = {}
        self._clocks: dict[Attempt, tuple[float, Clock]] = {}
        self._stood: dict[Attempt, tuple[int, messages.Sample]] = {}
        """Each sampled thread's last sample, and how much CPU it had used by then."""
        self._sent: dict[int, SlotBeat] = {}

    def wake(self) -> None:
        """Something has changed that may be due before the next round: look now."""
        self._alarm.set()

    def expect(self, within_s: float) -> None:
        """A clock of ``within_s`` has started: look now, unless a beat's round comes before it."""
        if within_s <= self.heartbeat_s:
            self._alarm.set()

    def run(self) -> NoReturn:
        """Go round until the process ends."""
        next_beat = next_sample = time.monotonic()
        while True:
            self._alarm.clear()
            now = time.monotonic()
            due = [self._look_at(attempt, now) for attempt in self._slots.running()]
            self._offspring.tend(now)
            if now >= next_beat:
                self._beat(now)
                next_beat = now + self.heartbeat_s
            if now >= next_sample:
                self._sample_all(now)
                next_sample = now + SAMPLE_EVERY_S
            condemned = self._offspring.next_due
            times = [next_beat, next_sample, *due, *([] if condemned is None else [condemned])]
            self._alarm.wait(max(0.0, min(times) - time.monotonic()))

    # -- deadlines and the ladder ---------------------------------------------------------------

    def _look_at(self, attempt: Attempt, now: float) -> float:
        """End what is due; when to look again (monotonic seconds)."""
        if attempt.scope.expire(now) is None:
            return attempt.scope.deadline
        if attempt.ending_since is None:
            attempt.ending_since = now
        since = attempt.ending_since
        self._step(attempt, ladder.next_rung(now - since, self._steps), now)
        return since + ladder.next_due(now - since, self._steps)

    def _step(self, attempt: Attempt, rung: Rung, now: float) -> None:
        if attempt.rung != rung:
            attempt.rung = rung
            self._outbox.post(messages.RungReached(time.monotonic(), attempt.id, rung))
        elif now < attempt.stepped_at + ladder.REPEAT_S:
            return  # woken for something else
        attempt.stepped_at = now
        self._offspring.end(attempt)
        if rung in ladder.REPEATED:
            self._interrupt(attempt, rung)
        elif rung is Rung.ABANDON:
            self._abandon(attempt)
        elif rung is Rung.END:
            self._end_host(attempt)

    def _interrupt(self, attempt: Attempt, rung: Rung) -> None:
        """Not in our own code: it obeys the scope, and its locks must not be left taken."""
        ident = attempt.gate.ident
        if not ident or samples.is_in_host_code(samples.tops().get(ident)):
            return
        if rung is Rung.SIGNAL:
            signal.pthread_kill(ident, signal.SIGTERM)
        else:
            attempt.gate.interrupt()

    def _abandon(self, attempt: Attempt) -> None:
        """Take the slot from its thread and end the attempt in its stead."""
        if not self._slots.abandon(attempt):
            return
        attempt.abandoned_at = time.monotonic()
        self._zombies[attempt] = attempt.abandoned_at
        self._end_for(attempt)

    def _end_for(self, attempt: Attempt) -> None:
        verdict = of_reason(attempt.scope.reason or KILLED_STOP)
        self._finish(attempt, verdict)

    def _end_host(self, attempt: Attempt) -> None:
        """The last rung with one slot: the row first, then this whole process group."""
        if self._slots.release(attempt):
            self._end_for(attempt)
            self._outbox.flush(_LAST_WORDS_S)
            for process in self._offspring.of(attempt):
                os.kill(process.pid, signal.SIGKILL)
            os.killpg(0, signal.SIGKILL)

    # -- beats ----------------------------------------------------------------------------------

    def _beat(self, now: float) -> None:
        if self._outbox.backlog_bytes > FULL_BYTES:
            return  # the engine has more than a beat to read, and any message is a sign of life
        running = self._slots.running()
        changed = [beat for beat in map(_slot_beat, running) if beat != self._sent.get(beat.worker)]
        self._sent.update((beat.worker, beat) for beat in changed)
        zombies = self._zombie_beats(now) if self._zombies else []
        self._outbox.post(messages.Beat(now, [one.id for one in running], changed, zombies))

    def _zombie_beats(self, now: float) -> list[messages.Zombie]:
        beats: list[messages.Zombie] = []
        tops = samples.tops()
        for attempt, nudged in list(self._zombies.items()):
            if attempt.has_left or samples.clock(attempt.thread).state == "X":
                del self._zombies[attempt]
                self._clocks.pop(attempt, None)
                continue
            if now - nudged >= NUDGE_ZOMBIE_S:
                self._zombies[attempt] = now
                attempt.gate.interrupt()
            beats.append(
                messages.Zombie(
                    attempt.worker,
                    attempt.id,
                    attempt.thread,
                    attempt.abandoned_at or now,
                    one_line(samples.frame_text(tops.get(attempt.ident), self._base)),
                    self._cpu(attempt, now)[1],
                )
            )
        return beats

    # -- samples --------------------------------------------------------------------------------

    def _sample_all(self, now: float) -> None:
        running = self._slots.running()
        for gone in self._clocks.keys() - {*running, *self._zombies}:
            del self._clocks[gone]
            self._stood.pop(gone, None)
        tops = samples.tops()
        taken: list[messages.Sample] = []
        for attempt in running:
            if not attempt.thread:
                continue
            processes = self._offspring.of(attempt)  # also where new ones are found
            if now - attempt.scope.progress_at >= SAMPLE_AFTER_S:
                taken.append(self._sample(attempt, now, tops.get(attempt.ident), processes))
            else:
                self._clocks.pop(attempt, None)
                self._stood.pop(attempt, None)
        self._outbox.post(*taken)

    def _sample(
        self, attempt: Attempt, now: float, top: FrameType | None, processes: list[Process]
    ) -> messages.Sample:
        used_ns = samples.used_ns(attempt.thread)
        then_ns, stood = self._stood.get(attempt, (0, None))
        if stood is not None and used_ns == then_ns > 0 and not processes:
            self._clocks[attempt] = now, self._clocks[attempt][1]
            return msgspec.structs.replace(stood, t=now, cpu=0.0)  # it has not moved at all
        state, cpu = self._cpu(attempt, now)
        waits_for = "" if cpu > IDLE_CPU else samples.waits_for(attempt.thread)
        if processes and waits_for in ("process", "pipe", "net"):
            oldest = min(processes, key=lambda process: process.born)
            waits_for = f"pid {oldest.pid} ({one_line(oldest.command, 80)})"
        sample = messages.Sample(
            now,
            attempt.worker,
            attempt.id,
            cpu,
            state,
            one_line(samples.frame_text(top, self._base, attempt.coroutine)),
            one_line(attempt.scope.detail) or waits_for,
        )
        self._stood[attempt] = used_ns, sample
        return sample

    def _cpu(self, attempt: Attempt, now: float) -> tuple[str, float]:
        """State and CPU share since it was last asked; 0 the first time."""
        clock = samples.clock(attempt.thread)
        before = self._clocks.get(attempt)
        self._clocks[attempt] = now, clock
        if before is None or now <= before[0]:
            return clock.state, 0.0
        return clock.state, min(1.0, (clock.cpu_s - before[1].cpu_s) / (now - before[0]))

    def stacks(self) -> str:
        """The Python stacks of all slots and zombies, for people."""
        tops = samples.tops()
        parts = [
            f"{what} {one.worker} {one.id} ({one.scope.phase})\n"
            f"{samples.stack_text(tops.get(one.ident), self._base)}"
            for what, group in (("worker", self._slots.running()), ("zombie", list(self._zombies)))
            for one in group
        ]
        return "\n".join(parts) or "no attempts"


def _slot_beat(attempt: Attempt) -> SlotBeat:
    scope = attempt.scope
    phase: Phase = "killing" if scope.cancelled else scope.phase
    return SlotBeat(
        attempt.worker,
        attempt.id,
        phase,
        scope.phase_since,
        scope.last_sign,
        scope.progress_at,
        scope.bytes_in,
    )
