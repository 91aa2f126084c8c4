"""The list of workers that do not get on, worst first: what, for how long, why, what ends it."""

from typing import Final

from runner import Trouble, doing, duration
from tui.runview import RunView
from tui.text import pad, plain
from tui.view.line import DIM, EDGE, HI, Ink, Line, rule
from tui.view.look import Look, number, tone
from tui.view.words import ends, short_doing, task_name, turn, why_words


def sign(item: Trouble) -> str:
    """The glyph's name for a row of this list."""
    return item.health if item.health != "ok" else item.worker.phase


def trouble_lines(
    view: RunView, look: Look, found: list[Trouble], cells: int, lines: int
) -> list[Line]:
    """The heading and ``lines - 1`` rows; the heading says how many are not shown."""
    if lines <= 0:
        return []
    rows = lines - 1
    first = _window(look, found, rows)
    shown = found[first : first + rows]
    ended = view.state.status in ("finished", "stopped")
    title = Line().add("TROUBLE ", Ink("hi", bold=True))
    title.add(str(len(found)), Ink("stuck" if found else "dim", bold=bool(found)))
    if not found:
        words = "every worker gets on" if view.state.owner else "no worker has a task"
        title.add("   the run has ended" if ended else f"   {words}", DIM)
    elif len(found) > rows:
        title.add(f", worst {rows}" if cells >= 110 else "", DIM)
    drawn = [
        _heads(title, cells, look.glyphs.dash) if shown else rule(title, cells, look.glyphs.dash)
    ]
    if ended and rows > 1:
        drawn += [_afterwards(cells)]
    row = _wide if cells >= 110 else _row if cells >= 72 else _narrow
    drawn += [_ground(row(view, look, item, cells), look, item, cells) for item in shown]
    drawn += [Line().fit(cells) for _ in range(lines - len(drawn))]
    return drawn


_HEADS: Final = (
    (110, ((25, "model"), (40, "turn"), (47, "doing"), (59, "silent"), (67, "why"))),
    (72, ((21, "model"), (29, "turn"), (35, "silent"), (42, "why"))),
)
"""From so many cells on: columns of `_wide` and `_row`, and what stands in them."""


def _heads(title: Line, cells: int, dash: str) -> Line:
    """The heading of the list, the heads of its columns in it."""
    line = Line().add(dash * 2 + " ", EDGE).extend(title).add(" ", EDGE)
    for least, heads in _HEADS:
        if cells >= least:
            for column, words in heads:
                line.to(column - 1, EDGE, dash).to(column, DIM).add(f"{words} ", DIM)
            break
    tail = Line().add(" ends by itself ", DIM).add(dash, EDGE)
    return line.to(cells - tail.width, EDGE, dash).extend(tail).fit(cells)


def _afterwards(cells: int) -> Line:
    """Where to go when a run has ended."""
    line = Line().add(" ")
    for key, words in (("3", "results"), ("5", "what was not scored, by cause"), ("6", "report")):
        line.add(f"{key} ", HI, f"screen:{key}").add(f"{words}   ", DIM, f"screen:{key}")
    return line.fit(cells)


def _window(look: Look, found: list[Trouble], rows: int) -> int:
    """The first row shown: the list follows the pointer when that walks below its end."""
    for place, item in enumerate(found):
        if item.worker.worker == look.selected:
            return max(0, place - rows + 1)
    return 0


def _ground(line: Line, look: Look, item: Trouble, cells: int) -> Line:
    selected = item.worker.worker == look.selected
    _, ground = tone(sign(item))
    if ground != "stuck_bg":
        ground = "select" if selected else "bg"
    line = line.on(ground).fit(cells, Ink("text", ground))
    target = f"worker:{item.worker.worker}"
    line.pieces = [piece._replace(target=piece.target or target) for piece in line.pieces]
    return line


def _lead(view: RunView, look: Look, item: Trouble) -> Line:
    """Pointer, sign and number."""
    name = sign(item)
    fg, _ = tone(name)
    selected = item.worker.worker == look.selected
    marked = item.worker.attempt_id in look.marks
    before = look.glyphs.pointer if selected else look.glyphs.mark if marked else " "
    line = Line().add(before, HI)
    badge = Ink("on_stuck", "stuck", bold=True) if name == "stuck" else Ink(fg, bold=name == "slow")
    line.add(look.glyphs.state[name], badge)
    return line.add(f" {number(view, item.worker.worker)} ", Ink("hi", bold=name == "stuck"))


def _ending(view: RunView, item: Trouble, *, short: bool) -> tuple[str, str]:
    worker = item.worker
    if worker.phase == "backoff" and worker.backoff_until > view.now:
        return duration(worker.backoff_until - view.now), "goes on"
    if worker.phase == "killing":
        return "", "being ended"
    left, by = ends(view, worker, short=short)
    return left, by


def _wide(view: RunView, look: Look, item: Trouble, cells: int) -> Line:
    worker, more = item.worker, look.glyphs.more
    fg, _ = tone(sign(item))
    line = _lead(view, look, item)
    line.add(pad(task_name(worker, 17), 17, more=more) + " ", Ink("text"))
    line.add(pad(plain(worker.model, 40), 12, more=more), DIM)
    line.add(pad(turn(worker), 7, "right"), Ink("text"))
    line.add("   " + pad(doing(worker), 11, more=more), Ink("text"))
    line.add(pad(_silence(item), 7, "right"), Ink(fg, bold=True)).add("  ")
    left, by = _ending(view, item, short=False)
    by = by.removesuffix(" limit")
    room = cells - line.width - 8 - 1 - 12
    line.add(pad(why_words(view, worker), room, more=more), Ink("text"))
    return line.add(pad(left, 8, "right"), Ink("hi")).add(" " + pad(by, 11), DIM)


def _row(view: RunView, look: Look, item: Trouble, cells: int) -> Line:
    worker, more = item.worker, look.glyphs.more
    fg, _ = tone(sign(item))
    line = _lead(view, look, item)
    line.add(pad(task_name(worker, 13), 13, more=more) + " ", Ink("text"))
    line.add(pad(plain(worker.model, 40), 7, more=more) + " ", DIM)
    line.add(pad(turn(worker), 5, "right") + " ", Ink("text"))
    left, by = _ending(view, item, short=True)
    silence = _silence(item)
    line.add(pad(silence, 6, "right") + " ", Ink(fg, bold=True))
    room = cells - line.width - 7 - 1 - 9
    line.add(pad(why_words(view, worker), room, more=more), Ink("text"))
    return line.add(pad(left, 7, "right"), Ink("hi")).add(" " + pad(by, 9), DIM)


def _narrow(view: RunView, look: Look, item: Trouble, cells: int) -> Line:
    worker, more = item.worker, look.glyphs.more
    fg, _ = tone(sign(item))
    line = _lead(view, look, item)
    left, by = _ending(view, item, short=True)
    tail = Line().add(f" {left}", Ink("hi")).add(f" {by}" if by != "goes on" else " again", DIM)
    line.add(short_doing(worker)[:10], Ink("text")).add(f" {_silence(item)}", Ink(fg, bold=True))
    room = cells - line.width - tail.width
    line.add(pad(" " + task_name(worker, room - 1), room, more=more), DIM)
    return line.extend(tail)


def _silence(item: Trouble) -> str:
    """For how long nothing came; empty while it waits on purpose."""
    return (
        "" if item.worker.phase == "backoff" and item.health == "ok" else duration(item.stalled_s)
    )
