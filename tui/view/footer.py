"""The last line: the keys that matter here, as many as fit whole, or what an order just did."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from tui.keys import KEYS, Key, Place
from tui.runview import RunView
from tui.text import cut
from tui.view.line import DIM, HI, Ink, Line


def footer_line(
    view: RunView,
    cells: int,
    places: Sequence[Place] = ("all", "fleet"),
    table: Iterable[Key] = KEYS,
) -> Line:
    """Keys by rank; help and leave are never dropped, and no key is ever cut in two."""
    if view.notice:
        return Line().add(" ").add(cut(view.notice, cells - 2), Ink("hi", bold=True)).fit(cells)
    keys = _shown(view, places, list(table))
    if cells < _SPELLED and view.kind != "home":
        keys = [key for key in keys if not key.id.startswith("screen_")] + [_SCREENS]
    chosen: list[Key] = []
    used = 1
    for key in sorted(keys, key=lambda key: key.rank):
        size = len(key.shown) + len(key.word) + 3
        if used + size > cells:
            continue
        used += size
        chosen.append(key)
    line = Line().add(" ")
    for key in sorted(chosen, key=_order):
        target = f"key:{key.id}"
        line.add(key.shown, HI, target).add(f" {key.word}  ", DIM, target)
    return line.fit(cells)


def _shown(view: RunView, places: Sequence[Place], table: Sequence[Key]) -> list[Key]:
    """The keys that do something here and now."""
    also = {name for place in places for name in _ALSO.get(place, ())}
    keys = [key for key in table if key.rank and (key.place in places or key.id in also)]
    return counting(view, keys)


def counting(view: RunView, keys: Iterable[Key]) -> list[Key]:
    """Those of ``keys`` that do something in this kind of run, at this moment of it."""
    if view.kind == "home":
        return [key for key in keys if key.id in _AT_HOME]
    off = _NOT_REPLAYED if view.kind == "replay" else _ONLY_REPLAYED
    return [key for key in keys if key.id not in off and (view.acting or not key.acts)]


_ALSO: Final[Mapping[Place, tuple[str, ...]]] = {
    "table": ("open", "filter", "sort"),
    "results": ("retry",),
    "attempt": ("kill", "retry", "filter"),
}
"""Keys of the fleet that do the same on other screens."""
_ONLY_REPLAYED: Final = ("step", "slower", "faster")
_NOT_REPLAYED: Final = ("mark", "start_engine")
_AT_HOME: Final = ("open", "filter", "help", "leave")
_SPELLED = 110
"""From so many cells on each screen has its name in the footer."""
_SCREENS = Key("commands", "", "1-6", "screens", "", "all", 7)


def _order(key: Key) -> tuple[int, int]:
    """Help and leave at the end, the rest by rank."""
    last = key.shown in (":", "?", "q")
    return (2 if last else 0 if key.id.startswith("screen_") else 1, key.rank)
