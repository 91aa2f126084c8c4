"""The replay's bar: where we are, how fast, what happened when, and the marks to jump between.

REPLAY 7f3a   23:14:07 (3h22m of 7h12m)   10x   [ N mark ] [ , ] [ space ] [ . ] [ n mark ] ...
19:52 .:-==-:.:-==-===!!..--=-.:-==-:.:-==-==9999.|-=-.:-==-:.:-==-===-==R.:-==-===-. 03:04
                      ^21:07 hang x14        ^22:49 429s                   ^01:40 restart
"""

from typing import Final

from runner import Mark, duration
from tui.glyphs import Glyphs
from tui.runview import RunView
from tui.text import clock, cut, plain, resample, width
from tui.view.line import DIM, EDGE, HI, TEXT, Ink, Line, button

HEIGHT: Final = 3
_SIGNS: Final = {
    "hang": ("!", "stuck"),
    "process": ("!", "stuck"),
    "disk": ("!", "stuck"),
    "rate_limit": ("9", "backoff"),
    "restart": ("R", "accent"),
    "kill": ("x", "not_scored"),
    "error": ("E", "not_scored"),
    "loop": ("L", "not_scored"),
    "pause": ("P", "slow"),
    "lag": ("?", "slow"),
}
_NAMED: Final = ("hang", "process", "disk", "restart", "rate_limit")
"""Marks whose names are worth room below the graph, most telling first."""
_NAMES_FROM: Final = 100
"""Cells from which on marks are named."""


def replay_lines(view: RunView, glyphs: Glyphs, cells: int) -> list[Line]:
    """Three lines; empty ones until the source has told where it stands."""
    if view.position is None:
        return [Line().add(" REPLAY", HI).add("  reading the run", DIM).fit(cells), Line(), Line()]
    return [
        _orders(view, cells),
        _graph(view, glyphs, cells),
        _names(view, cells) if cells >= _NAMES_FROM else Line().fit(cells),
    ]


def _orders(view: RunView, cells: int) -> Line:
    position = view.position
    if position is None:
        return Line().fit(cells)
    gone, whole = view.now - position.first_at, position.last_at - position.first_at
    line = Line().add(" REPLAY ", Ink("hi", bold=True))
    if cells >= _NAMES_FROM:
        line.add(plain(view.state.run_id, 16) + "  ", DIM)
    line.add(clock(view.now), Ink("hi", bold=True))
    read = view.timeline.read if view.timeline else 0.0
    line.add(f" ({duration(gone)} of {duration(whole)})  ", DIM)
    if read < 1.0:
        line.add(f"reading {read:.0%}  ", DIM)
    line.add(speed_words(position.speed), Ink("accent"))
    line.add("  ")
    middle = "pause" if position.playing else "play"
    for label, target in (
        ("N mark" if cells >= _NAMES_FROM else "N", "key:previous_trouble"),
        (",", "key:step_back"),
        (f"space {middle}", "key:mark"),
        (".", "key:step"),
        ("n mark" if cells >= _NAMES_FROM else "n", "key:next_trouble"),
    ):
        line.extend(button(label, target)).add(" ")
    rest = (
        Line()
        .add("T go to", DIM, "key:go_to")
        .add("   esc live" if cells >= 90 else "", DIM, "key:back")
    )
    if line.width + rest.width + 1 <= cells:
        line.to(cells - rest.width - 1).extend(rest)
    return line.fit(cells)


def speed_words(speed: float) -> str:
    """``10x``, ``0.5x``."""
    return f"{speed:g}x"


def _graph(view: RunView, glyphs: Glyphs, cells: int) -> Line:
    position, timeline = view.position, view.timeline
    if position is None:
        return Line().fit(cells)
    first, last = clock(position.first_at)[:5], clock(position.last_at)[:5]
    line = Line().add(f" {first} ", DIM)
    room = cells - 2 * (len(first) + 2)
    if timeline is None or room < 10:
        return line.add("reading the run", DIM).fit(cells)
    here = place_of(view.now, position.first_at, position.last_at, room)
    signs = mark_places(timeline.marks, position.first_at, position.last_at, room)
    for place, level in enumerate(levels(timeline.density, room, glyphs)):
        sign, role = signs.get(place, (level, "spark" if place <= here else "dim"))
        at = position.first_at + (place + 0.5) / room * (position.last_at - position.first_at)
        ink = Ink("hi", "select", bold=True) if place == here else Ink(role)
        line.add(glyphs.divide if place == here else sign, ink, f"seek:{at:.3f}")
    return line.add(f" {last}", DIM).fit(cells)


def place_of(at: float, first_at: float, last_at: float, cells: int) -> int:
    """The cell of the graph that a moment lies in."""
    share = (at - first_at) / max(0.001, last_at - first_at)
    return min(cells - 1, max(0, int(share * cells)))


def levels(density: list[int], cells: int, glyphs: Glyphs) -> str:
    """A character a cell: how much happened, against the busiest stretch; blank for nothing."""
    if len(density) < cells:
        values = [float(density[place * len(density) // cells]) for place in range(cells)]
    else:
        values = resample([float(number) for number in density], cells)
    most = max(values, default=0.0) or 1.0
    top = len(glyphs.levels) - 1
    return "".join(
        glyphs.levels[min(top, int(value / most * top + 0.999))] if value else " "
        for value in values
    )


def mark_places(
    marks: list[Mark], first_at: float, last_at: float, cells: int
) -> dict[int, tuple[str, str]]:
    """Cell -> (sign, role). Where marks share a cell the most telling one is shown."""
    order = list(_SIGNS)
    found: dict[int, str] = {}
    for mark in marks:
        place = place_of(mark.at, first_at, last_at, cells)
        other = found.get(place)
        if other is None or order.index(mark.kind) < order.index(other):
            found[place] = mark.kind
    return {place: _SIGNS[kind] for place, kind in found.items()}


def _names(view: RunView, cells: int) -> Line:
    """As many names below their marks as fit, the most telling first."""
    position, timeline = view.position, view.timeline
    if position is None or timeline is None:
        return Line().fit(cells)
    start = 7
    room = cells - 2 * start
    taken: list[tuple[int, int, Mark, str]] = []
    wanted = [mark for kind in _NAMED for mark in timeline.marks if mark.kind == kind]
    for mark in wanted:
        left = start + place_of(mark.at, position.first_at, position.last_at, room)
        words = cut(f"^{clock(mark.at)[:5]} {_short(mark)}", 26)
        right = left + width(words)
        if right < cells and all(right + 1 < a or left > b + 1 for a, b, _, _ in taken):
            taken.append((left, right, mark, words))
    line = Line()
    for left, _, mark, words in sorted(taken, key=lambda item: item[0]):
        line.to(left, EDGE).add(words, Ink(_SIGNS[mark.kind][1]), f"seek:{mark.at:.3f}")
    return line.fit(cells, TEXT)


def _short(mark: Mark) -> str:
    """``hang, 14 workers`` out of the whole sentence."""
    return plain(", ".join(mark.text.split(", ")[:2]), 40)
