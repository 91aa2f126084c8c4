"""Scrollbars for terminals that draw ASCII only."""

from typing import ClassVar

from textual.scroll_view import ScrollView
from textual.scrollbar import ScrollBarRender

from tui.widgets.lines import painter


class WholeCells(ScrollBarRender):
    """Its ends are whole cells: eighths of a block are not in ASCII."""

    VERTICAL_BARS: ClassVar[list[str]] = [" "] * 8
    HORIZONTAL_BARS: ClassVar[list[str]] = [" "] * 8


def plain_scrollbar(widget: ScrollView) -> None:
    """Draw the widget's scrollbar in whole cells where the characters in use are ASCII."""
    if painter(widget).glyphs.more.isascii():
        widget.vertical_scrollbar.renderer = WholeCells  # pyright: ignore[reportAttributeAccessIssue]
