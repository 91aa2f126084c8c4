"""Rows: a line for each worker, with what it does and for how long it has been silent."""

from typing import Final, NamedTuple

from runner import (
    WorkerState,
    duration,
    latency,
    stalled_s,
)
from tui.runview import RunView
from tui.text import Align, pad, plain
from tui.view.bars import limit_bar
from tui.view.line import DIM, HI, Ink, Line
from tui.view.look import Look, number, sign_of, tone
from tui.view.words import attempt_limit_s, ran_s, short_doing, task_name, turn, why_words

_WHY_FROM: Final = 14
"""In fewer cells a reason is no more than its first word: what it is at says as much."""


class Columns(NamedTuple):
    """Cells of each column of a row; ``doing`` has what is left."""

    task: int
    model: int
    turn: int
    bar: int


def columns(cells: int) -> Columns:
    """The columns for a row of ``cells`` cells."""
    if cells < 72:
        return Columns(13, 0, 5, 4)
    return Columns(15, 8, 6, 5) if cells < 110 else Columns(22, 14, 7, 8)


def rows_head(view: RunView, look: Look, cells: int) -> Line:
    """Heads of the columns, placed as `worker_row` places them; a click orders by one."""
    at = columns(cells)
    line = Line().add("  ").extend(_head(look, "", "number", len(number(view, 0)) + 2))
    line.extend(_head(look, "task", "task", at.task + 1)).extend(
        _head(look, "model", "model", at.model)
    )
    line.extend(_head(look, "turn", "turn", at.turn + 1, "right")).add(" ")
    line.extend(_head(look, "of limit", "elapsed", at.bar + 7, "right"))
    line.extend(_head(look, "call", "latency", 6, "right"))
    line.extend(_head(look, "silent", "silent", 7, "right"))
    return line.add("  doing", DIM).fit(cells)


def _head(look: Look, words: str, name: str, cells: int, align: Align = "left") -> Line:
    """One head; the one that the rows are ordered by carries an arrow where it has room."""
    chosen = look.order == name
    if not cells:
        return Line()
    plain_order = name == "number" and not look.backwards
    arrow = look.glyphs.up if look.backwards else look.glyphs.down
    sign = arrow if chosen and not plain_order else ""
    more = sign if len(words) + len(sign) <= cells else ""
    ink = HI if chosen and name != "number" else DIM
    text = more + words if align == "right" else words + more
    return Line().add(pad(text, cells, align), ink, f"sort:{name}")


def worker_row(view: RunView, look: Look, worker: WorkerState, cells: int) -> Line:
    """The line of one worker, ``cells`` wide."""
    at = columns(cells)
    sign = sign_of(view, worker)
    fg, bg = tone(sign)
    selected = worker.worker == look.selected
    ground = "select" if selected and bg == "bg" else bg
    line = Line()
    _lead(line, look, worker, sign, selected)
    name = Ink("hi" if selected or sign in ("stuck", "slow") else "text", bold=selected)
    line.add(" " + number(view, worker.worker) + " ", Ink("hi" if selected else "dim"))
    if not worker.busy:
        return line.add("idle", DIM).on(ground).fit(cells, Ink("text", ground))
    task = pad(task_name(worker, at.task), at.task, more=look.glyphs.more)
    line.add(task, name).add(" ")
    line.add(pad(plain(worker.model, 40), at.model, more=look.glyphs.more), DIM)
    line.add(" " + pad(turn(worker), at.turn, "right"), name).add(" ")
    _times(line, view, look, worker, fg, at.bar)
    line.add("  ")
    room = cells - line.width
    told = sign in ("stuck", "slow", "backoff") and room >= _WHY_FROM
    words = why_words(view, worker) if told else ""
    line.add(pad(words or short_doing(worker), room, more=look.glyphs.more), Ink(fg))
    return line.on(ground).fit(cells, Ink("text", ground))


def _lead(line: Line, look: Look, worker: WorkerState, sign: str, selected: bool) -> None:
    marked = worker.attempt_id in look.marks
    before = look.glyphs.pointer if selected else look.glyphs.mark if marked else " "
    line.add(before, HI if selected else Ink("accent"))
    badge = Ink("on_stuck", "stuck", bold=True) if sign == "stuck" else Ink(tone(sign)[0])
    line.add(look.glyphs.state[sign], badge)


def _times(line: Line, view: RunView, look: Look, worker: WorkerState, fg: str, bar: int) -> None:
    """Bar and time of the attempt limit, latency of the last call, silence."""
    ran = ran_s(view, worker)
    line.extend(limit_bar(ran / attempt_limit_s(view, worker), bar, look.glyphs))
    line.add(pad(duration(ran), 7, "right"), Ink("text" if fg == "dim" else fg))
    line.add(pad(latency(worker.last_latency_s), 6, "right"), DIM)
    silent = stalled_s(worker, view.now)
    shown = duration(silent) if silent >= 1 and worker.phase != "backoff" else ""
    line.add(" " + pad(shown, 6, "right"), Ink(fg, bold=fg == "stuck"))
