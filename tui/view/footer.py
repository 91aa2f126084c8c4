"""The last line: the keys that matter here, as many as fit whole, or what an order just did."""

from collections.abc import Iterable, Sequence

from tui.keys import KEYS, Key, Place, of_places
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
    keys = [key for key in of_places(places, table) if key.rank]
    keys = [key for key in keys if view.acting or not key.acts]
    if cells < _SPELLED:
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


_SPELLED = 110
"""From so many cells on each screen has its name in the footer."""
_SCREENS = Key("commands", "", "1-6", "screens", "", "all", 7)


def _order(key: Key) -> tuple[int, int]:
    """Help and leave at the end, the rest by rank."""
    last = key.shown in (":", "?", "q")
    return (2 if last else 0 if key.id.startswith("screen_") else 1, key.rank)
