"""Which processes belong to which attempt, and the end of those whose attempt is over.

Apart from `children` (the kernel's facts) because it remembers: what was reported, what was told to
end, and by when it has to obey. Used by the watch alone, but for `end`, which any thread may call.
"""

import os
import signal
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from runner.core import messages
from runner.core.messages import Message
from runner.host import children
from runner.host.attempt import Attempt
from runner.host.children import Process

_BORN_S = 0.02
"""The kernel tells births in hundredths of a second."""


class _Condemned(NamedTuple):
    """A process that was told to end, by whose attempt, and when it is killed."""

    process: Process
    attempt: Attempt
    kill_at: float


class Offspring:
    """The processes of all attempts of this host; ``post`` tells the engine of them.

    ``running`` are the attempts that own a slot.
    """

    def __init__(
        self, post: Callable[[Message], None], running: Callable[[], list[Attempt]]
    ) -> None:
        self._post = post
        self._running = running
        self._known: dict[Process, Attempt] = {}
        self._unclaimed: dict[Process, list[Attempt]] = {}
        self._condemned: list[_Condemned] = []
        self._lock = threading.Lock()

    @property
    def next_due(self) -> float | None:
        """When `tend` has something to kill."""
        with self._lock:
            return min((one.kill_at for one in self._condemned), default=None)

    def of(self, attempt: Attempt) -> list[Process]:
        """What the attempt has started and what still lives of it; new ones are reported."""
        if not self._known and not children.are_any():
            return []  # nearly always, and asked once a second for each slot
        helpers = [thread for ref in tuple(attempt.helpers) if (thread := ref()) is not None]
        threads = [attempt.thread, *(one.native_id or 0 for one in helpers)]
        found = children.of_threads(thread for thread in threads if thread)
        with self._lock:
            new = [one for one in found if one not in self._known]
            self._known.update(dict.fromkeys(new, attempt))
            orphans = [one for one, whose in self._known.items() if whose is attempt]
        for process in new:
            self._tell(attempt, process, running=True)
        return list({*found, *(one for one in orphans if children.is_alive(one))})

    def end(self, attempt: Attempt) -> bool:
        """Tell all processes of the attempt to end; those that do not are killed in `tend`.

        True if there were any. Waits for nothing.
        """
        processes = self.of(attempt) if attempt.thread else []
        kill_at = time.monotonic() + children.TERM_GRACE_S
        with self._lock:
            condemned = {one.process for one in self._condemned}
            new = [one for one in processes if one not in condemned]
            self._condemned += [_Condemned(one, attempt, kill_at) for one in new]
        for process in new:
            children.send(process, signal.SIGTERM)
        return bool(new)

    def tend(self, now: float) -> None:
        """Report the dead, kill those whose grace is over (with whatever they started since)."""
        self._claim_orphans(now)
        with self._lock:
            due = [one for one in self._condemned if one.kill_at <= now]
            self._condemned = [one for one in self._condemned if one.kill_at > now]
            known = list(self._known.items())
            condemned = {one.process for one in (*due, *self._condemned)}
        for one in due:
            for process in children.tree(one.process):
                children.send(process, signal.SIGKILL)
        for process, attempt in known:
            if children.is_alive(process):
                if not attempt.owned and process not in condemned:
                    children.send(process, signal.SIGKILL)  # found after the others were ended
                continue
            if not attempt.owned:
                children.forget_dead(process)
            with self._lock:
                self._known.pop(process, None)
            self._tell(attempt, process, running=False)

    def _claim_orphans(self, now: float) -> None:
        """Give processes that lost their parents to an attempt, or end them.

        They are children of this process now (`birth.adopt_orphans`), and which thread started the
        dead parent is forgotten. With one attempt that ran when an orphan was born it is that
        one's; among several it is ended when none of them runs any more.
        """
        if not self._unclaimed and not children.are_any():
            return
        mine = os.getpid()
        found = set(children.of_threads([mine]))
        with self._lock:
            known = set(self._known)
        running = self._running()
        if any(one.thread == mine for one in running):
            return  # the main thread is the slot's: all that it has is its attempt's
        for process in found - known - self._unclaimed.keys():
            born = now - children.age_s(process)
            suspects = [one for one in running if one.thread and one.started <= born + _BORN_S]
            if len(suspects) == 1:
                with self._lock:
                    self._known[process] = suspects[0]
                self._tell(suspects[0], process, running=True)
            else:
                self._unclaimed[process] = suspects
        for process, suspects in list(self._unclaimed.items()):
            if not any(one.owned for one in suspects):
                del self._unclaimed[process]
                self._end_orphan(process, now)

    def _end_orphan(self, process: Process, now: float) -> None:
        if children.is_alive(process):
            children.send(process, signal.SIGKILL)
            self._post(messages.Dropped(now, "", f"orphan {process.pid} {process.command}"))
        children.forget_dead(process)

    def _tell(self, attempt: Attempt, process: Process, *, running: bool) -> None:
        self._post(
            messages.Child(
                time.monotonic(),
                attempt.id,
                process.pid,
                process.born,
                process.command,
                running,
            )
        )
