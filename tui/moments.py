"""A moment of a run as people type it: ``21:07[:30]``, ``+2h10m`` from the start, or seconds.

Apart because the command line and the replay's dialog take the same words.
"""

import re
import time
from typing import Final

_SPAN: Final = re.compile(
    r"\+?\s*(?:(?P<d>\d{1,6})d)?(?:(?P<h>\d{1,6})h)?(?:(?P<m>\d{1,6})m)?(?:(?P<s>\d{1,12}(?:\.\d+)?)s?)?"
)
_CLOCK: Final = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")
_DAY_S: Final = 86400
_UNIX_FROM: Final = 1e9
"""Seconds from here on are unix time: no run lasts thirty years."""
_SLACK_S: Final = 60.0
"""A clock time names a whole minute, in which the run may have begun."""


def moment(text: str, first_at: float, last_at: float) -> float:
    """The unix second that ``text`` means in a run of that span; ``ValueError`` says what is wrong.

    A clock time is local and means its first occurrence in the run.
    """
    clock = _CLOCK.fullmatch(text.strip())
    found = _at_clock(clock, first_at) if clock else _at_span(text.strip(), first_at)
    if not first_at - _SLACK_S <= found <= last_at + _SLACK_S:
        raise ValueError(f"{text!r} is not within the run ({_hhmm(first_at)} to {_hhmm(last_at)})")
    return min(max(found, first_at), last_at)


def _at_clock(clock: re.Match[str], first_at: float) -> float:
    hour, minute, second = (int(part or 0) for part in clock.groups())
    if hour > 23 or minute > 59 or second > 59:
        raise ValueError(f"{clock[0]!r} is no time of day")
    day = time.localtime(first_at)
    same_day = (day.tm_year, day.tm_mon, day.tm_mday, hour, minute, second, 0, 0, -1)
    found = time.mktime(same_day)
    return found if found >= first_at - _SLACK_S else found + _DAY_S


def _at_span(text: str, first_at: float) -> float:
    match = _SPAN.fullmatch(text)
    if match is None or not any(match.groups()):
        raise ValueError(f"{text!r} is no time: want 21:07, 21:07:30, +2h10m or seconds")
    weights = {"d": _DAY_S, "h": 3600, "m": 60, "s": 1}
    seconds = sum(float(match[name] or 0) * weight for name, weight in weights.items())
    only_seconds = not (match["d"] or match["h"] or match["m"])
    return seconds if only_seconds and seconds >= _UNIX_FROM else first_at + seconds


def _hhmm(at: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(at))
