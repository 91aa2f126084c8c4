"""Cards: five lines for each worker, with its buttons. For runs that are small enough."""

from runner import WorkerState, count, doing, duration, latency, stalled_s
from tui.runview import RunView
from tui.text import pad, plain, sparkline
from tui.view.bars import limit_bar
from tui.view.layout import CARD_HEIGHT
from tui.view.line import DIM, Ink, Line, button
from tui.view.look import Look, number, sign_of, tone
from tui.view.words import attempt_limit_s, ends, ran_s, task_name, turn, why_words

_SPARK_FULL_S = 10.0
"""A call of this many seconds fills a sparkline's cell, if none was longer."""


def card_lines(
    view: RunView, look: Look, worker: WorkerState, cells: int, height: int
) -> list[Line]:
    """The card of one worker: ``height`` lines of ``cells``, the last column and line blank."""
    sign = sign_of(view, worker)
    _, ground = tone(sign)
    selected = worker.worker == look.selected
    if ground == "bg":
        ground = "select" if selected else "panel"
    inner = cells - 1
    if worker.busy:
        bodies = _busy(view, look, worker, sign, inner, height)
    else:
        bodies = _idle(view, look, worker)
    shown = bodies[: height - 1]
    lines = [body.on(ground).fit(inner, Ink("text", ground)).to(cells) for body in shown]
    lines.append(Line().to(cells))
    return lines


def _idle(view: RunView, look: Look, worker: WorkerState) -> list[Line]:
    head = Line().add(f" {look.glyphs.state['idle']} {number(view, worker.worker)} idle", DIM)
    return [head, Line(), Line(), Line(), Line()]


def _busy(
    view: RunView, look: Look, worker: WorkerState, sign: str, cells: int, height: int
) -> list[Line]:
    lines = [
        _title(view, look, worker, sign, cells),
        _counts(look, worker, sign, cells),
        _limit(view, look, worker, cells),
    ]
    words = _why(view, worker, sign)
    if height >= CARD_HEIGHT:
        ink = Ink(tone(sign)[0] if sign != "stuck" else "hi")
        lines.append(Line().add("   ").add(pad(words, cells - 4, more=look.glyphs.more), ink))
        words = _ending(view, worker)
    return [*lines, _deeds(view, look, worker, words, sign, cells)]


def _title(view: RunView, look: Look, worker: WorkerState, sign: str, cells: int) -> Line:
    fg, _ = tone(sign)
    selected = worker.worker == look.selected
    marked = worker.attempt_id in look.marks
    line = Line().add(
        look.glyphs.pointer if selected else look.glyphs.mark if marked else " ",
        Ink("hi" if selected else "accent"),
    )
    badge = Ink("on_stuck", "stuck", bold=True) if sign == "stuck" else Ink(fg)
    line.add(look.glyphs.state[sign], badge)
    line.add(f" {number(view, worker.worker)} ", Ink("hi", bold=True))
    silent = stalled_s(worker, view.now)
    state = sign.upper() if sign in ("stuck", "slow") else doing(worker)
    if silent >= 1 and worker.phase != "backoff":
        state += f" {duration(silent)}"
    state = " " + state + " "
    room = cells - line.width - len(state)
    line.add(pad(task_name(worker, room), room, more=look.glyphs.more), Ink("text"))
    return line.add(state, Ink(fg, bold=sign == "stuck"))


def _counts(look: Look, worker: WorkerState, sign: str, cells: int) -> Line:
    calls = worker.latencies[-3:]
    most = max([_SPARK_FULL_S, *calls])
    line = Line().add("   ").add(pad(plain(worker.model, 40), 9, more=look.glyphs.more), DIM)
    loud = Ink("hi" if sign in ("stuck", "slow") else "text")
    line.add(f" turn {turn(worker)}", loud)
    last = latency(worker.last_latency_s)
    tail = Line()
    if last:
        tail.add(f"last {last} ", loud)
        tail.add(sparkline([call / most for call in calls], look.glyphs.levels), Ink("spark"))
        tail.add(" ")
    return line.to(cells - tail.width).extend(tail)


def _limit(view: RunView, look: Look, worker: WorkerState, cells: int) -> Line:
    ran = ran_s(view, worker)
    limit = attempt_limit_s(view, worker)
    words = f" {duration(ran)} of {duration(limit)} "
    line = (
        Line()
        .add("   ")
        .extend(limit_bar(ran / limit, max(4, cells - 3 - len(words)), look.glyphs))
    )
    return line.add(words, DIM)


def _why(view: RunView, worker: WorkerState, sign: str) -> str:
    if sign in ("stuck", "slow", "backoff"):
        return why_words(view, worker)
    return (plain(worker.tool_detail, 60) if worker.phase == "tool" else "") or _spent(worker)


def _spent(worker: WorkerState) -> str:
    """``26.1k tokens in, 700 out, $0.06``: what a worker that is well has used so far."""
    if not worker.latencies:
        return "no call has ended yet"
    words = f"{count(worker.tokens_in)} tokens in, {count(worker.tokens_out)} out"
    return f"{words}, ${worker.cost:.2f}" if worker.cost >= 0.005 else words


def _ending(view: RunView, worker: WorkerState) -> str:
    """``ends in 10m54s``."""
    if worker.phase == "backoff" and worker.backoff_until > view.now:
        return f"on in {duration(worker.backoff_until - view.now)}"
    left, _ = ends(view, worker, short=True)
    return f"ends in {left}"


def _deeds(
    view: RunView, look: Look, worker: WorkerState, words: str, sign: str, cells: int
) -> Line:
    """Words, and the buttons at the right."""
    on = view.acting and worker.phase != "killing"
    buttons = (
        Line()
        .extend(button("x kill", f"kill:{worker.attempt_id}", on=on))
        .add(" ")
        .extend(button("r again", f"retry:{worker.attempt_id}", on=on))
        .add(" ")
    )
    line = Line().add("   ")
    room = cells - 3 - buttons.width - 1
    line.add(pad(words, room, more=look.glyphs.more), Ink(tone(sign)[0])).add(" ")
    return line.extend(buttons)
