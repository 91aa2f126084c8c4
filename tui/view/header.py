"""The head of a run's screens: who it is, the verdict, the outcomes, what is saved.

On the run screen line 2 is the verdict, always, and the lines below it are the totals that a person
looks for first. On the lists the verdict stands on top.
"""

from runner import (
    ENGINE_LATE_S,
    Verdict,
    count,
    duration,
    eta_s,
    not_scored,
    productive,
    run_elapsed_s,
    run_state,
    size,
    tasks_per_s,
    verdict,
)
from tui.glyphs import Glyphs
from tui.runview import RunView
from tui.text import cut, fitting, plain, resample, sparkline, wrap
from tui.view.bars import shares_bar
from tui.view.endpoints import endpoint_lines, endpoint_summary
from tui.view.line import DIM, EDGE, HI, TEXT, Ink, Line, button
from tui.view.look import in_trouble
from tui.view.words import things

_ROOMY = 100
"""From so many cells on, words are written out."""


def header_lines(
    view: RunView, glyphs: Glyphs, cells: int, *, tall: bool, endpoints: int
) -> list[Line]:
    """Title, verdict and totals: 4 lines, or 5 + ``endpoints`` where the screen is tall."""
    lines = [title_line(view, cells), verdict_line(view, cells)]
    if tall:
        lines += [outcome_line(view, glyphs, cells), totals_line(view, glyphs, cells)]
        lines += endpoint_lines(view, glyphs, cells, endpoints)
    else:
        lines += [totals_line(view, glyphs, cells), endpoint_summary(view, glyphs, cells)]
    return [line.fit(cells) for line in lines]


def phone_header(view: RunView, cells: int) -> list[Line]:
    """Four lines: the title, and the verdict in three."""
    said = say(view)
    words = wrap(_sign(said) + said.text, cells - 2, 3)
    lines = [title_line(view, cells)]
    lines += [Line().add(" ").add(text, _verdict_ink(said)) for text in words]
    lines += [Line() for _ in range(4 - len(lines))]
    return [_grounded(line, said, cells, row) for row, line in enumerate(lines)]


def phone_totals(view: RunView, glyphs: Glyphs, cells: int) -> list[Line]:
    """Two lines of totals for one column."""
    rows = view.state.rows
    first = Line().add(" saved ", DIM).add(f"{rows.written}/{_rows(view)}", TEXT)
    first.add(_age(view), DIM).add(f" {glyphs.divide} ", EDGE)
    first.add("unscored ", DIM).add(f"{not_scored(view.state)}", Ink("not_scored"))
    second = Line().add(" ").extend(_productive(view)).add(f" {glyphs.divide} ", EDGE)
    second.add(f"{tasks_per_s(view.state, view.now) * 60:.1f}", TEXT).add("/min ", DIM)
    if second.width + 3 + len(_money(view)) <= cells:
        second.add(f"{glyphs.divide} ", EDGE).add(_money(view), TEXT)
    return [first.fit(cells), second.fit(cells)]


def say(view: RunView) -> Verdict:
    """The verdict on this moment."""

    def work() -> Verdict:
        return verdict(view.state, view.now, view.engine, in_trouble(view))

    return view.once("verdict", work)


def _sign(said: Verdict) -> str:
    return "" if said.alarm == "calm" else "! "


def _verdict_ink(said: Verdict) -> Ink:
    if said.alarm == "needs_you":
        return Ink("on_alarm", "alarm", bold=True)
    if said.alarm == "trouble":
        return Ink("hi", bold=True)
    return Ink("hi") if said.alarm == "notice" else Ink("text")


def _grounded(line: Line, said: Verdict, cells: int, row: int) -> Line:
    if said.alarm == "needs_you" and row:
        return line.on("alarm").fit(cells, Ink("on_alarm", "alarm"))
    return line.fit(cells)


def title_line(view: RunView, cells: int) -> Line:
    """Name, id, state, progress, estimate; the engine's pulse at the right."""
    state = view.state
    right = engine_words(view)
    line = Line().add(" ").add(plain(state.name, 40) or "run", HI)
    line.add(" " + cut(plain(state.run_id, 40), 24), DIM)
    status = run_state(state, view.engine)
    gap = "   " if cells >= _ROOMY else " "
    line.add(f"{gap}{status.upper()}", Ink("hi" if status in ("paused", "draining") else "text"))
    line.add(f" {duration(run_elapsed_s(state, view.now))}", TEXT)
    done, total = len(state.done), state.tasks_total
    share = f" {100 * done // max(1, total)}%"
    if things(view) == "calls":
        # Nobody knows how many calls a script will make: there is no share and no end in sight.
        line.add(gap).add(f"{done}", HI).add(f" {things(view, done)} ended", DIM)
    elif cells >= _ROOMY:
        line.add(gap).add(f"{done}", HI).add(f" of {total} tasks", DIM).add(share, TEXT)
    else:
        line.add(gap).add(f"{done}/{total}", HI).add(share, TEXT)
    left = eta_s(state, view.now) if things(view) == "tasks" else None
    if left and line.width + right.width + 22 <= cells:
        words = f"about {duration(left)} left" if left < 86400 * 9 else "more than a week left"
        line.add(gap + words, DIM)
    return line.to(cells - right.width - 1).extend(right)


def engine_words(view: RunView) -> Line:
    """``engine ok``; late from one second on. Nothing is said of an engine that is not expected."""
    if view.kind == "replay":
        return Line().add("REPLAY", Ink("accent", bold=True))
    if view.state.status in ("finished", "stopped"):
        return Line().add("engine has ended", DIM)
    if not view.engine.alive:
        return Line().add("engine gone", Ink("stuck", bold=True))
    if view.engine.silent_s >= ENGINE_LATE_S:
        return Line().add(f"engine late {duration(view.engine.silent_s)}", Ink("slow"))
    return Line().add("engine ok", DIM)


def verdict_line(view: RunView, cells: int) -> Line:
    """The sentence, as many of its parts as fit whole."""
    said = say(view)
    line = Line().add(" ")
    ink = _verdict_ink(said)
    restart = Line()
    if said.alarm == "needs_you" and not view.engine.alive and not view.read_only:
        restart.extend(button("R start again", "start_engine")).add(" ", ink)
    if said.alarm == "trouble":
        line.add("!", Ink("on_stuck", "stuck", bold=True)).add(" ")
    elif said.alarm != "calm":
        line.add("! ", ink)
    parts = said.text.replace("; ", ";\x1f").replace(". ", ".\x1f").split("\x1f")
    text = fitting(parts, cells - line.width - restart.width - 1)
    if said.alarm == "trouble":
        head, mark, rest = text.partition(". ")
        line.add(head + mark, ink).add(rest, TEXT)
    else:
        line.add(text, ink)
    if said.alarm == "needs_you":
        line.on("alarm").fit(cells - restart.width, Ink("on_alarm", "alarm"))
    elif view.state.pauses:
        line.on("slow_bg").fit(cells, Ink("slow", "slow_bg"))
    return line.extend(restart)


def outcome_line(view: RunView, glyphs: Glyphs, cells: int) -> Line:
    """The bar of outcomes and its numbers."""
    state = view.state
    of = state.outcomes.get
    lost = not_scored(state)
    legend = Line()
    for name in ("passed", "partial", "failed"):
        words = (
            f"  {glyphs.outcome[name]} " if cells < _ROOMY else f"  {glyphs.outcome[name]} {name} "
        )
        legend.add(words, Ink(name)).add(str(of(name, 0)), Ink("text"))
    legend.add(f"  {glyphs.divide}  ", EDGE)
    ink = Ink("not_scored")
    legend.add("not scored ", ink, "screen:5").add(str(lost), ink, "screen:5").add(" ")
    parts = [(name, of(name, 0)) for name in ("passed", "partial", "failed")]
    parts += [("not_scored", lost), ("running", state.running_tasks)]
    bar = shares_bar(parts, state.tasks_total, max(8, cells - legend.width - 2), glyphs)
    return Line().add(" ").extend(bar).to(cells - legend.width).extend(legend)


def totals_line(view: RunView, glyphs: Glyphs, cells: int) -> Line:
    """Saved counter, speed, productive workers over the run, tokens, money, machine."""
    roomy = cells >= _ROOMY
    state = view.state
    parts = [_saved(view, roomy=roomy)]
    rate = tasks_per_s(state, view.now) * 60
    parts.append(
        Line().add(f"{rate:.1f}", TEXT).add(f" {things(view)}/min" if roomy else "/min", DIM)
    )
    if roomy or state.tasks_total == 0:
        history = resample([p / max(1, busy) for _, p, busy in state.productive], 12)
        spark = Line().extend(_productive(view))
        if len(history) > 1:
            spark.add(" ").add(sparkline(history, glyphs.levels), Ink("spark"))
        parts.append(spark)
        tokens = count(state.totals.tokens_in + state.totals.tokens_out)
        parts.append(Line().add(tokens, TEXT).add(" tokens ", DIM).add(_money(view), TEXT))
    else:
        parts.append(Line().add(_money(view), TEXT))
        lost = not_scored(state)
        parts.append(Line().add("not scored ", DIM).add(str(lost), Ink("not_scored")))
    if state.free_bytes:
        parts.append(Line().add("disk ", DIM).add(_short_size(state.free_bytes), TEXT))
    rss = state.engine_rss_bytes + sum(host.rss_bytes for host in state.hosts.values())
    if rss:
        parts.append(Line().add("mem ", DIM).add(_short_size(rss), TEXT))
    line = Line().add(" ")
    for part in parts:
        if line.width + part.width + 3 > cells:
            break
        if line.width > 1:
            line.add(f" {glyphs.divide} ", EDGE)
        line.extend(part)
    return line


def _short_size(number: float) -> str:
    """``88GB``, ``3.1GB``."""
    return size(number).replace(" ", "").replace(".0", "")


def _saved(view: RunView, *, roomy: bool) -> Line:
    """The live Parquet counter; red when rows wait and nothing is written."""
    rows = view.state.rows
    waiting = len(view.state.awaited)
    ink = Ink("stuck", bold=True) if rows.error else HI
    line = Line().add("saved ", DIM)
    line.add(f"{rows.written} of {_rows(view)}" if roomy else f"{rows.written}/{_rows(view)}", ink)
    if roomy:
        line.add(f", {waiting} waiting", Ink("stuck") if rows.error else DIM)
    return line.add(_age(view), DIM)


def _rows(view: RunView) -> int:
    """Rows that there are to save so far."""
    return view.state.rows.written + len(view.state.awaited)


def _age(view: RunView) -> str:
    """When rows were last written, in words; empty before the first."""
    at = view.state.rows.last_write_at
    return f", {duration(view.now - at)} ago" if at else ""


def _productive(view: RunView) -> Line:
    """Workers with progress within slow_after, of those that have a task."""
    busy = len(view.state.owner)
    doing = productive(view.state, view.now)
    ink = Ink("slow") if busy and doing < busy / 2 else TEXT
    return Line().add("productive ", DIM).add(f"{doing}/{busy}", ink)


def _money(view: RunView) -> str:
    """What it cost, and the brake on that."""
    totals, plan = view.state.totals, view.state.plan
    most = plan.stop.cost if plan else 0
    if not totals.cost and not most:
        return f"{count(totals.calls)} calls"
    spent = f"${totals.cost:.0f}" if totals.cost >= 10 else f"${totals.cost:.2f}"
    return f"{spent} of ${most:.0f}" if most else spent
