"""Events of attempts: calls, turns, tools, kills, ends. Most of a log is these."""

from runner.core.events.base import Event
from runner.core.loops.features import TurnFeatures
from runner.core.outcomes import Then


class AttemptStarted(Event):
    """An attempt was given to a slot."""

    task_id: str
    attempt: int
    attempt_id: str
    worker: int
    host: int
    model: str
    deployment: str
    endpoint: str
    labels: dict[str, str | int | float | bool] = {}


class AttemptRunning(Event):
    """Preparation is over; the attempt limit counts from here."""

    attempt_id: str
    worker: int


class AttemptScoring(Event):
    """run() is over and the answer is being scored: the score limit counts from here."""

    attempt_id: str
    worker: int


class CallStarted(Event):
    """A request was sent to the model."""

    attempt_id: str
    worker: int
    n: int
    stream: bool = False


class FirstByte(Event):
    """The first byte of the answer came after ``wait_s``."""

    attempt_id: str
    worker: int
    n: int
    wait_s: float


class CallEnded(Event):
    """A request is over; ``how`` is ``ok`` or what went wrong."""

    attempt_id: str
    worker: int
    n: int
    latency_s: float
    bytes: int
    how: str
    tokens_in: int = -1
    tokens_out: int = -1
    cost: float = 0.0


class BackedOff(Event):
    """The request failed and is repeated at ``until``."""

    attempt_id: str
    worker: int
    n: int
    attempt_no: int
    attempts: int
    until: float
    why: str
    status: int = 0
    text: str = ""


class TurnStarted(Event):
    """A turn of the agent began."""

    attempt_id: str
    worker: int
    turn: int
    max_turns: int = 0


class TurnEnded(Event):
    """A turn of the agent is over; ``features`` are what the loop rules judged."""

    attempt_id: str
    worker: int
    turn: int
    features: TurnFeatures | None = None


class ToolStarted(Event):
    """A tool is at work."""

    attempt_id: str
    worker: int
    tool: str
    detail: str = ""


class ToolEnded(Event):
    """The tool came back."""

    attempt_id: str
    worker: int
    tool: str
    ok: bool
    elapsed_s: float
    error: str = ""


class MessageAdded(Event):
    """A message of the conversation lies in the transcript at ``offset``; ``length`` in bytes."""

    attempt_id: str
    worker: int
    turn: int
    role: str
    offset: int
    length: int


class Logged(Event):
    """A line that the executor logged."""

    attempt_id: str
    worker: int
    text: str
    dropped: int = 0


class ChildChanged(Event):
    """A process was started by an attempt, or ended."""

    attempt_id: str
    worker: int
    pid: int
    born: float
    command: str
    running: bool


class Sampled(Event):
    """What a worker without progress is doing, once a second at most."""

    attempt_id: str
    worker: int
    cpu: float
    state: str
    frame: str
    waits_for: str = ""


class LoopSeen(Event):
    """A loop rule fired. ``action`` is ``warn`` or ``kill``; ``turns`` are the evidence."""

    attempt_id: str
    worker: int
    rule: str
    action: str
    turns: list[int]
    advice: str


class KillRequested(Event):
    """A person or a script asked to end the attempt; ``retry`` if its task is to run again."""

    attempt_id: str
    origin: str
    retry: bool = False


class KillOrdered(Event):
    """The host was told to end the attempt, and why."""

    attempt_id: str
    worker: int
    cause: str


class RungReached(Event):
    """The kill ladder took its next step."""

    attempt_id: str
    worker: int
    rung: str


class AttemptEnded(Event):
    """The slot is free. ``row`` is the commit number under which the row will be written."""

    task_id: str
    attempt: int
    attempt_id: str
    worker: int
    host: int
    outcome: str
    cause: str
    elapsed_s: float
    rung: str
    row: int
    then: Then = "final"
    suspect: bool = False
    """Its host died and nobody knows which of its attempts did it."""
    model: str = ""
    score: float | None = None
    turns: int = 0
    calls: int = 0
    call_retries: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float = 0.0
    backoff_s: float = 0.0
    error: str = ""


class TaskQueued(Event):
    """A person asked for a task that was not running to run again, first in the queue."""

    task_id: str
    origin: str


class LateDropped(Event):
    """Something arrived from an attempt that no longer owned its slot, and was not let through."""

    attempt_id: str
    host: int
    what: str
    count: int = 1
