"""The board and the strip: every worker in ten characters, seven, or one.

``^26  8 0.7`` is state, turn, elapsed minutes, seconds of the last call. A healthy cell is grey.
"""

from collections.abc import Sequence

from runner import WorkerState, elapsed_s
from tui.runview import RunView
from tui.text import pad
from tui.view.layout import Layout
from tui.view.line import DIM, EDGE, HI, Ink, Line
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
        _cell(line, view, look, layout, index, lit[index])
    return line


def _label(view: RunView, layout: Layout, row: int) -> Line:
    first = number(view, row * layout.columns)
    label = first[:-1] + "x" if layout.columns == 10 and layout.shape == "board" else first
    return Line().add(f" {label}".ljust(layout.label), DIM)


def _cell(line: Line, view: RunView, look: Look, layout: Layout, index: int, lit: bool) -> None:
    worker = view.state.workers[index]
    sign = sign_of(view, worker)
    fg, bg = tone(sign) if lit else ("edge", "bg")
    selected = index == look.selected
    if selected and (bg == "bg" or not layout.wide):
        bg = "select"
    if layout.wide:
        _before(line, look, worker, selected)
    body = cell_text(worker, view.now, wide=layout.wide) if worker.busy else ""
    glyph = look.glyphs.mark if _marked(look, worker) and not layout.wide else _glyph(look, sign)
    if sign == "stuck" and lit:
        line.add(glyph, Ink("on_stuck", "stuck", bold=True))
        line.add(body, Ink("hi", bg, bold=True))
        return
    loud = fg if fg != "dim" else "hi" if selected else "text"
    line.add(glyph, Ink(fg, bg, bold=sign == "slow"))
    blank = layout.cell_width - 1 - (1 if layout.wide else 0)
    if not lit or not worker.busy:
        line.add(pad(body, blank), Ink("edge" if not lit else "dim", bg))
        return
    line.add(body[:2], Ink(loud, bg, bold=selected))
    line.add(body[2:], Ink(fg, bg))


def _before(line: Line, look: Look, worker: WorkerState, selected: bool) -> None:
    """The cell before a wide one: pointer, mark or nothing."""
    if selected:
        line.add(look.glyphs.pointer, HI)
    elif _marked(look, worker):
        line.add(look.glyphs.mark, Ink("accent"))
    else:
        line.add(" ")


def _marked(look: Look, worker: WorkerState) -> bool:
    return worker.attempt_id in look.marks


def _glyph(look: Look, sign: str) -> str:
    return look.glyphs.state[sign]


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
    for column in range(layout.columns):
        index = layout.index(column, row)
        if index is None:
            break
        worker = view.state.workers[index]
        sign = sign_of(view, worker)
        fg, bg = tone(sign) if lit[index] else ("edge", "bg")
        glyph = look.glyphs.mark if _marked(look, worker) else _glyph(look, sign)
        ink = Ink(fg, bg)
        if sign == "stuck" and lit[index]:
            ink = Ink("on_stuck", "stuck", bold=True)
        if index == look.selected:
            ink = Ink("hi", "select" if sign != "stuck" else "stuck_bg", bold=True)
        line.add(glyph, ink)
        if layout.group and column % layout.group == layout.group - 1:
            line.add(" ", EDGE)
    return line
