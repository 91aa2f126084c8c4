"""What the engine and a host say to each other, and how it is framed.

Apart from events because it is a wire, not a history: a message may be lost with its host, an event
is on disk. Frames are a 4-byte little-endian length and a msgpack array (tagged by its first
element); both ends may live on different Python versions (``[tasks] python``), so nothing here
needs more than msgspec. Times ``t``, ``since``, ``until`` are CLOCK_MONOTONIC seconds, one clock
for all processes of a machine.
"""

from typing import Any, Final, Generic, TypeVar

import msgspec
from msgspec import Struct

from runner.core.outcomes import Phase
from runner.core.plan import Plan
from runner.core.rows import Record

MAX_FRAME_BYTES: Final = 16 * 1024 * 1024
_LENGTH_BYTES: Final = 4


class GarbledFrameError(ValueError):
    """Bytes that no host of ours sends: the connection is of no more use."""


class Message(Struct, array_like=True, tag=True):
    """Anything on the wire."""


# ----------------------------------------------------------------------------- engine -> host


class Setup(Message):
    """The first message a host gets: who it is and everything that all its attempts share."""

    host: int
    workers: list[int]
    run_id: str
    run_dir: str
    plan_dir: str
    plan: Plan


class Run(Message):
    """Start an attempt in the slot of ``worker``."""

    attempt_id: str
    worker: int
    task_id: str
    attempt: int
    model: str
    deployment: str
    seed: int
    labels: dict[str, str | int | float | bool]
    data: dict[str, Any]


class Kill(Message):
    """End the attempt now; ``cause`` is what its row will say."""

    attempt_id: str
    cause: str


class Set(Message):
    """The plan changed. ``running`` says whether attempts under way take the new limits too."""

    plan: Plan
    running: bool


class Share(Message):
    """How much of an endpoint this host may use until the next deal; -1 is no bound.

    A host whose plan bounds the endpoint has a share of 0 until the first deal.
    """

    endpoint: str
    qps: float
    in_flight: int


class Stacks(Message):
    """Ask for the Python stacks of all slots; answered by `StacksTaken` with the same ``id``."""

    id: int


class Quit(Message):
    """Leave. End of file means the same."""


# ----------------------------------------------------------------------------- host -> engine


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


class Started(Message):
    """An attempt began; ``thread`` is its native thread id, by which a culprit is found."""

    t: float
    attempt_id: str
    thread: int


class Running(Message):
    """Preparation is over: run() begins, and with it the attempt limit."""

    t: float
    attempt_id: str


class CallStarted(Message):
    """A request was sent. ``n`` counts the calls of the attempt from 1, retries not included."""

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
    features: dict[str, Any] | None


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


EngineMessage = Setup | Run | Kill | Set | Share | Stacks | Quit
HostMessage = (
    Hello
    | Beat
    | Started
    | Running
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
    | Ended
    | Dropped
)

M = TypeVar("M")

_encoder = msgspec.msgpack.Encoder()


def frame(message: Message) -> bytearray:
    """The message as it goes over the wire; `GarbledFrameError` if larger than a frame may be."""
    buffer = bytearray(_LENGTH_BYTES)
    _encoder.encode_into(message, buffer, _LENGTH_BYTES)
    size = len(buffer) - _LENGTH_BYTES
    if size > MAX_FRAME_BYTES:
        raise GarbledFrameError(f"{type(message).__name__} of {size} bytes is over the frame limit")
    buffer[:_LENGTH_BYTES] = size.to_bytes(_LENGTH_BYTES, "little")
    return buffer


class Unframer(Generic[M]):
    """Bytes in, whole messages out; a torn frame waits for its rest.

    A length over the cap raises at once: 100 bytes of 0xff read as a length would otherwise swallow
    everything that follows, in silence.
    """

    def __init__(self, kind: Any) -> None:
        self._buffer = bytearray()
        self._decoder: msgspec.msgpack.Decoder[M] = msgspec.msgpack.Decoder(kind)

    @property
    def torn_bytes(self) -> int:
        """How much of an unfinished frame waits."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[M]:
        """The messages that ``data`` completes; `GarbledFrameError` for what cannot be one.

        Whole messages before the garbage are returned first; the next call raises.
        """
        self._buffer += data
        found: list[M] = []
        start, end = 0, len(self._buffer)
        view = memoryview(self._buffer)
        try:
            while end - start >= _LENGTH_BYTES:
                body = start + _LENGTH_BYTES
                size = int.from_bytes(view[start:body], "little")
                if size > MAX_FRAME_BYTES:
                    raise GarbledFrameError(f"a frame of {size} bytes was announced")
                if end - body < size:
                    break
                found.append(self._decode(view[body : body + size]))
                start = body + size
        except GarbledFrameError:
            if not found:
                raise
        finally:
            view.release()
            del self._buffer[:start]
        return found

    def _decode(self, body: memoryview) -> M:
        try:
            return self._decoder.decode(body)
        except msgspec.DecodeError as error:
            raise GarbledFrameError(f"undecodable frame: {error}") from error


def from_host() -> Unframer[HostMessage]:
    """A reader for the engine's end."""
    return Unframer[HostMessage](HostMessage)


def from_engine() -> Unframer[EngineMessage]:
    """A reader for the host's end."""
    return Unframer[EngineMessage](EngineMessage)
