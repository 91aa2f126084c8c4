"""What a host says to the engine."""

from msgspec import Struct

from runner.core.loops.features import TurnFeatures
from runner.core.messages.base import Message
from runner.core.outcomes import Phase
from runner.core.rows import Record


class Hello(Message):
    """The host is up. ``threads`` maps a worker's number to its native thread id."""

    host: int
    pid: int
    threads: dict[int, int]


class SlotBeat(Struct, array_like=True):
    """A slot whose signs changed since the last beat.

    ``last_sign`` is any byte, phase change or ctx call; ``progress`` is content, the end of a call,
    turn or tool. ``bytes`` counts what the current attempt received.
    """

    worker: int
    attempt_id: str
    phase: Phase
    since: float
    last_sign: float
    progress: float
    bytes: int


class Zombie(Struct, array_like=True):
    """A thread that outlived its attempt: since when, where it is, what CPU it burns (0..1)."""

    worker: int
    attempt_id: str
    thread: int
    since: float
    frame: str
    cpu: float


class Beat(Message):
    """A sign of life each ``heartbeat`` seconds, whatever the slots do.

    ``running`` holds every attempt that the host owns: one the engine gave and two beats miss is
    lost.
    """

    t: float
    running: list[str]
    changed: list[SlotBeat]
    zombies: list[Zombie]


class Claimed(Message):
    """A request of a wrapped script took an idle slot: the host began this attempt by itself.

    It stands for `Started` and `Running` too, since there is nothing to prepare. ``model`` is what
    the request names, or empty.
    """

    t: float
    attempt_id: str
    worker: int
    thread: int
    model: str
    endpoint: str


class Started(Message):
    """An attempt began; ``thread`` is its native thread id, by which a culprit is found."""

    t: float
    attempt_id: str
    thread: int


class Running(Message):
    """Preparation is over: run() begins, and with it the attempt limit."""

    t: float
    attempt_id: str


class Scoring(Message):
    """run() is over and score() begins: from here on the score limit counts."""

    t: float
    attempt_id: str


class CallStarted(Message):
    """A request is being sent, for the first time or again: its limits count from here.

    ``n`` counts the calls of the attempt from 1, retries not included.
    """

    t: float
    attempt_id: str
    n: int
    stream: bool


class FirstByte(Message):
    """The first byte of the answer is here, ``wait_s`` after the request was sent."""

    t: float
    attempt_id: str
    n: int
    wait_s: float


class CallEnded(Message):
    """The call is over. ``how`` is ``ok``, a limit's name, ``status:NNN`` or an error's class.

    ``latency_s`` is from sent to complete; ``tokens_*`` are -1 where the server did not say.
    """

    t: float
    attempt_id: str
    n: int
    latency_s: float
    bytes: int
    how: str
    tokens_in: int
    tokens_out: int


class BackedOff(Message):
    """The call is repeated after a wait. ``attempt_no`` of ``attempts`` is the try that failed."""

    t: float
    attempt_id: str
    n: int
    attempt_no: int
    attempts: int
    until: float
    why: str
    status: int
    text: str


class TurnStarted(Message):
    """A turn of the agent began."""

    t: float
    attempt_id: str
    turn: int
    max_turns: int


class TurnEnded(Message):
    """A turn is over. ``features`` are what loop rules judge, None where the executor has none."""

    t: float
    attempt_id: str
    turn: int
    features: TurnFeatures | None


class ToolStarted(Message):
    """A tool is at work. ``detail`` is for people, e.g. a command line."""

    t: float
    attempt_id: str
    tool: str
    detail: str


class ToolEnded(Message):
    """The tool came back after ``elapsed_s``."""

    t: float
    attempt_id: str
    tool: str
    ok: bool
    elapsed_s: float
    error: str


class Said(Message):
    """One message of the conversation, for the transcript."""

    t: float
    attempt_id: str
    turn: int
    role: str
    text: str


class Log(Message):
    """A line that the executor logged; ``dropped`` lines before it were over the rate."""

    t: float
    attempt_id: str
    text: str
    dropped: int = 0


class Child(Message):
    """A process that a slot started or that ended (``running`` False); ``born`` is its identity."""

    t: float
    attempt_id: str
    pid: int
    born: float
    command: str
    running: bool


class Sample(Message):
    """What a slow slot is doing: CPU share 0..1, thread state letter and top frame."""

    t: float
    worker: int
    attempt_id: str
    cpu: float
    state: str
    frame: str
    waits_for: str


class RungReached(Message):
    """The kill ladder took its next step: ``abort``, ``exception``, ``abandon``, ``signal``."""

    t: float
    attempt_id: str
    rung: str


class StacksTaken(Message):
    """The answer to `Stacks`."""

    id: int
    text: str


class KeyLearned(Message):
    """A command gave the host this key. For masking what comes past the host, and no other use:
    it is kept in memory and never becomes an event."""

    key: str


class Ended(Message):
    """The attempt is over, its slot already free. The measured half of its row rides along.

    ``outcome`` and ``cause`` are the host's word; the engine's first cause wins over it.
    """

    t: float
    attempt_id: str
    outcome: str
    cause: str
    rung: str
    elapsed_s: float
    record: Record


class Dropped(Message):
    """Something that came too late from a thread without a slot, and was not let through."""

    t: float
    attempt_id: str
    what: str


HostMessage = (
    Hello
    | Beat
    | Claimed
    | Started
    | Running
    | Scoring
    | CallStarted
    | FirstByte
    | CallEnded
    | BackedOff
    | TurnStarted
    | TurnEnded
    | ToolStarted
    | ToolEnded
    | Said
    | Log
    | Child
    | Sample
    | RungReached
    | StacksTaken
    | KeyLearned
    | Ended
    | Dropped
)
