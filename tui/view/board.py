"""The board and the strip: every worker in ten characters, seven, or one.

``^26  8 0.7`` is state, turn, elapsed minutes, seconds of the last call. A healthy cell is grey.
"""

from collections.abc import Sequence
from functools import lru_cache

from runner import WorkerState, elapsed_s
from tui.runview import RunView
from tui.text import pad
from tui.view.layout import Layout
from tui.view.line import DIM, EDGE, HI, Ink, Line, Piece
from tui.view.look import Look, number, sign_of, tone


def three(seconds: float | None) -> str:
    """A latency in three cells: ``0.7``, `` 61``, ``17m``; blank without one."""
    if seconds is None:
        return "   "
    if seconds < 9.95:
        return f"{seconds:.1f}"
    if seconds < 999.5:
        return f"{seconds:3.0f}"
    return f"{min(99, int(seconds / 60)):2d}m"


def minutes(seconds: float) -> str:
    """Elapsed time in two cells: whole minutes, from 100 minutes on hours."""
    whole = int(seconds / 60)
    return f"{whole:2d}" if whole < 100 else f"{min(9, whole // 60)}h"


def cell_text(worker: WorkerState, now: float, *, wide: bool) -> str:
    """All of a board cell but its sign: nine cells, or six without the elapsed time."""
    turn = f"{worker.turn:2d}" if worker.turn < 100 else "++"
    latency = three(worker.last_latency_s)
    if not wide:
        return f"{turn} {latency}"
    return f"{turn} {minutes(elapsed_s(worker, now))} {latency}"


def board_line(view: RunView, look: Look, layout: Layout, row: int, lit: Sequence[bool]) -> Line:
    """One line of the board; ``lit`` says by worker whether the filter lets it through."""
    line = _label(view, layout, row)
    for column in range(layout.columns):
        index = layout.index(column, row)
        if index is None:
            break
        _cell(line, view, look, layout, index, lit=lit[index])
    return line


def _label(view: RunView, layout: Layout, row: int) -> Line:
    first = number(view, row * layout.columns)
    label = first[:-1] + "x" if layout.columns == 10 and layout.shape == "board" else first
    return Line().add(f" {label}".ljust(layout.label), DIM)


def _cell(line: Line, view: RunView, look: Look, layout: Layout, index: int, *, lit: bool) -> None:
    worker = view.state.workers[index]
    sign = sign_of(view, worker)
    selected = index == look.selected
    marked = worker.attempt_id in look.marks
    body = cell_text(worker, view.now, wide=layout.wide) if worker.busy else ""
    glyphs = look.glyphs
    before = glyphs.pointer if selected else glyphs.mark if marked else " "
    sign_glyph = glyphs.mark if marked and not layout.wide else glyphs.state[sign]
    pieces = _pieces(
        before if layout.wide else "", sign_glyph, body, sign, selected, lit, layout.cell_width
    )
    line.pieces += pieces
    line.width += layout.cell_width


@lru_cache(maxsize=2048)
def _pieces(
    before: str,
    glyph: str,
    body: str,
    sign: str,
    selected: bool,  # a cache key is positional
    lit: bool,
    cells: int,
) -> tuple[Piece, ...]:
    """One cell of ``cells``; cached, because most cells are as they were a quarter second ago."""
    fg, bg = tone(sign) if lit else ("edge", "bg")
    if selected and (bg == "bg" or not before):
        bg = "select"
    line = Line().add(before, HI if selected else Ink("accent"))
    if sign == "stuck" and lit:
        loudest = Ink("on_stuck", "stuck", bold=True)
        line.add(glyph, loudest)
        # In the small cell, which has no room for a pointer, the selected one is red all over.
        ink = Ink("hi", bg, bold=True) if bg != "select" else loudest
        return tuple(line.add(body, ink).pieces)
    line.add(glyph, Ink(fg, bg, bold=sign == "slow"))
    if not lit or not body:
        return tuple(line.add(body.ljust(cells - line.width), Ink(fg, bg)).pieces)
    loud = "hi" if selected and fg == "dim" else fg
    line.add(body[:2], Ink(loud, bg, bold=selected))
    return tuple(line.add(body[2:], Ink(fg, bg)).pieces)


def board_head(layout: Layout) -> Line:
    """The last digit over each column."""
    line = Line().add(" " * layout.label)
    for column in range(layout.columns):
        if layout.wide:
            line.add(" ")
        line.add(pad(str(column % 10), layout.cell_width - layout.wide), DIM)
    return line


def strip_line(view: RunView, look: Look, layout: Layout, row: int, lit: Sequence[bool]) -> Line:
    """One line of the strip: a sign for each worker."""
    line = _label(view, layout, row)
    ahead = Ink(), ""
    for column in range(layout.columns):
        index = layout.index(column, row)
        if index is None:
            break
        worker = view.state.workers[index]
        sign = sign_of(view, worker)
        marked = worker.attempt_id in look.marks
        glyph = look.glyphs.mark if marked else look.glyphs.state[sign]
        ahead = _sign(line, ahead, _ink(sign, lit[index], index == look.selected), glyph)
        if layout.group and column % layout.group == layout.group - 1:
            ahead = _sign(line, ahead, EDGE, " ")
    return line.add(ahead[1], ahead[0])


def _sign(line: Line, ahead: tuple[Ink, str], ink: Ink, glyph: str) -> tuple[Ink, str]:
    """One sign more; those of one ink are one piece. Returns what is not yet in the line."""
    if ink == ahead[0]:
        return ink, ahead[1] + glyph
    line.add(ahead[1], ahead[0])
    return ink, glyph


@lru_cache(maxsize=256)
def _ink(sign: str, lit: bool, selected: bool) -> Ink:  # a cache key is positional
    """How a sign of the strip is drawn."""
    if selected:
        return Ink("hi", "select" if sign != "stuck" else "stuck_bg", bold=True)
    if sign == "stuck" and lit:
        return Ink("on_stuck", "stuck", bold=True)
    fg, bg = tone(sign) if lit else ("edge", "bg")
    return Ink(fg, bg)
