"""Only the cells that changed go to the terminal: 2 KB/s where Textual would send 57 (measured).

`WireMixin` puts a `CellDiff` in the place of the private ``App._display`` (textual >= 8.2, < 9) and
hands anything that it does not know to the original. Lines that a widget drew anew do not even
pass through Textual's compositor, which costs more than to draw them. While the terminal does not
keep up no frame is written; the next one that can be makes good for all that were left out.
"""

# pyright: reportPrivateUsage=false, reportUnknownMemberType=false
# ruff: noqa: SLF001
# Reason: this is the file that reaches into Textual; the version is pinned for it.

import asyncio
import base64
import curses
import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, cast

from rich.color import ColorSystem
from rich.console import RenderableType
from textual import screen as textual_screen
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.app import App
from textual.events import Resize
from textual.geometry import Region, Size
from textual.screen import Screen
from textual.widget import Widget

from tui.cells import CellDiff, Placed

if TYPE_CHECKING:
    _Base = App[str]
else:
    _Base = object


textual_screen.UPDATE_PERIOD = 1 / 240  # pyright: ignore[reportPrivateImportUsage]
"""A changed screen is drawn after this time at most. Textual's 1/60 s is more than a key may take
to show; frames are few here, so nothing is drawn more often."""

_RETRY_S: Final = 0.01
_RETRY_UNTIL_S: Final = 0.25
"""How soon to look again whether a slow terminal is free: at first, and as the last time."""
_MOUSE_MODES: Final = (1000, 1003, 1015, 1006)
"""Those that Textual's driver sets at the start and resets at the end."""


class WireMixin(_Base):
    """An app whose frames go through a `CellDiff`. Put it before `App` in the list of bases."""

    _diff: CellDiff | None = None
    _owed = False
    """A frame was left out: the next one is a whole one."""
    _mouse_is_theirs = False
    _drawn: dict[Widget, set[int]] | None = None
    """Lines that widgets drew anew and that are not yet written."""
    frames_skipped = 0
    _beside: dict[str, str] | None = None
    """Codes that are no part of a frame and not yet written, by what they are for."""

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        if not self._wired() or not isinstance(renderable, (ChopsUpdate, LayoutUpdate)):
            super()._display(screen, renderable)
            return
        if not self.wire_free():
            self._leave_out()
        else:
            self._write_frame(self._whole_frame(screen) if self._owed else renderable)
        self.post_display_hook()

    def _wired(self) -> bool:
        """Whether frames are ours to write: there is a terminal, and nobody holds them back."""
        driver = self._driver
        return (
            driver is not None
            and not self.is_headless
            and not driver.is_inline
            and not self._batch_count
            and self._running
            and not self._closed
        )

    def wire_free(self) -> bool:
        """Whether the terminal took all that was written. Otherwise writing would block the app."""
        thread = getattr(self._driver, "_writer_thread", None)
        return thread is None or thread._queue.empty()

    # ----------------------------------------------------------------------------- lines

    def wire_lines(self, widget: Widget, lines: Iterable[int]) -> None:
        """Show these lines of ``widget``, which fill it from edge to edge, as it renders them now.

        They are written before the loop turns to anything else, all widgets' together.
        """
        if not self._wired():
            _ask(widget, lines)
            return
        widget._styles_cache.set_dirty(*_regions(widget, lines))  # for a whole frame that may come
        if self._drawn is None:
            self._drawn = {}
            asyncio.get_running_loop().call_soon(self._write_lines)
        self._drawn.setdefault(widget, set()).update(lines)

    def _write_lines(self) -> None:
        drawn, self._drawn = self._drawn or {}, None
        if self._wired() and not self.wire_free():
            self._leave_out()
            return
        if self._owed:
            self.wire_catch_up()
            return
        strips: list[Placed] = []
        for widget, lines in drawn.items():
            place = self._place(widget)
            if place is None:
                _ask(widget, lines)
            else:
                strips += self._placed(widget, lines, place)
        if strips:
            strips.sort(key=_line_and_column)
            self._write(self._cells().encode_strips(strips, self.size))
            self.post_display_hook()

    def _place(self, widget: Widget) -> Region | None:
        """Where ``widget`` stands; None where only Textual can tell what of it is seen."""
        if not self._wired() or not widget.is_attached:
            return None
        screen = self.screen
        if widget.screen is not screen:
            return None
        if screen._layout_required or screen._scroll_required or screen._repaint_required:
            return None
        region, clip = screen._compositor.visible_widgets.get(widget, (None, None))
        if region is None or clip is None or not clip.contains_region(region):
            return None
        return region

    def _placed(self, widget: Widget, lines: Iterable[int], place: Region) -> Iterable[Placed]:
        filters = self.get_line_filters()
        width = place.width - widget.scrollbar_size_vertical
        for y in lines:
            if y < place.height:
                strip = widget.render_line(y)
                for line_filter in filters:
                    strip = strip.apply_filter(line_filter, widget.background_colors[1])
                yield place.y + y, place.x, strip.crop(0, width)

    # ---------------------------------------------------------------------- frames left out

    def _leave_out(self) -> None:
        """Write nothing now, and a whole frame as soon as the terminal takes it."""
        self.frames_skipped += 1
        if not self._owed:
            self._owed = True
            self._look_again(_RETRY_S)

    def _look_again(self, after_s: float) -> None:
        """Less and less often, and then no more: what has been frozen for long must cost nothing.

        The next frame of the clock finds a terminal that came back, see `wire_catch_up`.
        """

        def look() -> None:
            self.wire_catch_up()
            if self._owed and after_s < _RETRY_UNTIL_S:
                self._look_again(1.5 * after_s)

        asyncio.get_running_loop().call_later(after_s, look)

    def wire_catch_up(self) -> None:
        """Send what was left out, once the terminal takes it again. To be called every frame."""
        self._send_beside()
        if self._owed and self._wired() and self.wire_free():
            self._write_frame(self._whole_frame(self.screen))

    def wire_forget(self) -> None:
        """The terminal was cleared or used by another program: draw everything anew."""
        if self._diff is not None:
            self._diff.forget()
        self._owed = True

    # -------------------------------------------------------------------- beside the frames

    def wire_send(self, use: str, codes: str) -> None:
        """Send ``codes`` that draw nothing; they wait for a terminal that is behind.

        Of those of one ``use`` only the last are kept: the output queue is short, and who puts into
        a full one stands still.
        """
        self._beside = {**(self._beside or {}), use: codes}
        self._send_beside()

    def _send_beside(self) -> None:
        driver = self._driver
        if self._beside and driver is not None and self.wire_free():
            codes, self._beside = "".join(self._beside.values()), None
            driver.write(codes)

    def copy_to_clipboard(self, text: str) -> None:
        """Hand ``text`` to the terminal's clipboard (OSC 52)."""
        self._clipboard = text
        self.wire_send("clipboard", f"\x1b]52;c;{base64.b64encode(text.encode()).decode()}\a")

    def wire_mouse_off(self) -> bool:
        """Give the mouse to the terminal, or take it back; whether it is the terminal's now."""
        self._mouse_is_theirs = not self._mouse_is_theirs
        letter = "l" if self._mouse_is_theirs else "h"
        self.wire_send("mouse", "".join(f"\x1b[?{mode}{letter}" for mode in _MOUSE_MODES))
        return self._mouse_is_theirs

    # ------------------------------------------------------------------------------- frames

    def _whole_frame(self, screen: Screen[Any]) -> LayoutUpdate:
        self._owed = False
        return cast(
            "LayoutUpdate",
            screen._compositor.render_update(full=True, screen_stack=self._background_screens),
        )

    def _write_frame(self, update: ChopsUpdate | LayoutUpdate) -> None:
        self._write(self._cells().encode(update, self.size))

    def _cells(self) -> CellDiff:
        if self._diff is None:
            system = self.console._color_system
            self._diff = CellDiff(system or ColorSystem.TRUECOLOR, erase=_erases())
        return self._diff

    def _write(self, data: str) -> None:
        driver = self._driver
        if data and driver is not None:
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


def _regions(widget: Widget, lines: Iterable[int]) -> Iterable[Region]:
    width = widget.size.width
    return [Region(0, y, width, 1) for y in lines]


def _ask(widget: Widget, lines: Iterable[int]) -> None:
    """Let Textual show these lines when it comes to it."""
    widget.refresh(*_regions(widget, lines))


def _line_and_column(placed: Placed) -> tuple[int, int]:
    return placed[0], placed[1]


def _erases() -> bool:
    """Whether the terminal erases cells in the colour of the ground, by its terminfo entry."""
    try:
        curses.setupterm(fd=1)
    except (curses.error, TypeError):  # no entry, or no TERM: blanks are written out
        return False
    return curses.tigetflag("bce") > 0 and curses.tigetstr("ech") == b"\x1b[%p1%dX"
