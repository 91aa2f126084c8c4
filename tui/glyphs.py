"""The characters that are drawn: one set in Unicode, one in ASCII, and the choice between them.

Apart because the choice is made once, from the environment and the measured width of an ambiguous
character, and every view takes the set as a value.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Glyphs:
    """One set. Each field is one cell, but for the words and the levels of a sparkline."""

    name: str
    state: Mapping[str, str]
    """Phase or health to its sign."""
    outcome: Mapping[str, str]
    full: str
    empty: str
    bar: Mapping[str, str]
    """Outcome to what the bar of outcomes is made of."""
    dash: str
    divide: str
    pointer: str
    mark: str
    more: str
    levels: str
    up: str
    down: str
    enter: str
    arrows: str


UNICODE: Final = Glyphs(
    name="unicode",
    state={
        "wait": "●",
        "stream": "●",
        "connect": "◌",
        "prepare": "○",
        "tool": "■",
        "code": "■",
        "score": "◆",
        "backoff": "↻",
        "killing": "×",
        "idle": "·",
        "slow": "▲",
        "stuck": "!",
    },
    outcome={"passed": "✓", "partial": "~", "failed": "−"},
    full="━",
    empty="─",
    bar={"passed": "━", "partial": "╍", "failed": "┄", "not_scored": "┅", "running": "╌"},
    dash="─",
    divide="│",
    pointer="▌",
    mark="◆",
    more="…",
    levels="▁▂▃▄▅▆▇█",
    up="↑",
    down="↓",
    enter="enter",
    arrows="arrows",
)
ASCII: Final = Glyphs(
    name="ascii",
    state={
        "wait": "o",
        "stream": "o",
        "connect": "c",
        "prepare": "p",
        "tool": "#",
        "code": "#",
        "score": "s",
        "backoff": "r",
        "killing": "x",
        "idle": ".",
        "slow": "^",
        "stuck": "!",
    },
    outcome={"passed": "+", "partial": "~", "failed": "-"},
    full="#",
    empty="-",
    bar={"passed": "P", "partial": "p", "failed": "f", "not_scored": "u", "running": ">"},
    dash="-",
    divide="|",
    pointer=">",
    mark="*",
    more="~",
    levels="_.:-=+*#",
    up="^",
    down="v",
    enter="enter",
    arrows="arrows",
)
SIGNS_OF_OUTCOME: Final[Mapping[str, str]] = {
    "timed_out": "T",
    "looped": "L",
    "errored": "E",
    "killed": "X",
    "lost": "?",
}
"""Letters of the outcomes that were not scored; the same in both sets."""

AMBIGUOUS_PROBE: Final = "●"
"""Drawn once at the start: where it takes two cells, lines of our Unicode set would shift."""


def choose(
    environ: Mapping[str, str], *, ascii_asked: bool = False, probed_cells: int = 1
) -> Glyphs:
    """The set for this terminal.

    ASCII if asked for (``--ascii``, ``$PILOT_ASCII``), if the locale or the terminal is not
    UTF-8's, or if the terminal draws ambiguous characters ``probed_cells`` = 2 cells wide.
    """
    said = environ.get("PILOT_ASCII", "")
    if ascii_asked or said not in ("", "0"):
        return ASCII
    if said == "0":
        return UNICODE
    if probed_cells != 1 or environ.get("TERM", "") in ("dumb", "linux", "vt100", "vt220"):
        return ASCII
    locale = environ.get("LC_ALL") or environ.get("LC_CTYPE") or environ.get("LANG") or ""
    return UNICODE if "utf" in locale.lower().replace("-", "") else ASCII
