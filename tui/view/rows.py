"""Rows: a line for each worker, with what it does and for how long it has been silent."""

from typing import NamedTuple

from runner import (
    WorkerState,
    duration,
    latency,
    stalled_s,
)
from tui.runview import RunView
from tui.text import pad, plain
from tui.view.bars import limit_bar
from tui.view.line import DIM, HI, Ink, Line
from tui.view.look import Look, number, sign_of, tone
from tui.view.words import attempt_limit_s, ran_s, short_doing, task_name, turn, why_words


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


def rows_head(view: RunView, cells: int) -> Line:
    """Heads of the columns, placed as `worker_row` places them."""
    at = columns(cells)
    line = Line().add("   " + " " * len(number(view, 0)) + " ").add(pad("task", at.task + 1), DIM)
    line.add(pad("model", at.model), DIM).add(" " + pad("turn", at.turn, "right") + " ", DIM)
    line.add(pad("of limit", at.bar + 7, "right"), DIM).add(pad("call", 6, "right"), DIM)
    line.add(" " + pad("silent", 6, "right"), DIM).add("  doing", DIM)
    return line.fit(cells)


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
    task = pad(task_name(worker), at.task, more=look.glyphs.more)
    line.add(task, name).add(" ")
    line.add(pad(plain(worker.model, 40), at.model, more=look.glyphs.more), DIM)
    line.add(" " + pad(turn(worker), at.turn, "right"), name).add(" ")
    _times(line, view, look, worker, fg, at.bar)
    line.add("  ")
    words = why_words(view, worker) if sign in ("stuck", "slow", "backoff") else ""
    line.add(pad(words or short_doing(worker), cells - line.width, more=look.glyphs.more), Ink(fg))
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
