"""Events of endpoints, durable rows and the log itself."""

from runner.core.events.base import Event


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


class AdmissionChanged(Event):
    """How many workers a model may have at once on this endpoint was changed by itself."""

    model: str
    endpoint: str
    limit: int
    why: str


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


class PartsFailed(Event):
    """Parts could not be made one; nothing is lost, they stay as they are. ``part`` is damaged."""

    error: str
    part: str = ""


class LogFailed(Event):
    """The log itself could not be written for a while (told after it could)."""

    error: str
    for_s: float
