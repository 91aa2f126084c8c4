"""The help page, made from the table of keys and the glyphs in use."""

from collections.abc import Iterable

from tui.glyphs import SIGNS_OF_OUTCOME, Glyphs
from tui.keys import COMMANDS, KEYS, Key, Place
from tui.view.line import DIM, HI, TEXT, Ink, Line
from tui.view.look import tone

_PLACES: tuple[tuple[Place, str], ...] = (
    ("all", "Everywhere"),
    ("fleet", "Fleet and attempt"),
    ("attempt", "Attempt"),
    ("table", "Lists"),
    ("endpoints", "Endpoints"),
    ("results", "Results"),
    ("report", "Report"),
    ("replay", "Replay"),
)
_SIGN_INDENT = " " * 11
_SIGNS: tuple[tuple[str, str], ...] = (
    ("stuck", "stuck: no progress for stuck_after"),
    ("slow", "slow: no progress for slow_after"),
    ("backoff", "backing off before a call is repeated"),
    ("wait", "waits for the model, or its answer is coming"),
    ("tool", "a tool or its own code is at work"),
    ("connect", "connecting"),
    ("prepare", "preparing"),
    ("score", "scoring"),
    ("killing", "being ended"),
    ("idle", "idle"),
)


def help_lines(glyphs: Glyphs, cells: int, table: Iterable[Key] = KEYS) -> list[Line]:
    """The whole page; two columns from 110 cells on."""
    keys = list(table)
    blocks = [
        _block(title, [key for key in keys if key.place == place]) for place, title in _PLACES
    ]
    blocks.append(_commands())
    blocks.append(_signs(glyphs))
    head = [
        Line(),
        Line().add("  pilot-tui", HI).add("   the mouse works for all of this; esc closes", DIM),
        Line(),
    ]
    if cells < 110:
        return head + [line for block in blocks for line in [*block, Line()]]
    half = cells // 2
    places = len(_PLACES)
    here = [blocks[0], blocks[places], *blocks[3:places]]
    left = [line for block in here for line in [*block, Line()]]
    there = [*blocks[1:3], blocks[places + 1]]
    right = [line for block in there for line in [*block, Line()]]
    rows = max(len(left), len(right))
    left += [Line() for _ in range(rows - len(left))]
    right += [Line() for _ in range(rows - len(right))]
    return head + [one.fit(half).extend(two) for one, two in zip(left, right, strict=True)]


def _block(title: str, keys: list[Key]) -> list[Line]:
    title_line = Line().add(f"  {title}", Ink("accent", bold=True))
    return [
        title_line,
        *(Line().add(f"  {key.shown:>10}  ", HI).add(key.words, TEXT) for key in keys),
    ]


def _commands() -> list[Line]:
    lines = [Line().add("  Commands (after :)", Ink("accent", bold=True))]
    lines += [Line().add(f"  {c.name:>10}  ", HI).add(c.words, TEXT) for c in COMMANDS]
    return lines


def _signs(glyphs: Glyphs) -> list[Line]:
    lines = [Line().add("  Signs", Ink("accent", bold=True))]
    for name, words in _SIGNS:
        badge = Ink("on_stuck", "stuck", bold=True) if name == "stuck" else Ink(tone(name)[0])
        lines.append(
            Line().add(_SIGN_INDENT).add(glyphs.state[name], badge).add(f"  {words}", TEXT)
        )
    for name, glyph in glyphs.outcome.items():
        lines.append(Line().add(_SIGN_INDENT).add(glyph, Ink(name)).add(f"  {name}", TEXT))
    for name, letter in SIGNS_OF_OUTCOME.items():
        words = f"  {name.replace('_', ' ')}: not scored"
        lines.append(Line().add(_SIGN_INDENT).add(letter, Ink("not_scored")).add(words, TEXT))
    return lines
