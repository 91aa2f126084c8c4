"""What every source of a run offers to the app, be the run live, attached to or replayed.

Apart from the sources so that screens and tests depend on this shape alone. All I/O of the viewer
happens behind it, in daemon threads: nothing here blocks the caller.
"""

import itertools
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from runner import EngineSeen, PilotError, one_line
from tui.source.desk import Desk
from tui.source.gone import ScreenGone
from tui.source.messages import Fetched, Post, SourceMessage

T = TypeVar("T")


class Source(ABC):
    """One run as it can be watched. Made by the app, started once, closed once.

    `now` and `engine` are plain reads for each frame; everything else arrives as messages.
    """

    def __init__(self, run_dir: Path) -> None:
        self.run_dir = run_dir
        self._post: Post = _nowhere
        self._closed = threading.Event()
        self._ids = itertools.count(1)
        self._reads = Desk("reads")

    def start(self, post: Post) -> None:
        """Begin: messages come through ``post`` from now on, the first is `Loaded`."""
        self._post = post
        self._reads.start()
        self._begin()

    def send(self, op: str, **fields: Any) -> int:
        """Ask the engine for ``op`` (see the contract's control socket); an `Answer` follows.

        Returns the answer's ``request_id``.
        """
        request_id = next(self._ids)
        self._order(request_id, op, fields)
        return request_id

    def fetch(self, job: Callable[[], T], done: Callable[[T | None, str], None]) -> None:
        """Run ``job`` in the reading thread; ``done(value, error)`` is called on the screen's.

        For files that screens look into: bodies, an attempt's events, results, reports. Jobs run
        one after the other; an OSError, ValueError or `PilotError` of the job becomes ``error``.
        """
        self._reads.put(lambda: self._fetch(job, done))

    def close(self) -> None:
        """End the threads as soon as they look up; returns at once. Before the app ends."""
        self._closed.set()
        self._reads.close()
        self._end()

    @abstractmethod
    def now(self) -> float:
        """The present moment on the run's axis, unix seconds. Cheap: call it at each frame."""

    @abstractmethod
    def engine(self) -> EngineSeen:
        """Is the engine there, how old is its last word. Cheap: call it at each frame."""

    @abstractmethod
    def _begin(self) -> None: ...

    @abstractmethod
    def _end(self) -> None: ...

    @abstractmethod
    def _order(self, request_id: int, op: str, fields: dict[str, Any], /) -> None: ...

    def _say(self, message: SourceMessage) -> None:
        """Post; `ScreenGone` once the source was closed, whatever the dying app answers."""
        if self._closed.is_set():
            raise ScreenGone
        try:
            self._post(message)
        except Exception as error:
            if self._closed.is_set():
                raise ScreenGone from error
            raise

    def _fetch(self, job: Callable[[], T], done: Callable[[T | None, str], None]) -> None:
        try:
            value = job()
        except Exception as error:  # noqa: BLE001 - damaged files of strangers raise anything
            self._say(Fetched(done, None, error_words(error)))
        else:
            self._say(Fetched(done, value))


def error_words(error: Exception) -> str:
    """Our own errors and the system's speak for themselves; others say what kind they are."""
    if isinstance(error, PilotError):
        return one_line(str(error), 200)
    if isinstance(error, OSError) and error.strerror:
        return one_line(f"{error.strerror}: {error.filename or ''}", 200)
    return one_line(f"{type(error).__name__}: {error}", 200)


def _nowhere(_message: SourceMessage, /) -> None:
    """Before the start there is no screen to tell."""
