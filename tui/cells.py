"""What the terminal shows, cell by cell, and the fewest bytes that lead from there to a new frame.

Apart from the app so that any sequence of updates is tested against a terminal emulator. Pieces of
text are compared as slices: most of a frame is as it was, and that must cost next to nothing.
"""

# pyright: reportPrivateUsage=false
# ruff: noqa: SLF001
# Reason: Rich keeps a style's attributes to itself; the version is pinned for it.

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from rich.cells import cell_len, split_graphemes
from rich.color import ColorSystem
from rich.style import Style
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.strip import Strip


class Sgr(NamedTuple):
    """A style as the terminal's own numbers; empty for what is not set."""

    attributes: str
    color: str
    ground: str
    bare: bool = True
    """Whether a blank in it looks like an erased cell: of its ground, and nothing else."""


NULL: Final = Sgr("", "", "")
RESET: Final = "\x1b[0m"
Shown = tuple[str, Sgr]
"""What a cell shows: its text (empty for the right half of a wide character), and how. A bare
blank is kept without the colour of its text: what cannot be seen is not sent."""
Cell = Shown | None
"""None: unknown, so that the cell is written whatever it is to show."""

_ATTRIBUTES: Final = ((0, "1"), (1, "2"), (2, "3"), (3, "4"), (4, "5"), (6, "7"), (8, "9"))
"""Bits of a rich style and their SGR numbers."""
_OFF: Final = {"1": "22", "2": "22", "3": "23", "4": "24", "5": "25", "7": "27", "9": "29"}
"""What switches each of them off: to begin anew would cost two colours more."""
_DRAWN: Final = 1 << 3 | 1 << 6 | 1 << 8
"""Underlined, reversed, struck: bits of what shows on a blank."""
_BLANK: Final = (" ", "\x1b")
"""A blank, or the order to erase some."""
_GAP: Final = 4
"""Unchanged cells of the same style are sent again, not jumped over: a jump takes 4 bytes."""
_ERASED: Final = 12
"""From so many blanks on they are erased, not written: that takes 4 bytes, and a jump 4 more."""
_PIECES_KEPT: Final = 2048

Placed = tuple[int, int, Strip]
"""A piece of a frame: line, column, what stands there."""


class CellDiff:
    """The terminal's cells as they are, and the bytes that lead from there to an update.

    ``erase`` says that the terminal erases cells in the colour of the ground (``ech`` and ``bce``
    of its terminfo entry).
    """

    def __init__(
        self, color_system: ColorSystem = ColorSystem.TRUECOLOR, *, erase: bool = False
    ) -> None:
        self._colors = color_system
        self._erase = erase
        self._size = (0, 0)
        self._rows: list[list[Cell]] = []
        self._codes: dict[Style, Sgr] = {}
        self._changes: dict[tuple[Sgr, Sgr], str] = {}
        self._pieces: dict[Shown, list[Shown]] = {}
        self._shared: dict[Shown, Shown] = {}

    def forget(self) -> None:
        """The terminal may show anything: the next update of a cell is written whatever it is."""
        self._size = (0, 0)

    def encode(self, update: ChopsUpdate | LayoutUpdate, size: tuple[int, int]) -> str:
        """The bytes that make the terminal show ``update``; ``size`` is (columns, lines)."""
        whole = isinstance(update, LayoutUpdate)
        return self.encode_strips(_of_layout(update) if whole else _of_chops(update), size)

    def encode_strips(self, strips: Iterable[Placed], size: tuple[int, int]) -> str:
        """The bytes that make the terminal show ``strips``, and leave all else as it is."""
        if size != self._size:
            self._size = size
            columns, lines = size
            self._rows = [[None] * columns for _ in range(lines)]
        pen = _Pen(self._change)
        for y, x, strip in strips:
            if 0 <= y < len(self._rows):
                self._strip(pen, self._rows[y], y, x, strip)
        return pen.end()

    def _strip(self, pen: "_Pen", row: list[Cell], y: int, x: int, strip: Strip) -> None:
        for text, style, control in strip:
            if control or not text:
                continue
            code = NULL if style is None else self._code(style)
            piece = self._pieces.get((text, code))
            if piece is None:
                piece = self._piece(text, code)
            end = x + len(piece)
            if row[x:end] != piece:
                self._changed(pen, row, y, x, piece, code)
            x = end

    def _changed(
        self, pen: "_Pen", row: list[Cell], y: int, x: int, piece: list[Shown], code: Sgr
    ) -> None:
        """Write the cells of ``piece`` that the terminal does not show; those past the edge not."""
        fitting = min(len(piece), len(row) - x)
        place = 0
        while place < fitting:
            cell = piece[place]
            cells = 2 if place + 1 < len(piece) and not piece[place + 1][0] else 1
            if place + cells > fitting:
                return
            at = x + place
            if row[at] == cell and (cells == 1 or row[at + 1] == ("", code)):
                place += cells
                continue
            blanks = _blanks(piece, place, fitting) if self._erase and code.bare else 0
            if blanks >= _ERASED:
                pen.erase(row, y, at, blanks, code)
                for offset in range(blanks):
                    _put(row, at + offset, cell, 1)
                place += blanks
                continue
            _put(row, at, cell, cells)
            pen.write(row, y, at, cell[0], cells, code)
            place += cells

    def _piece(self, text: str, code: Sgr) -> list[Shown]:
        """The cells of ``text``."""
        if len(self._pieces) >= _PIECES_KEPT:
            self._pieces.clear()
            self._shared.clear()
        piece: list[Shown] = []
        blank = (" ", Sgr("", "", code.ground) if code.bare else code)
        for cluster, cells in _clusters(text):
            cell = blank if cluster == " " else (cluster, code)
            piece.append(self._shared.setdefault(cell, cell))
            if cells == 2:
                piece.append(("", code))
        self._pieces[text, code] = piece
        return piece

    def _code(self, style: Style) -> Sgr:
        code = self._codes.get(style)
        if code is None:
            code = self._codes[style] = _sgr(style, self._colors)
        return code

    def _change(self, old: Sgr | None, new: Sgr) -> str:
        """The bytes that turn one style into another."""
        if old is None:
            return _whole(new)
        found = self._changes.get((old, new))
        if found is None:
            found = self._changes[old, new] = _change(old, new)
        return found


class _Pen:
    """Where the cursor is and how it writes; collects the bytes of one frame."""

    def __init__(self, change: Callable[[Sgr | None, Sgr], str]) -> None:
        self._change = change
        self._out: list[str] = []
        self._style: Sgr | None = None
        self._y = self._x = -1

    def write(self, row: list[Cell], y: int, x: int, cluster: str, cells: int, code: Sgr) -> None:
        """One character at (x, y)."""
        self._move(row, y, x)
        if not self._shows(cluster, code):
            self._out.append(self._change(self._style, code))
            self._style = code
        self._out.append(cluster)
        self._y, self._x = y, x + cells
        if cells != 1 or len(cluster) != 1:
            # Terminals disagree on how far such a character moves the cursor: say where to go on.
            self._y = -1

    def erase(self, row: list[Cell], y: int, x: int, cells: int, code: Sgr) -> None:
        """Bare blanks from (x, y) on; the cursor stays before them."""
        self.write(row, y, x, f"\x1b[{cells}X", 0, code)
        self._y, self._x = y, x

    def _shows(self, cluster: str, code: Sgr) -> bool:
        """Whether the character may be written as the pen is: for a bare blank, the ground does."""
        style = self._style
        if style is None or style == code:
            return style is not None
        return cluster[0] in _BLANK and code.bare and style.bare and code.ground == style.ground

    def _move(self, row: list[Cell], y: int, x: int) -> None:
        if y != self._y or x < self._x:
            self._out.append(f"\x1b[{y + 1};{x + 1}H")
            return
        gap = x - self._x
        if not gap:
            return
        if gap <= _GAP:
            between = [cell for cell in row[self._x : x] if cell and len(cell[0]) == 1]
            if len(between) == gap and all(self._shows(*cell) for cell in between):
                self._out.extend(cell[0] for cell in between)
                return
        self._out.append(f"\x1b[{gap}C")

    def end(self) -> str:
        """All of it. The style is reset, because Textual itself writes to the terminal as well."""
        if not self._out:
            return ""
        return "".join((*self._out, RESET))


def _of_layout(update: LayoutUpdate) -> Iterable[Placed]:
    for y, line in enumerate(update.strips, update.region.y):
        x = update.region.x
        for strip in line:
            yield y, x, strip
            x += strip.cell_length


def _of_chops(update: ChopsUpdate) -> Iterable[Placed]:
    """Each piece once, although several spans may touch it."""
    seen: set[tuple[int, int]] = set()
    for y, x1, x2 in update.spans:
        for end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
            if strip is not None and x <= x2 and end > x1 and (y, x) not in seen:
                seen.add((y, x))
                yield y, x, strip


def _blanks(piece: list[Shown], start: int, end: int) -> int:
    """How many blanks stand in a row from ``start`` on, before ``end``."""
    stop = start
    while stop < end and piece[stop][0] == " ":
        stop += 1
    return stop - start


def _clusters(text: str) -> Iterable[tuple[str, int]]:
    """Characters as the terminal counts them: (text, cells)."""
    if text.isascii() or (len(text) == cell_len(text) and not _joins(text)):
        for character in text:
            yield character, 1
        return
    spans, _ = split_graphemes(text)
    for start, end, cells in spans:
        if cells:
            yield text[start:end], cells


def _joins(text: str) -> bool:
    """Whether zero-width characters might hide behind wide ones in the sum."""
    return any(cell_len(character) != 1 for character in text)


def _put(row: list[Cell], x: int, cell: Shown, cells: int) -> None:
    """Note what the terminal will show. A wide character that is hit is gone as a whole."""
    hit = row[x]
    if hit is not None and hit[0] == "" and x:
        row[x - 1] = None
    after = x + cells
    if after < len(row):
        right = row[after]
        if right is not None and right[0] == "":
            row[after] = None
    row[x] = cell
    if cells == 2:
        row[x + 1] = ("", cell[1])


def _sgr(style: Style, colors: ColorSystem) -> Sgr:
    bits = style._attributes & style._set_attributes
    attributes = ";".join(number for bit, number in _ATTRIBUTES if bits >> bit & 1)
    color, ground = style.color, style.bgcolor
    return Sgr(
        attributes,
        ";".join(color.downgrade(colors).get_ansi_codes()) if color else "",
        ";".join(ground.downgrade(colors).get_ansi_codes(foreground=False)) if ground else "",
        not bits & _DRAWN,
    )


def _whole(new: Sgr) -> str:
    numbers = ";".join(part for part in new[:3] if part)
    return f"\x1b[0;{numbers}m" if numbers else RESET


def _change(old: Sgr, new: Sgr) -> str:
    """Only the parts that differ."""
    parts: list[str] = []
    if old.attributes != new.attributes:
        was, now = (set(style.attributes.split(";")) - {""} for style in (old, new))
        off = {_OFF[number] for number in was - now}
        on = now if "22" in off else now - was  # 22 ends bold and faint alike
        parts += sorted(off) + sorted(on)
    if old.color != new.color:
        parts.append(new.color or "39")
    if old.ground != new.ground:
        parts.append(new.ground or "49")
    return f"\x1b[{';'.join(parts)}m" if parts else ""
