"""Everything that happens in a run, one struct each, in the past tense.

An event is a line of ``events.jsonl``: ``{"type", "seq", "at", ...}``. It is written once by the
engine, never edited, and read by every viewer, by resume, by replay and by the reports. Nothing
here is a key, a message body or a row: bodies lie in the transcript, rows in Parquet.

``at`` and every field that ends in ``_at`` or is called ``until`` is unix time in seconds on the
run's own axis (wall clock at `EngineStarted` plus monotonic time since); ``_s`` is a duration.
Fields may be added; a name never changes its meaning.
"""

from typing import Any, Final

import msgspec
from msgspec import Struct

from runner.core.outcomes import PauseCause, Phase, Then
from runner.core.plan import Plan


class Event(Struct, tag_field="type", tag=True, kw_only=True, omit_defaults=True):
    """What all events carry: ``seq`` counts from 1 without a hole over the whole run."""

    seq: int = 0
    at: float = 0.0


# ------------------------------------------------------------------------------------------- run


class EngineStarted(Event):
    """An engine took the run: the first (epoch 1) or one that resumes it."""

    epoch: int
    wall: float
    boot_id: str
    pid: int
    run_id: str
    version: str
    tasks_total: int
    plan: Plan
    plan_file: str = ""
    torn_bytes: int = 0


class RunPaused(Event):
    """No new attempts are started. ``text`` says why in words."""

    cause: PauseCause
    text: str
    origin: str = ""


class RunUnpaused(Event):
    """New attempts are started again."""

    cause: PauseCause
    origin: str = ""


class DrainStarted(Event):
    """The run ends when the attempts under way have ended."""

    origin: str


class StopRequested(Event):
    """The run is being ended now."""

    origin: str
    why: str


class RunEnded(Event):
    """The last event of an engine that left in order: ``status`` is ``finished`` or ``stopped``."""

    status: str
    why: str
    exit_code: int


class WorkersChanged(Event):
    """Another number of slots was asked for."""

    target: int
    origin: str


class PlanChanged(Event):
    """A key of the plan was changed in mid-run. ``plan`` is what is in force from here on."""

    key: str
    old: str
    new: str
    now: bool
    origin: str
    plan: Plan


class EngineLagged(Event):
    """The engine itself did not run for ``gap_s``; nobody is judged for that time."""

    gap_s: float


class ClockJumped(Event):
    """The wall clock moved by ``by_s`` against the run's axis, which does not follow it."""

    by_s: float


class ViewerChanged(Event):
    """A dashboard came or went; ``viewers`` are connected now."""

    viewers: int
    origin: str


# ------------------------------------------------------------------------------------------ hosts


class HostStarting(Event):
    """A host was ordered for these workers; ``alone`` if it is to run one suspect task."""

    host: int
    workers: list[int]
    alone: bool = False


class HostStarted(Event):
    """The host said hello and takes attempts."""

    host: int
    pid: int


class HostFroze(Event):
    """No message from the host for ``silent_s``: its attempts are not judged until it is."""

    host: int
    silent_s: float


class HostRecovered(Event):
    """A frozen host sent a message again."""

    host: int


class HostDraining(Event):
    """The host takes no new attempt and is replaced."""

    host: int
    why: str


class HostGone(Event):
    """The host is dead. ``culprit`` is the attempt that did it, empty where that is unknown."""

    host: int
    why: str
    culprit: str = ""
    stack: str = ""


class ZygoteGone(Event):
    """The process that forks hosts died, and all its hosts with it; a new one is started."""

    why: str


class HostOverloaded(Event):
    """A host sent garbage, or attempts vanished from it: what was seen and what was done."""

    host: int
    why: str


# --------------------------------------------------------------------------------------- attempts


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
    features: dict[str, Any] | None = None


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


# -------------------------------------------------------------------------------------- endpoints


class EndpointPaused(Event):
    """No attempt of this model on this endpoint is started until ``until`` (0: until asked)."""

    model: str
    endpoint: str
    why: str
    until: float = 0.0


class EndpointUnpaused(Event):
    """Attempts of this model on this endpoint are started again."""

    model: str
    endpoint: str
    origin: str = ""


# ---------------------------------------------------------------------------------------- storage


class RowsWritten(Event):
    """Rows ``first``..``last`` are durable: fsynced, renamed, the folder fsynced."""

    first: int
    last: int
    rows: int
    bytes: int
    part: str
    digest: str
    waited_s: float


class RowsFound(Event):
    """A part that was written just before the last engine died, found at resume."""

    first: int
    last: int
    rows: int
    bytes: int
    part: str
    digest: str


class PartsCompacted(Event):
    """Several parts became one; no row changed."""

    first: int
    last: int
    rows: int
    bytes: int
    part: str
    digest: str
    members: int


class RowsFailed(Event):
    """A part could not be written; its rows wait in memory and will be tried again."""

    error: str
    waiting: int


class RowsRecovered(Event):
    """Rows can be written again."""

    waited_s: float


class LogFailed(Event):
    """The log itself could not be written for a while (told after it could)."""

    error: str
    for_s: float


# ------------------------------------------------------------------------------------------ pulse


class SlotPulse(Struct, array_like=True):
    """The signs of one worker: phase, since when, last sign of life, last progress, bytes."""

    worker: int
    phase: Phase
    since_at: float
    sign_at: float
    progress_at: float
    bytes: int


class HostPulse(Struct, array_like=True):
    """A host's vital signs; ``beat_at`` is its last message."""

    host: int
    beat_at: float
    cpu_percent: float
    rss_bytes: int
    threads: int
    zombies: int
    cpu_s: float


class ZombiePulse(Struct, array_like=True):
    """An abandoned thread: where it is stuck and what CPU it burns."""

    host: int
    worker: int
    attempt_id: str
    since_at: float
    frame: str
    cpu: float


class Pulse(Event):
    """Once a second: what changed since the last one, so that signs of life cost one line."""

    slots: list[SlotPulse]
    hosts: list[HostPulse]
    zombies: list[ZombiePulse] = []
    engine_cpu_percent: float = 0.0
    engine_cpu_s: float = 0.0
    engine_rss_bytes: int = 0
    free_bytes: int = 0
    memory_percent: float = 0.0


AnyEvent = (
    EngineStarted
    | RunPaused
    | RunUnpaused
    | DrainStarted
    | StopRequested
    | RunEnded
    | WorkersChanged
    | PlanChanged
    | EngineLagged
    | ClockJumped
    | ViewerChanged
    | HostStarting
    | HostStarted
    | HostFroze
    | HostRecovered
    | HostDraining
    | HostGone
    | ZygoteGone
    | HostOverloaded
    | AttemptStarted
    | AttemptRunning
    | CallStarted
    | FirstByte
    | CallEnded
    | BackedOff
    | TurnStarted
    | TurnEnded
    | ToolStarted
    | ToolEnded
    | MessageAdded
    | Logged
    | ChildChanged
    | Sampled
    | LoopSeen
    | KillRequested
    | KillOrdered
    | RungReached
    | AttemptEnded
    | TaskQueued
    | LateDropped
    | EndpointPaused
    | EndpointUnpaused
    | RowsWritten
    | RowsFound
    | PartsCompacted
    | RowsFailed
    | RowsRecovered
    | LogFailed
    | Pulse
)

EVENT_TYPES: Final[tuple[type[Event], ...]] = AnyEvent.__args__
_encode = msgspec.json.Encoder().encode
_decoder: msgspec.json.Decoder[AnyEvent] = msgspec.json.Decoder(AnyEvent)


class _Head(Struct, tag=False):
    type: str
    seq: int = 0
    at: float = 0.0


class Unknown(Event, tag="?"):
    """A line of a type that this version does not know; it is kept and counted, never guessed."""

    name: str


_head_decoder = msgspec.json.Decoder(_Head)
_KNOWN: Final = frozenset(kind.__name__ for kind in EVENT_TYPES)


class BadLineError(ValueError):
    """A line of the log that is no event."""


def encode(event: Event) -> bytes:
    """The event's line, newline included."""
    return _encode(event) + b"\n"


def decode(line: bytes | memoryview) -> Event:
    """The event of a line; `Unknown` for a type of a newer version; `BadLineError` for garbage."""
    try:
        return _decoder.decode(line)
    except msgspec.MsgspecError as error:
        try:
            head = _head_decoder.decode(line)
        except msgspec.MsgspecError:
            raise BadLineError(str(error)) from error
        if head.type in _KNOWN:
            raise BadLineError(str(error)) from error
        return Unknown(seq=head.seq, at=head.at, name=head.type)


def decode_lines(data: bytes) -> tuple[list[Event], int]:
    """All events of whole lines, and how many lines were garbage and are not among them.

    The common case is decoded at once (2.25 M events/s measured); a line of a newer version or a
    garbled one makes it fall back to one by one.
    """
    try:
        return list(_decoder.decode_lines(data)), 0
    except msgspec.MsgspecError:
        found: list[Event] = []
        bad = 0
        for line in data.splitlines():
            try:
                found.append(decode(line))
            except BadLineError:
                bad += 1
        return found, bad
