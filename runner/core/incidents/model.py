"""An episode of trouble, and its one line in words."""

from typing import Final, Literal

from msgspec import Struct, field

from runner.core.text import one_line, plural

IncidentKind = Literal[
    "hang", "kill", "error", "loop", "rate_limit", "process", "disk", "restart", "pause", "lag"
]

_WHAT_WORDS: Final = {"first_byte": "first byte", "idle": "gap"}


class Incident(Struct, kw_only=True):
    """One episode. Times are unix seconds on the run's axis; ``open`` while it still goes on."""

    kind: IncidentKind
    where: str
    """Endpoint, process or tool; empty where it concerns the whole run."""
    what: str
    """Limit, phase or cause that was seen first."""
    began_at: float
    ended_at: float
    open: bool = False
    workers: list[int] = field(default_factory=list[int])
    """Worker numbers, in the order in which they were hit."""
    count: int = 0
    by_limit: int = 0
    by_hand: int = 0
    recovered: int = 0
    ran_again: int = 0
    text: str = ""
    """What the log itself says of it, in words; hostile until `one_line`."""


def incident_words(item: Incident) -> str:
    """``hang, 14 workers, azure-us first byte, 14 ended by limit, 12 ran again``."""
    what = _WHAT_WORDS.get(item.what, item.what)
    numbered = item.kind == "process" and item.where.isdecimal()
    where = "" if numbered else item.where
    place = " ".join(one_line(part, 60) for part in (where, what) if part)
    parts = [_KIND_WORDS[item.kind] + (f" {item.where}" if numbered else "")]
    if item.workers:
        parts.append(plural(len(item.workers), "worker"))
    if item.kind == "rate_limit":
        parts.append(f"{item.count} times")
    if place:
        parts.append(place)
    if item.by_limit:
        parts.append(f"{item.by_limit} ended by limit")
    if item.by_hand and item.kind != "kill":
        parts.append(f"{item.by_hand} ended by hand")
    if item.recovered:
        parts.append(f"{item.recovered} went on by themselves")
    if item.ran_again:
        parts.append(f"{item.ran_again} ran again")
    if item.text:
        parts.append(one_line(item.text, 100))
    return ", ".join(parts)


_KIND_WORDS: Final[dict[IncidentKind, str]] = {
    "hang": "hang",
    "kill": "ended by hand",
    "error": "errors",
    "loop": "loop",
    "rate_limit": "429s",
    "process": "process",
    "disk": "disk",
    "restart": "restart",
    "pause": "paused",
    "lag": "engine held up",
}
