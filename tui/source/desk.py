"""A thread that does one job after the other, so that no screen ever waits for a file or a socket.

Apart from the sources because each has several: a kill may take ten seconds to be answered, and
neither the log nor a transcript may wait behind it.
"""

import queue
import threading
from collections.abc import Callable

from tui.source.gone import ScreenGone


class Desk:
    """Jobs in, done in order, in a daemon thread."""

    def __init__(self, name: str) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin with what waits."""
        self._thread.start()

    def put(self, job: Callable[[], None]) -> None:
        """Do ``job`` after all that was put before. Nothing happens on a closed desk."""
        self._jobs.put(job)

    def close(self) -> None:
        """Drop what waits and end the thread after the job under way. Does not wait for it."""
        self._closed.set()
        self._jobs.put(None)

    def _run(self) -> None:
        try:
            while (job := self._jobs.get()) is not None and not self._closed.is_set():
                job()
        except ScreenGone:
            return
