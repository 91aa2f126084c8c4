"""What the engine says to a host."""

from typing import Any

from runner.core.messages.base import Message
from runner.core.plan import Plan


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
    endpoint: str
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


class Hold(Message):
    """Whether a wrapped script's new requests wait: the run is paused. Open ones go on."""

    on: bool


class Stacks(Message):
    """Ask for the Python stacks of all slots; answered by `StacksTaken` with the same ``id``."""

    id: int


class Quit(Message):
    """Leave. End of file means the same."""


EngineMessage = Setup | Run | Kill | Set | Share | Hold | Stacks | Quit
