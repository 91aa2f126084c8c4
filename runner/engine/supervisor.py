"""Hosts over their whole life: ordered, up, late, frozen, examined, killed, buried, replaced.

The host is the unit that can always be killed; this is where that happens. Decisions come from
`runner.core.policy`; here are the hands. Workers keep their numbers: ``home`` says which host runs
a worker's next attempt, whatever became of the last one.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from runner.core import events as ev
from runner.core import messages as m
from runner.core import zygote_wire as z
from runner.core.outcomes import FROZE_HOST, HOST_EXIT
from runner.core.plan import Plan
from runner.core.policy.brakes import start_wait, storm
from runner.engine.attempts import Attempts
from runner.engine.autopsy import Body, Finding, Look, examine, thread_times
from runner.engine.hosts import HostLink, LocalHosts
from runner.engine.journal import Journal

LATE_S: Final = 1.0
"""Without a message for this long a host is late: its attempts wait for the verdict on it."""
FROZEN_S: Final = 1.5
"""Without a message for this long a host is shown as frozen; the longest honest silence measured
is 1.34 s (100 slots in pure-Python spin)."""
START_S: Final = 60.0
"""A host that has not said hello by then hangs in an import."""
ZYGOTE_WAIT_S: Final = 1.0
EXAMINED_AT_ONCE: Final = 8
"""When more hosts than this are late it is the machine, and looking at each would be more load."""
SUSPECT_HOSTS: Final = 4
"""From this many hosts on, more than half of them late at once means the machine is suspected."""
STATUS_S: Final = 0.3
"""How long the death of a host waits for the zygote's word on how it died; 1 ms as a rule."""
PROCESS_KILL_S: Final = 0.5
"""With a process per attempt: from the order to SIGKILL of its group."""
TOLD_BYTES: Final = 4000


class Supervisor:
    """All hosts of the run. ``handle`` takes a host's message; ``report`` an autopsy's finding."""

    def __init__(
        self,
        journal: Journal,
        hosts: LocalHosts,
        attempts: Attempts,
        setup: Callable[[int, list[int]], m.Setup],
        handle: Callable[[HostLink, m.HostMessage], None],
        report: Callable[[Finding], None],
        run_dir: Path,
    ) -> None:
        self._journal = journal
        self._hosts = hosts
        self._attempts = attempts
        self._setup = setup
        self._handle = handle
        self._report = report
        self._run_dir = run_dir
        self._next = 0
        self._deaths: list[float] = []
        self._scored_at = 0.0
        self._waiting: list[tuple[float, list[int]]] = []
        self._looks: dict[int, Look] = {}
        self._blamed: dict[int, Finding] = {}
        self._spared: set[int] = set()
        self._zygote_at = 0.0
        self.links: dict[int, HostLink] = {}
        self.home: dict[int, HostLink] = {}
        self.closing = False
        self.zygote_error = ""
        self.storm_stacks = ""

    def _plan(self) -> Plan:
        plan = self._journal.state.plan
        if plan is None:
            raise RuntimeError("the run has no plan yet")
        return plan

    # --------------------------------------------------------------------------------- start

    def start_all(self, workers: int, now: float) -> None:
        """Start the zygote and a host for each group of workers."""
        self._hosts.start_zygote()
        self.grow(range(workers), now)

    def grow(self, workers: range, now: float) -> None:
        """Order hosts for worker numbers that have none yet."""
        size = self._plan().slots_per_host()
        numbers = [number for number in workers if number not in self.home]
        for first in range(0, len(numbers), size):
            self.start(numbers[first : first + size], now)

    def start(self, workers: list[int], now: float, *, alone: bool = False) -> HostLink:
        """Order one host; its workers' next attempts go to it."""
        host, self._next = self._next, self._next + 1
        link = self._hosts.start(host, workers, now)
        link.alone = alone
        self.links[host] = link
        for number in workers:
            self.home[number] = link
        self._journal.emit(ev.HostStarting(host=host, workers=workers, alone=alone))
        link.send(self._setup(host, workers))
        return link

    # ------------------------------------------------------------------------------- zygote

    def on_zygote(self, now: float) -> None:
        """Read what the zygote says: pids, deaths, its own trouble."""
        heard = self._hosts.receive()
        if heard is None:
            self._zygote_died(now)
            return
        by_pid = {link.pid: link for link in self.links.values() if link.pid}
        for message in heard:
            if isinstance(message, z.Forked):
                link = self.links.get(message.host)
                if link is not None:
                    link.known_as(message.pid)
            elif isinstance(message, z.Died):
                link = by_pid.get(message.pid)
                if link is not None:
                    self.bury(link, _how(message.status), now)
            elif isinstance(message, z.Failed):
                self.zygote_error = message.text

    def _zygote_died(self, now: float) -> None:
        """All hosts die with it; each is buried, and a new zygote starts what was lost."""
        how = self._hosts.drop_zygote()
        self._journal.emit(ev.ZygoteGone(why=self.zygote_error or how))
        for link in list(self.links.values()):
            link.kill("its parent died")
            self.bury(link, "its parent died", now, blame=False)
        self._deaths.append(now)
        if not self.closing:
            self._zygote_at = now + max(ZYGOTE_WAIT_S, start_wait(self._deaths, now))

    # ------------------------------------------------------------------------------- watching

    def step(self, now: float) -> None:
        """Judge every host by its silence; start what is due."""
        if self._zygote_at and now >= self._zygote_at and not self.closing:
            self._zygote_at = 0.0
            self._hosts.start_zygote()
        for link in list(self.links.values()):
            self._watch(link, now)
        if self._hosts.socket is not None and not self.closing:
            due = [workers for at, workers in self._waiting if now >= at]
            self._waiting = [(at, workers) for at, workers in self._waiting if now < at]
            for workers in due:
                wanted = [w for w in workers if w < self._journal.state.target_workers]
                if wanted:
                    self.start(wanted, now)

    def _watch(self, link: HostLink, now: float) -> None:
        silent = now - link.heard
        if link.died_at:
            if now - link.died_at >= STATUS_S:
                self.bury(link, "it exited", now)
            return
        if not link.ready:
            if now - link.started > START_S:
                link.kill(f"did not come up within {START_S:.0f} s")
                self._bury_unknown(link, now)
            return
        if silent < LATE_S:
            self._looks.pop(link.host, None)
        elif link.host not in self._looks:
            self._looks[link.host] = Look(now, thread_times(link.pid, link.threads))
        if link.frozen_since and silent < FROZEN_S:
            self._thaw(link)
        elif not link.frozen_since and silent >= FROZEN_S:
            self._freeze(link, silent, now)
        elif link.frozen_since and silent >= self._patience(link):
            self._examine(link, now)
        if link.draining and not link.given:
            link.send(m.Quit())
            link.kill("it was replaced")

    def _freeze(self, link: HostLink, silent: float, now: float) -> None:
        link.frozen_since = now - silent
        self._journal.emit(ev.HostFroze(host=link.host, silent_s=silent))
        if len(self._looks) <= EXAMINED_AT_ONCE:
            examine(self._body(link), self._looks[link.host], self._report, final=False)

    def _thaw(self, link: HostLink) -> None:
        link.frozen_since = 0.0
        self._spared.discard(link.host)
        self._journal.emit(ev.HostRecovered(host=link.host))

    def _patience(self, link: HostLink) -> float:
        """``freeze_after``, twice that once if most hosts turned late together."""
        freeze_after = self._plan().resources.freeze_after
        frozen = [o for o in self.links.values() if o.frozen_since]
        if len(self.links) >= SUSPECT_HOSTS and 2 * len(frozen) > len(self.links):
            together = max(o.frozen_since for o in frozen) - min(o.frozen_since for o in frozen)
            if together < 1.0:
                self._spared.add(link.host)
        return freeze_after * (2 if link.host in self._spared else 1)

    def _examine(self, link: HostLink, now: float) -> None:
        """Ask who did it, in a thread; `on_finding` kills the host then."""
        if link.why_killed:
            return
        link.why_killed = f"did not answer for {now - link.heard:.1f} s"
        before = self._looks.get(link.host, Look(now, {}))
        examine(self._body(link), before, self._report, final=True)

    def _body(self, link: HostLink) -> Body:
        log = self._run_dir / f"host-{link.host}.log"
        base = str(Path(self._journal.state.plan_file).parent)
        return Body(link.host, link.pid, dict(link.threads), log, base)

    def on_finding(self, finding: Finding) -> None:
        """An examination is done. After the last one the host may be killed."""
        link = self.links.get(finding.host)
        if link is None:
            return
        if finding.final:
            self._blamed[finding.host] = finding
            link.kill(link.why_killed)
        elif link.frozen_since and (finding.worker is not None or finding.stopped):
            worker = -1 if finding.worker is None else finding.worker
            self._journal.emit(
                ev.HostExamined(
                    host=link.host, worker=worker, frame=finding.frame, stopped=finding.stopped
                )
            )

    def forgive(self, now: float) -> None:
        """The engine itself paused: every host gets a new ``freeze_after``; nobody is judged."""
        for link in self.links.values():
            link.heard = now
            link.started = max(link.started, now) if not link.ready else link.started
            if link.frozen_since and not link.why_killed:
                self._thaw(link)

    def kill_overdue(self, link: HostLink, why: str) -> None:
        """Rung 4 for a host that answers but does not end an attempt that it was told to."""
        link.kill(why)

    def drain(self, link: HostLink, why: str, now: float) -> None:
        """Replace a host whose threads are lost: a new one first, the old one when it is empty."""
        if link.draining or self.closing or link.alone:
            return
        link.draining = True
        self._journal.emit(ev.HostDraining(host=link.host, why=why))
        self.start(link.workers, now)

    # --------------------------------------------------------------------------------- death

    def on_death(self, link: HostLink, now: float) -> None:
        """Its pidfd says that it is dead. The zygote says how, a moment later."""
        if link.why_killed:
            self.bury(link, link.why_killed, now)
        link.died_at = link.died_at or now

    def _bury_unknown(self, link: HostLink, now: float) -> None:
        """A host that was never known by pid has no pidfd to tell of its death."""
        if link.pidfd < 0:
            self.bury(link, link.why_killed, now)

    def bury(self, link: HostLink, how: str, now: float, *, blame: bool = True) -> None:
        """Read what it still said, end what it owned, give its workers a new host."""
        if self.links.pop(link.host, None) is None:
            return
        self._looks.pop(link.host, None)
        link.sweep_group()
        try:
            for message in link.drain(now):
                self._handle(link, message)
        except m.GarbledFrameError as error:
            how = f"{how}; {error}"
        why = link.why_killed or how
        finding = self._blamed.pop(link.host, None)
        culprit = self._culprit(link, finding) if blame else ""
        froze = bool(link.frozen_since)
        stack = finding.stack[-TOLD_BYTES:] if finding else ""
        self._journal.emit(ev.HostGone(host=link.host, why=why, culprit=culprit, stack=stack))
        if stack:
            self.storm_stacks = stack
        ordered = self._was_ordered(link)
        if blame:
            text = f"process {link.host} {why}" + (f"\n{stack}" if stack else "")
            self._attempts.lose(link, culprit, FROZE_HOST if froze else HOST_EXIT, text)
        else:
            self._attempts.release(link, f"process {link.host}: {why}")
        link.close()
        if not (link.draining or link.alone or ordered):
            self._deaths.append(now)
        self._replace(link, now, at_once=ordered)

    def _was_ordered(self, link: HostLink) -> bool:
        """Whether it died as the end of its one attempt: a limit at work, no sign of trouble."""
        if len(link.workers) != 1:
            return False
        workers = (self._attempts.worker_of(attempt_id) for attempt_id in link.given)
        return link.is_spent or any(worker and worker.killing_cause for worker in workers)

    def _culprit(self, link: HostLink, finding: Finding | None) -> str:
        """The attempt that the examined worker runs; empty where nothing was found."""
        if finding is None or finding.worker is None:
            return ""
        for attempt_id in link.given:
            worker = self._attempts.worker_of(attempt_id)
            if worker is not None and worker.worker == finding.worker:
                return attempt_id
        return ""

    def _replace(self, link: HostLink, now: float, *, at_once: bool) -> None:
        """Queue the start of a new host for the workers that still called this one home.

        The worker of a host that ran one task alone goes back to its shared host if that is there.
        """
        homeless: list[int] = []
        for number in link.workers:
            if self.home.get(number) is not link:
                continue
            shared = [o for o in self.links.values() if number in o.workers and not o.draining]
            if shared:
                self.home[number] = shared[-1]
            else:
                del self.home[number]
                homeless.append(number)
        if homeless and not self.closing:
            wait_s = 0.0 if at_once else start_wait(self._deaths, now)
            self._waiting.append((now + wait_s, homeless))

    def come_home(self, link: HostLink) -> None:
        """A host that ran one suspect task alone is done: its worker goes back to a shared one."""
        self._journal.emit(ev.HostDraining(host=link.host, why="its one task is done"))
        link.send(m.Quit())
        link.kill("its one task is done")

    # --------------------------------------------------------------------------------- verdict

    def scored(self, now: float) -> None:
        """An attempt was scored: hosts are of use."""
        self._scored_at = now

    def storm(self, now: float) -> str:
        """Why starting more hosts is no use, in words; empty while it is."""
        if self.zygote_error:
            return f"workers cannot be started: {self.zygote_error[-TOLD_BYTES:]}"
        if storm(self._deaths, self._scored_at, now):
            text = "5 processes died within a minute and nothing was scored"
            return f"{text}\n{self.storm_stacks}" if self.storm_stacks else text
        return ""

    def calm(self) -> None:
        """A person said go on: deaths so far no longer count."""
        self._deaths.clear()
        self.zygote_error = ""

    def close(self) -> None:
        """End every host and the zygote."""
        self.closing = True
        for link in self.links.values():
            link.send(m.Quit())
            link.kill("the run is over")
            link.close()
        self.links.clear()
        self._hosts.close()


def _how(status: int) -> str:
    return f"was killed by signal {-status}" if status < 0 else f"exited with {status}"
