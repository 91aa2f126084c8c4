"""Events of the run as a whole: engines, pauses, plan, clock."""

from runner.core.events.base import Event
from runner.core.outcomes import PauseCause
from runner.core.plan import Plan


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


class Notified(Event):
    """A program of ``[notify]`` was called: ``what`` is ``trouble`` or ``resolved``.

    ``kinds`` are the reasons (`runner.core.policy.alarms.Kind`). ``error`` is empty if it ended
    well.
    """

    what: str
    kinds: list[str]
    took_s: float
    error: str = ""
