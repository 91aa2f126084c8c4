"""The inspector: all that is known of the worker under the pointer, and its buttons."""

from runner import WorkerState, count, doing, duration, latency, stalled_s, why
from tui.runview import RunView
from tui.text import clock, cut, plain
from tui.view.bars import limit_bar
from tui.view.line import DIM, EDGE, HI, TEXT, Ink, Line, button, rule
from tui.view.look import Look, number, sign_of, tone
from tui.view.words import attempt_limit_s, ends, most_attempts, ran_s, task_name, then_words, turn


def selected_worker(view: RunView, look: Look) -> WorkerState | None:
    """The worker under the pointer; None where there is none."""
    workers = view.state.workers
    return workers[look.selected] if 0 <= look.selected < len(workers) else None


def inspector_lines(view: RunView, look: Look, cells: int, lines: int) -> list[Line]:
    """Five lines, two on a small screen, one (buttons only) on a phone."""
    if lines <= 0:
        return []
    worker = selected_worker(view, look)
    if worker is None:
        drawn = [Line()]
    elif lines == 1:
        drawn = [buttons(view, worker, phone=True)]
    elif lines < 5:
        drawn = [_short(view, look, worker, cells), buttons(view, worker)]
    else:
        drawn = [_title(view, look, worker, cells)]
        drawn += _detail(view, look, worker, cells) if worker.busy else _idle(view)
        drawn += [buttons(view, worker, roomy=True)]
    drawn += [Line() for _ in range(lines - len(drawn))]
    return [line.fit(cells) for line in drawn]


def buttons(
    view: RunView, worker: WorkerState, *, phone: bool = False, roomy: bool = False
) -> Line:
    """What can be done with the attempt; dead where acting is off or nothing runs."""
    on = view.acting and worker.busy and worker.phase != "killing"
    there = worker.busy
    line = Line().add(" ").extend(button("x kill", f"kill:{worker.attempt_id}", on=on)).add("  ")
    again = "r run again" if phone else "r kill + run again"
    line.extend(button(again, f"retry:{worker.attempt_id}", on=on)).add("  ")
    line.extend(button("enter open", f"open:{worker.attempt_id}", on=there))
    if roomy:
        line.add("  ").extend(button("s stack", f"stack:{worker.attempt_id}", on=on)).add("  ")
        line.extend(button("y copy", f"copy:{worker.attempt_id}", on=there))
    if not phone:
        line.add("  ").extend(button("n next", "next_trouble"))
    return line


def _short(view: RunView, look: Look, worker: WorkerState, cells: int) -> Line:
    line = Line().add(f" {number(view, worker.worker)} ", HI)
    if not worker.busy:
        return line.add("idle", DIM)
    line.add(task_name(worker) + " ", Ink("text"))
    left, by = ends(view, worker)
    tail = Line().add(f" ends in {left}", DIM) if left else Line()
    state, ink = _state(view, worker)
    line.add(state + ": ", ink)
    words = why(view.state, worker, view.now) or doing(worker)
    line.add(cut(words, cells - line.width - tail.width - 1, look.glyphs.more), TEXT)
    if line.width + tail.width + len(by) + 5 <= cells:
        tail.add(f" by {by}", DIM)
    return line.to(cells - tail.width - 1).extend(tail)


def _title(view: RunView, look: Look, worker: WorkerState, cells: int) -> Line:
    sign = sign_of(view, worker)
    fg, _ = tone(sign)
    badge = Ink("on_stuck", "stuck", bold=True) if sign == "stuck" else Ink(fg)
    title = Line().add(look.glyphs.state[sign], badge)
    title.add(f" {number(view, worker.worker)} ", HI)
    if worker.busy:
        title.add(task_name(worker), HI)
        where = plain(worker.endpoint, 24)
        if worker.deployment not in ("", worker.model):
            where += f" ({plain(worker.deployment, 24)})"
        title.add(f"   {plain(worker.model, 32)} on {where}", TEXT)
        title.add(f"   attempt {worker.attempt} of {most_attempts(view)}", DIM)
        title.add(f"   turn {turn(worker)}", TEXT)
    right = Line().add(f"process {worker.host}", DIM) if worker.host >= 0 else None
    return rule(title, cells, look.glyphs.dash, right)


def _idle(view: RunView) -> list[Line]:
    ended = view.state.status in ("finished", "stopped")
    words = " The run has ended." if ended else " Idle: waits for a task."
    return [Line().add(words, DIM), Line(), Line()]


def _state(view: RunView, worker: WorkerState) -> tuple[str, Ink]:
    sign = sign_of(view, worker)
    fg, _ = tone(sign)
    silent = stalled_s(worker, view.now)
    if sign in ("stuck", "slow"):
        return f"{sign.upper()} {duration(silent)}", Ink(fg, bold=True)
    return doing(worker), Ink("text" if fg == "dim" else fg)


def _detail(view: RunView, look: Look, worker: WorkerState, cells: int) -> list[Line]:
    return [_why(view, worker, cells), _alone(view, look, worker), _spent(look, worker)]


def _why(view: RunView, worker: WorkerState, cells: int) -> Line:
    state, ink = _state(view, worker)
    line = Line().add(" ").add(state, ink).add(": ", ink)
    line.add(why(view.state, worker, view.now) or "no more is known", TEXT)
    silent = stalled_s(worker, view.now)
    if worker.sampled_at and silent >= 2:
        words = f"; CPU {worker.cpu * 100:.0f}%"
        words += f", nothing since {clock(worker.progress_at)}"
        if line.width + len(words) < cells:
            line.add(words, DIM)
    if worker.loop_rule and line.width + 30 < cells:
        line.add(f"   loop rule {worker.loop_rule}: {plain(worker.loop_advice, 60)}", Ink("slow"))
    return line


def _alone(view: RunView, look: Look, worker: WorkerState) -> Line:
    left, by = ends(view, worker)
    if worker.phase == "killing":
        step = f" (step: {worker.rung})" if worker.rung else ""
        return Line().add(f" Being ended for {duration(view.now - worker.killing_at)}{step}.", TEXT)
    ran, limit = ran_s(view, worker), attempt_limit_s(view, worker)
    line = Line().add(" Left alone: ", DIM).add(f"ends in {left}", HI).add(f" by the {by} ", TEXT)
    line.extend(limit_bar(ran / limit, 14, look.glyphs))
    line.add(f" {duration(ran)} of {duration(limit)}", TEXT)
    return line.add(f", then {then_words(view, worker)}.", DIM)


def _spent(look: Look, worker: WorkerState) -> Line:
    calls = " ".join(latency(seconds) for seconds in worker.latencies[-6:]) or "none yet"
    line = Line().add(" calls ", DIM).add(calls, TEXT).add(f" {look.glyphs.divide} ", EDGE)
    line.add(f"{count(worker.tokens_in)}", TEXT).add(" tokens in, ", DIM)
    line.add(f"{count(worker.tokens_out)}", TEXT).add(" out", DIM)
    if worker.cost >= 0.005:
        line.add(f", ${worker.cost:.2f}", TEXT)
    line.add(f" {look.glyphs.divide} ", EDGE).add("repeated calls ", DIM)
    line.add(str(worker.call_retries), Ink("backoff" if worker.call_retries else "text"))
    if worker.backoff_s:
        line.add(f", waited {duration(worker.backoff_s)}", DIM)
    return line
