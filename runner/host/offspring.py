"""Which processes belong to which attempt, and the end of those whose attempt is over.

Apart from `children` (the kernel's facts) because it remembers: what was reported, what was told to
end, and by when it has to obey. Used by the watch alone, but for `end`, which any thread may call.
"""

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


class _Condemned(NamedTuple):
    """A process that was told to end, by whose attempt, and when it is killed."""

    process: Process
    attempt: Attempt
    kill_at: float


class Offspring:
    """The processes of all attempts of this host; ``post`` tells the engine of them."""

    def __init__(self, post: Callable[[Message], None]) -> None:
        self._post = post
        self._known: dict[Process, Attempt] = {}
        self._condemned: list[_Condemned] = []
        self._lock = threading.Lock()

    @property
    def next_due(self) -> float | None:
        """When `tend` has something to kill."""
        with self._lock:
            return min((one.kill_at for one in self._condemned), default=None)

    def of(self, attempt: Attempt) -> list[Process]:
        """What the attempt has started and what still lives of it; new ones are reported."""
        helpers = [thread for ref in tuple(attempt.helpers) if (thread := ref()) is not None]
        threads = [attempt.thread, *(one.native_id or 0 for one in helpers)]
        found = children.of_threads(thread for thread in threads if thread)
        if not found and not self._known:
            return []  # nearly always, and asked once a second for each slot
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
        with self._lock:
            due = [one for one in self._condemned if one.kill_at <= now]
            self._condemned = [one for one in self._condemned if one.kill_at > now]
            known = list(self._known.items())
        for one in due:
            for process in children.tree(one.process):
                children.send(process, signal.SIGKILL)
        for process, attempt in known:
            if children.is_alive(process):
                continue
            if not attempt.owned:
                children.forget_dead(process)
            with self._lock:
                self._known.pop(process, None)
            self._tell(attempt, process, running=False)

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
