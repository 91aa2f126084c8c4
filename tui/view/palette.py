"""What ``:`` offers: commands, screens and keys, found by a few letters of their names.

Apart from the widget so that the list is tested as text. How well letters match a name is told by
whoever calls: the matcher is Textual's, which views do not know.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from tui.glyphs import Glyphs
from tui.keys import COMMANDS, Key
from tui.text import cut, pad
from tui.view.line import DIM, HI, Ink, Line, Piece
from tui.view.look import MODES, SORTS

Match = Callable[[str, str], tuple[float, Sequence[int]]]
"""(letters, name) -> how well they match, 0 for not at all; and which letters of the name did."""

NAME_CELLS: Final = 18
_BY_HAND: Final = ("move", "back", "commands", "order", "other")
"""Keys that mean nothing as a word."""


class Entry(NamedTuple):
    """One thing that can be done: its name as it is typed, what it does, its key if it has one."""

    name: str
    words: str
    key: str = ""


class Found(NamedTuple):
    """An entry that was asked for, and the places of the letters that matched."""

    entry: Entry
    letters: Sequence[int] = ()


def command_name(key: Key) -> str:
    """How a key's action is typed: the word of a screen, else its id."""
    return key.word if key.id.startswith("screen_") else key.id


def entries(keys: Iterable[Key], themes: Iterable[tuple[str, str]]) -> list[Entry]:
    """All that can be chosen: ``keys`` that count here, commands, themes as (name, about)."""
    keys = sorted(keys, key=lambda key: not key.id.startswith("screen_"))
    shown = {command_name(key): key.shown for key in keys}
    numbered = {c.name.removesuffix(" N") for c in COMMANDS if c.name.endswith(" N")}
    keys = [key for key in keys if key.id not in _BY_HAND and key.id not in numbered]
    found = [Entry(command_name(key), key.words, key.shown) for key in keys]
    for command in COMMANDS:
        name, _, argument = command.name.partition(" ")
        if argument != "NAME":
            found.append(Entry(command.name, command.words, shown.get(name, "")))
        elif name == "view":
            found += [Entry(f"view {mode}", f"the fleet as {mode}") for mode in MODES]
        elif name == "sort":
            found += [Entry(f"sort {sort}", f"rows and cards by {sort}") for sort in SORTS]
        elif name == "theme":
            found += [Entry(f"theme {theme}", about) for theme, about in themes]
    return found


def narrowed(found: Sequence[Entry], typed: str, match: Match) -> list[Found]:
    """Entries that ``typed`` may mean, the best first; all of them if nothing was typed.

    Letters are looked for in names; whole words in what an entry does, after those.
    """
    typed = typed.strip().lower()
    if not typed:
        return [Found(entry) for entry in found]
    scored: list[tuple[float, Found]] = []
    for entry in found:
        score, letters = match(typed, entry.name)
        if entry.name.startswith(typed):
            score += 100
        if score:
            scored.append((score, Found(entry, letters)))
        elif len(typed) > 2 and typed in entry.words.lower():
            scored.append((0.0, Found(entry)))
    return [item for _, item in sorted(scored, key=lambda pair: -pair[0])]


def answer_to(typed: str, chosen: Found | None) -> str:
    """What enter means: the entry that was chosen, unless a command stands there with its value."""
    typed = typed.strip().lstrip(":").strip()
    takes = {command.name.partition(" ")[0] for command in COMMANDS if " " in command.name}
    name, _, value = typed.partition(" ")
    if chosen is None or (name in takes and value and chosen.entry.name != typed):
        return typed
    return chosen.entry.name.partition(" N")[0]


def palette_lines(
    found: Sequence[Found], selected: int, glyphs: Glyphs, cells: int, lines: int
) -> list[Line]:
    """The entries around the chosen one; the best stands at the top."""
    if not found:
        words = " nothing of that name; esc leaves" if lines else ""
        drawn = [Line().add(words, DIM)]
    else:
        first = min(max(0, selected - lines + 1), max(0, len(found) - lines))
        drawn = [
            _entry(found[place], place, place == selected, glyphs, cells)
            for place in range(first, min(len(found), first + lines))
        ]
    drawn += [Line() for _ in range(lines - len(drawn))]
    return [line.fit(cells).on("panel") for line in drawn[:lines]]


def _entry(found: Found, place: int, chosen: bool, glyphs: Glyphs, cells: int) -> Line:
    entry = found.entry
    ground = "select" if chosen else "panel"
    target = f"entry:{place}"
    line = Line().add(glyphs.pointer if chosen else " ", HI, target)
    for spot, letter in enumerate(pad(entry.name, NAME_CELLS, more=glyphs.more)):
        hit = spot in found.letters
        line.add(letter, Ink("accent", bold=True) if hit else Ink("hi" if chosen else "text"))
    line.add(" " + pad(entry.key, 6) + " ", Ink("accent"))
    line.add(cut(entry.words, max(0, cells - line.width - 1), glyphs.more), DIM).fit(cells)
    line.pieces = [Piece(piece.text, piece.ink, target) for piece in line.pieces]
    return line.on(ground)
