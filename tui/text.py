"""Text measured in terminal cells: cut, padded and wrapped so that columns stand.

Apart from the views because every line needs it. A character is not a cell: Chinese takes two, a
combining mark none. What comes from models, tools and files passes through `plain` first.
"""

import time
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Final, Literal

from rich.cells import cell_len, set_cell_size

from runner import one_line

MORE: Final = "…"
"""Where text was cut off; ASCII terminals get another sign for it (`tui.glyphs`)."""

Align = Literal["left", "right"]

_UNSURE: Final = dict.fromkeys((0xFE0E, 0xFE0F, 0x20E3, *range(0x1F3FB, 0x1F400)))
"""Variation selectors, the keycap and skin tones: terminals disagree on the width they make."""


_KEPT: Final = 4096
"""Answers kept for texts that come again and again: names of tasks, models, tools."""


def plain(text: str, limit: int = 200) -> str:
    """A stranger's string on one line, harmless, and as wide in the terminal as we reckon."""
    return _plain(text[: 2 * limit + 64], limit)  # `one_line` looks at no more than that


@lru_cache(maxsize=_KEPT)
def _plain(text: str, limit: int) -> str:
    return one_line(text, limit).translate(_UNSURE)


def width(text: str) -> int:
    """Cells that ``text`` takes in a terminal."""
    return len(text) if text.isascii() else cell_len(text)


def cut(text: str, cells: int, more: str = MORE) -> str:
    """``text`` in at most ``cells`` cells; ``more`` ends it where something was left out."""
    if width(text) <= cells:
        return text
    room = cells - width(more)
    if room <= 0:
        return set_cell_size(text, max(0, cells))
    return set_cell_size(text, room).rstrip() + more


@lru_cache(maxsize=_KEPT)
def pad(text: str, cells: int, align: Align = "left", more: str = MORE) -> str:
    """``text`` in exactly ``cells`` cells."""
    short = cut(text, cells, more)
    blanks = " " * (cells - width(short))
    return blanks + short if align == "right" else short + blanks


def wrap(text: str, cells: int, lines: int, more: str = MORE) -> list[str]:
    """``text`` broken at blanks into at most ``lines`` lines; the last one is cut if need be."""
    found: list[str] = []
    words = text.split(" ")
    while words and len(found) < lines:
        if len(found) == lines - 1:
            found.append(cut(" ".join(words), cells, more))
            break
        line = words.pop(0)
        while words and width(line) + 1 + width(words[0]) <= cells:
            line += " " + words.pop(0)
        found.append(cut(line, cells, more))
    return found


def fitting(parts: Sequence[str], cells: int, between: str = " ") -> str:
    """As many of ``parts``, from the first on, as fit whole; the first is cut if even it does not.

    Used for sentences: half a sentence may say the opposite of the whole.
    """
    if not parts:
        return ""
    text = cut(parts[0], cells)
    for part in parts[1:]:
        longer = text + between + part
        if width(longer) > cells:
            break
        text = longer
    return text


def clock(at: float) -> str:
    """Clock time ``hh:mm:ss`` of unix seconds, in the viewer's time zone."""
    return time.strftime("%H:%M:%S", time.localtime(at))


def sparkline(shares: Sequence[float], levels: str) -> str:
    """One cell a value: ``shares`` are 0..1, ``levels`` the characters from empty to full."""
    top = len(levels) - 1
    return "".join(levels[min(top, max(0, round(share * top)))] for share in shares)


def resample(values: Sequence[float], cells: int) -> list[float]:
    """At most ``cells`` values over the same span, each the least of its share.

    The least, because a sparkline of working capacity must not average a dip away.
    """
    count = len(values)
    if count <= cells:
        return list(values)
    edges = [index * count // cells for index in range(cells + 1)]
    return [min(values[start:end]) for start, end in pairwise(edges)]
