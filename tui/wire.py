"""Only the cells that changed go to the terminal: 3 KB/s where Textual would send 57 (measured).

`CellDiff` keeps what the terminal shows and turns updates into the fewest bytes; `WireMixin` puts
it in the place of the private ``App._display`` (textual >= 8.2, < 9) and hands anything that it
does not know to the original. While the terminal does not keep up no frame is written; the next
one that can be makes good for all that were left out.
"""

# pyright: reportPrivateUsage=false, reportUnknownMemberType=false
# ruff: noqa: SLF001
# Reason: this is the one file that reaches into Textual and Rich; the version is pinned for it.

import os
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from rich.cells import cell_len, split_graphemes
from rich.color import ColorSystem
from rich.console import RenderableType
from rich.style import Style
from textual import screen as textual_screen
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.app import App
from textual.events import Resize
from textual.geometry import Size
from textual.screen import Screen
from textual.strip import Strip

if TYPE_CHECKING:
    _Base = App[str]
else:
    _Base = object


textual_screen.UPDATE_PERIOD = 1 / 240  # pyright: ignore[reportPrivateImportUsage]
"""A changed screen is drawn after this time at most. Textual's 1/60 s is more than a key may take
to show; frames are few here, so nothing is drawn more often."""


class Sgr(NamedTuple):
    """A style as the terminal's own numbers; empty for what is not set."""

    attributes: str
    color: str
    ground: str


NULL: Final = Sgr("", "", "")
RESET: Final = "\x1b[0m"
Cell = tuple[str, Sgr] | None
"""What a cell shows: its text (empty for the right half of a wide character), and how. None:
unknown, so that it is written whatever it is to show."""

_ATTRIBUTES: Final = ((0, "1"), (1, "2"), (2, "3"), (3, "4"), (4, "5"), (6, "7"), (8, "9"))
"""Bits of a rich style and their SGR numbers."""
_GAP: Final = 4
"""Unchanged cells of the same style are sent again, not jumped over: a jump takes 4 bytes."""


class CellDiff:
    """The terminal's cells as they are, and the bytes that lead from there to an update."""

    def __init__(self, color_system: ColorSystem = ColorSystem.TRUECOLOR) -> None:
        self._colors = color_system
        self._size = (0, 0)
        self._rows: list[list[Cell]] = []
        self._codes: dict[Style, Sgr] = {}
        self._changes: dict[tuple[Sgr, Sgr], str] = {}

    def forget(self) -> None:
        """The terminal may show anything: the next update of a cell is written whatever it is."""
        self._size = (0, 0)

    def encode(self, update: ChopsUpdate | LayoutUpdate, size: tuple[int, int]) -> str:
        """The bytes that make the terminal show ``update``; ``size`` is (columns, lines)."""
        if size != self._size:
            self._size = size
            columns, lines = size
            self._rows = [[None] * columns for _ in range(lines)]
        pen = _Pen(self._change)
        strips = _of_layout(update) if isinstance(update, LayoutUpdate) else _of_chops(update)
        for y, x, strip in strips:
            if 0 <= y < len(self._rows):
                self._strip(pen, self._rows[y], y, x, strip)
        return pen.end()

    def _strip(self, pen: "_Pen", row: list[Cell], y: int, x: int, strip: Strip) -> None:
        columns = len(row)
        for text, style, control in strip:
            if control:
                continue
            code = NULL if style is None else self._code(style)
            for cluster, cells in _clusters(text):
                if x + cells > columns:
                    return
                if not _shows(row, x, cluster, cells, code):
                    _put(row, x, cluster, cells, code)
                    pen.write(row, y, x, cluster, cells, code)
                x += cells

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
        if code != self._style:
            self._out.append(self._change(self._style, code))
            self._style = code
        self._out.append(cluster)
        self._y, self._x = y, x + cells
        if cells != 1 or len(cluster) != 1:
            # Terminals disagree on how far such a character moves the cursor: say where to go on.
            self._y = -1

    def _move(self, row: list[Cell], y: int, x: int) -> None:
        if y != self._y or x < self._x:
            self._out.append(f"\x1b[{y + 1};{x + 1}H")
            return
        gap = x - self._x
        if not gap:
            return
        between = [cell for cell in row[self._x : x] if cell and len(cell[0]) == 1]
        alike = all(cell[1] == self._style for cell in between)
        if gap <= _GAP and len(between) == gap and alike:
            self._out.extend(cell[0] for cell in between)
        else:
            self._out.append(f"\x1b[{gap}C")

    def end(self) -> str:
        """All of it. The style is reset, because Textual itself writes to the terminal as well."""
        if not self._out:
            return ""
        return "".join((*self._out, RESET))


def _of_layout(update: LayoutUpdate) -> Iterable[tuple[int, int, Strip]]:
    for y, line in enumerate(update.strips, update.region.y):
        x = update.region.x
        for strip in line:
            yield y, x, strip
            x += strip.cell_length


def _of_chops(update: ChopsUpdate) -> Iterable[tuple[int, int, Strip]]:
    """Each piece once, although several spans may touch it."""
    seen: set[tuple[int, int]] = set()
    for y, x1, x2 in update.spans:
        for end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
            if strip is not None and x <= x2 and end > x1 and (y, x) not in seen:
                seen.add((y, x))
                yield y, x, strip


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


def _shows(row: list[Cell], x: int, cluster: str, cells: int, code: Sgr) -> bool:
    """Whether the terminal already shows it."""
    if row[x] != (cluster, code):
        return False
    return cells == 1 or row[x + 1] == ("", code)


def _put(row: list[Cell], x: int, cluster: str, cells: int, code: Sgr) -> None:
    """Note what the terminal will show. A wide character that is hit is gone as a whole."""
    hit = row[x]
    if hit is not None and hit[0] == "" and x:
        row[x - 1] = None
    after = x + cells
    if after < len(row):
        cell = row[after]
        if cell is not None and cell[0] == "":
            row[after] = None
    row[x] = (cluster, code)
    if cells == 2:
        row[x + 1] = ("", code)


def _sgr(style: Style, colors: ColorSystem) -> Sgr:
    bits = style._attributes & style._set_attributes
    attributes = ";".join(number for bit, number in _ATTRIBUTES if bits >> bit & 1)
    color, ground = style.color, style.bgcolor
    return Sgr(
        attributes,
        ";".join(color.downgrade(colors).get_ansi_codes()) if color else "",
        ";".join(ground.downgrade(colors).get_ansi_codes(foreground=False)) if ground else "",
    )


def _whole(new: Sgr) -> str:
    numbers = ";".join(part for part in new if part)
    return f"\x1b[0;{numbers}m" if numbers else RESET


def _change(old: Sgr, new: Sgr) -> str:
    """Only the parts that differ; from the beginning where something has to be switched off."""
    off = old.attributes != new.attributes
    off = off or bool((old.color and not new.color) or (old.ground and not new.ground))
    if off:
        return _whole(new)
    parts = [b for a, b in zip(old, new, strict=True) if a != b and b]
    return f"\x1b[{';'.join(parts)}m" if parts else ""


class WireMixin(_Base):
    """An app whose frames go through a `CellDiff`. Put it before `App` in the list of bases."""

    _diff: CellDiff | None = None
    _owed = False
    """A frame was left out: the next one is a whole one."""
    _mouse_is_theirs = False
    frames_skipped = 0

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        driver = self._driver
        if (
            driver is None
            or self.is_headless
            or driver.is_inline
            or self._batch_count
            or not self._running
            or self._closed
            or not isinstance(renderable, (ChopsUpdate, LayoutUpdate))
        ):
            super()._display(screen, renderable)
            return
        if not self.wire_free():
            self._owed = True
            self.frames_skipped += 1
        else:
            if self._owed:
                renderable = self._whole_frame(screen)
            self._write_frame(renderable)
        self.post_display_hook()

    def wire_free(self) -> bool:
        """Whether the terminal took all that was written. Otherwise writing would block the app."""
        thread = getattr(self._driver, "_writer_thread", None)
        return thread is None or thread._queue.empty()

    def wire_catch_up(self) -> None:
        """Draw what was left out, once the terminal takes it again. To be called every frame."""
        if self._owed and self._running and not self._closed and self.wire_free():
            self._write_frame(self._whole_frame(self.screen))

    def wire_forget(self) -> None:
        """The terminal was cleared or used by another program: draw everything anew."""
        if self._diff is not None:
            self._diff.forget()
        self._owed = True

    def wire_mouse_off(self) -> bool:
        """Give the mouse to the terminal, or take it back; whether it is the terminal's now."""
        self._mouse_is_theirs = not self._mouse_is_theirs
        name = "_disable_mouse_support" if self._mouse_is_theirs else "_enable_mouse_support"
        switch = getattr(self._driver, name, None)
        if switch is not None:
            switch()
        return self._mouse_is_theirs

    def _whole_frame(self, screen: Screen[Any]) -> LayoutUpdate:
        self._owed = False
        return cast(
            "LayoutUpdate",
            screen._compositor.render_update(full=True, screen_stack=self._background_screens),
        )

    def _write_frame(self, update: ChopsUpdate | LayoutUpdate) -> None:
        driver = self._driver
        if driver is None:
            return
        if self._diff is None:
            system = self.console._color_system
            self._diff = CellDiff(system or ColorSystem.TRUECOLOR)
        data = self._diff.encode(update, (self.size.width, self.size.height))
        if data:
            self._begin_update()
            driver.write(data)
            self._end_update()
            driver.flush()

    def wire_check_size(self) -> None:
        """Take the size as the terminal has it: in a storm of resizes a signal may get lost."""
        if self.is_headless:
            return
        try:
            size = Size(*os.get_terminal_size(sys.__stdout__.fileno() if sys.__stdout__ else 1))
        except OSError:
            return
        if size != self.size:
            self.post_message(Resize(size, size))
        elif self.screen.size != size:
            self.screen.post_message(Resize(size, size))
