"""The slots of a host: a thread each, and who owns which.

Apart from what happens in them. `Slots` alone takes an attempt out of its slot, under one lock, so
that exactly one side ends it: its own thread, or the ladder that gave the thread up.
"""

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from runner.host.attempt import Attempt
from runner.host.gate import Interrupted

Perform = Callable[[Attempt], None]


@dataclass(eq=False)
class Slot:
    """A place for one attempt at a time. ``line`` feeds the thread that serves it now."""

    worker: int
    attempt: Attempt | None = None
    line: "queue.SimpleQueue[Attempt]" = field(default_factory=queue.SimpleQueue["Attempt"])


class Slots:
    """All slots of this host. `perform` carries an attempt out, from first to last message."""

    def __init__(self, workers: list[int]) -> None:
        self._perform: Perform | None = None
        self._slots = {worker: Slot(worker) for worker in workers}
        self._lock = threading.Lock()
        self.threads: dict[int, int] = {}
        """The native id of the thread that serves each worker now."""

    def start_threads(self, perform: Perform) -> None:
        """A thread for each slot; returns when all of them are up."""
        self._perform = perform
        for slot in self._slots.values():
            self._start_thread(slot)

    def adopt(self) -> None:
        """The calling thread will serve the one slot: signals reach executor code in the main one.

        Raises ValueError if there are several.
        """
        (worker,) = self._slots
        self.threads[worker] = threading.get_native_id()

    def serve_here(self, perform: Perform) -> None:
        """Serve the one slot, for good."""
        (slot,) = self._slots.values()
        self._perform = perform
        self._serve(slot, slot.line)

    def put(self, attempt: Attempt) -> bool:
        """Give the slot of its worker to the attempt; False if it is not free, or not ours."""
        slot = self._take(attempt)
        if slot is not None:
            slot.line.put(attempt)
        return slot is not None

    def serve(self, attempt: Attempt) -> bool:
        """The same, but carry it out here: a thread that waits for its end saves two hand-overs."""
        if self._take(attempt) is None:
            return False
        self._carry_out(attempt)
        return True

    def _take(self, attempt: Attempt) -> Slot | None:
        slot = self._slots.get(attempt.worker)
        with self._lock:
            if slot is None or slot.attempt is not None:
                return None
            slot.attempt = attempt
        return slot

    def release(self, attempt: Attempt) -> bool:
        """Free the slot; False if the attempt had lost it before. The caller then ends it."""
        with self._lock:
            if not attempt.owned:
                return False
            attempt.owned = False
            self._slots[attempt.worker].attempt = None
            return True

    def abandon(self, attempt: Attempt) -> bool:
        """Free the slot from a thread that does not obey, and serve it with a new one."""
        slot = self._slots[attempt.worker]
        with self._lock:
            if not attempt.owned:
                return False
            attempt.owned = False
            slot.attempt = None
            slot.line = queue.SimpleQueue()
        self._start_thread(slot)
        return True

    def running(self) -> list[Attempt]:
        """The attempts that own a slot."""
        # Read once: a slot may be freed between a test and a second look.
        attempts = [slot.attempt for slot in self._slots.values()]
        return [attempt for attempt in attempts if attempt is not None]

    def find(self, attempt_id: str) -> Attempt | None:
        """The attempt of that id, if it owns a slot."""
        return next((one for one in self.running() if one.id == attempt_id), None)

    def _start_thread(self, slot: Slot) -> None:
        thread = threading.Thread(
            target=self._serve, args=(slot, slot.line), name=f"worker-{slot.worker}", daemon=True
        )
        thread.start()
        self.threads[slot.worker] = thread.native_id or 0

    def _serve(self, slot: Slot, line: "queue.SimpleQueue[Attempt]") -> None:
        while slot.line is line:
            self._carry_out(line.get())

    def _carry_out(self, attempt: Attempt) -> None:
        perform = self._perform
        assert perform is not None
        try:
            perform(attempt)
        except Interrupted:  # sent before the gate was shut, arrived in its last bytecodes
            attempt.gate.shut()
            perform(attempt)
