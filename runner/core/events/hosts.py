"""Events of hosts, the processes that run executor code, and of the zygote that forks them."""

from runner.core.events.base import Event


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


class HostExamined(Event):
    """What a look at a frozen host from outside found, long before it is judged.

    The thread of ``worker`` holds the GIL at ``frame``, so nobody else in there can run; -1 if that
    is not the reason. ``stopped``: a signal or a debugger stopped the whole process.
    """

    host: int
    worker: int = -1
    frame: str = ""
    stopped: bool = False


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
