"""What the engine and a host say to each other, and how it is framed.

Apart from events because it is a wire, not a history: a message may be lost with its host, an event
is on disk. Frames are a 4-byte little-endian length and a msgpack array (tagged by its first
element); both ends may live on different Python versions (``[tasks] python``), so nothing here
needs more than msgspec. Times ``t``, ``since``, ``until`` are CLOCK_MONOTONIC seconds, one clock
for all processes of a machine.
"""

from runner.core.messages.base import Message
from runner.core.messages.frames import (
    MAX_FRAME_BYTES,
    GarbledFrameError,
    Unframer,
    frame,
    from_engine,
    from_host,
)
from runner.core.messages.orders import (
    EngineMessage,
    Kill,
    Quit,
    Run,
    Set,
    Setup,
    Share,
    Stacks,
)
from runner.core.messages.reports import (
    BackedOff,
    Beat,
    CallEnded,
    CallStarted,
    Child,
    Claimed,
    Dropped,
    Ended,
    FirstByte,
    Hello,
    HostMessage,
    Log,
    RungReached,
    Running,
    Said,
    Sample,
    Scoring,
    SlotBeat,
    StacksTaken,
    Started,
    ToolEnded,
    ToolStarted,
    TurnEnded,
    TurnStarted,
    Zombie,
)

__all__ = [
    "MAX_FRAME_BYTES",
    "BackedOff",
    "Beat",
    "CallEnded",
    "CallStarted",
    "Child",
    "Claimed",
    "Dropped",
    "Ended",
    "EngineMessage",
    "FirstByte",
    "GarbledFrameError",
    "Hello",
    "HostMessage",
    "Kill",
    "Log",
    "Message",
    "Quit",
    "Run",
    "RungReached",
    "Running",
    "Said",
    "Sample",
    "Scoring",
    "Set",
    "Setup",
    "Share",
    "SlotBeat",
    "Stacks",
    "StacksTaken",
    "Started",
    "ToolEnded",
    "ToolStarted",
    "TurnEnded",
    "TurnStarted",
    "Unframer",
    "Zombie",
    "frame",
    "from_engine",
    "from_host",
]
