"""What a source tells the screen: small, frozen, and handled on the screen's own thread.

Apart from the sources because the app needs these names and none of the machinery behind them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from runner import EngineSeen, Mark, State, ev


@dataclass(frozen=True, slots=True)
class Loaded:
    """A whole state replaces the one on the screen: at the start, after a seek, after frames that
    were dropped. It belongs to the screen from here on; the source keeps no reference.
    """

    state: State


@dataclass(frozen=True, slots=True)
class Events:
    """What happened next, in order: fold it into the state. At most `BATCH` events."""

    events: list[ev.Event]


@dataclass(frozen=True, slots=True)
class EngineChanged:
    """The engine fell silent, spoke again, went or came. `Source.engine` has the age."""

    seen: EngineSeen


@dataclass(frozen=True, slots=True)
class EngineTrouble:
    """What ``ping`` says of the disk, which the log cannot tell when it lies on that disk.

    ``text`` is one line for a person; empty when all is well again.
    """

    text: str
    free_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command did, in words: ``killed in 2 ms: connection closed``."""

    request_id: int
    text: str
    ok: bool
    details: dict[str, Any] = field(default_factory=dict[str, Any])
    """The engine's own answer; ``stacks`` has its text in here."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where a replay stands. ``now`` is of the moment when it was sent: see `Source.now`."""

    now: float
    speed: float
    playing: bool
    first_at: float
    last_at: float


@dataclass(frozen=True, slots=True)
class Timeline:
    """What the replay's bar draws: events in equal stretches of the run, and where to jump."""

    first_at: float
    last_at: float
    density: list[int]
    marks: list[Mark]
    read: float = 1.0
    """How much of the log has been read so far; the rest follows."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """Something that a screen asked for by `Source.fetch` is there (or ``error`` says why not).

    The app calls `deliver` and needs to know nothing else.
    """

    done: Callable[[Any, str], None]
    value: Any
    error: str = ""

    def deliver(self) -> None:
        """Hand it to whoever asked; on the screen's thread."""
        self.done(self.value, self.error)


@dataclass(frozen=True, slots=True)
class SourceFailed:
    """The run can no longer be read; ``text`` says why, for a person."""

    text: str


SourceMessage = (
    Loaded
    | Events
    | EngineChanged
    | EngineTrouble
    | Answer
    | Position
    | Timeline
    | Fetched
    | SourceFailed
)

BATCH = 5000
"""Events in one message: folding them takes 5 ms, so a flood never holds the screen."""


class Post(Protocol):
    """How a source hands over a message, from a thread of its own.

    It returns when the screen has handled the message: that is the valve between a fast log and a
    slow screen, because meanwhile nothing more is read and the next batch holds all that came. In
    Textual: ``lambda message: app.call_from_thread(app.on_source, message)``. Any exception from it
    means that the screen is gone, and ends the thread that posted.
    """

    def __call__(self, message: SourceMessage, /) -> object:
        """Hand ``message`` over and wait until it was handled."""
        ...
