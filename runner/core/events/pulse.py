"""The pulse: once a second, everything about signs of life that changed, in one line."""

from msgspec import Struct

from runner.core.events.base import Event
from runner.core.outcomes import Phase


class SlotPulse(Struct, array_like=True, gc=False):
    """The signs of one worker: phase, since when, last sign of life, last progress, bytes."""

    worker: int
    phase: Phase
    since_at: float
    sign_at: float
    progress_at: float
    bytes: int


class HostPulse(Struct, array_like=True, gc=False):
    """A host's vital signs; ``beat_at`` is its last message."""

    host: int
    beat_at: float
    cpu_percent: float
    rss_bytes: int
    threads: int
    zombies: int
    cpu_s: float


class ZombiePulse(Struct, array_like=True, gc=False):
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
