"""What the dialogs say: the facts before an order, and the letters that answer.

Apart from the dialogs so that each sentence is tested as text. A dialog is drawn anew at each
frame, because the attempt that it is about may end by itself meanwhile.
"""

from collections.abc import Sequence

from runner import EndpointState, WorkerState, duration, elapsed_s, plural
from tui.runview import RunView
from tui.text import cut, fitting, plain, wrap
from tui.view.line import DIM, HI, TEXT, Ink, Line, button
from tui.view.look import Look, number, sign_of, tone
from tui.view.words import ends, task_name, then_words, things, turn

Answers = tuple[tuple[str, str, str], ...]
"""(key, label, answer): the first is what enter and esc mean, and leaves things as they are."""

KILL_ANSWERS: Answers = (
    ("enter", "Leave it: enter", ""),
    ("x", "x Kill, do not run again", "kill"),
    ("r", "r Kill + run again", "retry"),
)
_ROOMY = 60
_NAMED = 4
"""Of many attempts so many are named."""


def kill_lines(view: RunView, look: Look, attempt_ids: Sequence[str], cells: int) -> list[Line]:
    """Which attempts, what was spent on them, and what happens if they are left alone."""
    workers = [w for w in view.state.workers if w.attempt_id in set(attempt_ids)]
    if not workers:
        gone = "it has" if len(attempt_ids) == 1 else "they have"
        return [Line().add(f" Nothing to end any more: {gone} ended already.", TEXT)]
    if len(workers) == 1:
        return _one(view, look, workers[0], cells)
    lines = [_many_title(workers)]
    lines += [_named(view, look, worker, cells) for worker in workers[:_NAMED]]
    if len(workers) > _NAMED:
        lines.append(Line().add(f"   and {len(workers) - _NAMED} more", DIM))
    lines.append(Line().add(" Left alone, each ends by its own limits.", DIM))
    return lines


def _one(view: RunView, look: Look, worker: WorkerState, cells: int) -> list[Line]:
    title = Line().add(" End this attempt?", HI)
    roomy = cells >= _ROOMY
    named = _named(view, look, worker, cells - 20 if roomy else cells)
    titles = [title.add("  ").extend(named)] if roomy else [title, named]
    spent = [f"Spent: {duration(elapsed_s(worker, view.now))}", f"turn {turn(worker)}"]
    if worker.tokens_in:
        spent.append(f"{worker.tokens_in + worker.tokens_out:,} tokens")
    if worker.cost >= 0.005:
        spent.append(f"${worker.cost:.2f}")
    left, by = ends(view, worker)
    alone = f" Left alone it ends in {left} ({by}) and {then_words(view, worker)}."
    lines = [*titles, Line().add(" " + fitting(spent, cells - 2, ", "), TEXT)]
    most = 2 if cells >= _ROOMY else 3
    lines += [Line().add(f" {text}", TEXT) for text in wrap(alone.strip(), cells - 2, most)]
    return lines


def _many_title(workers: Sequence[WorkerState]) -> Line:
    cost = sum(worker.cost for worker in workers)
    spent = f"; ${cost:.2f} spent" if cost >= 0.005 else ""
    return Line().add(f" End {plural(len(workers), 'attempt')}?", HI).add(spent, TEXT)


def _named(view: RunView, look: Look, worker: WorkerState, cells: int) -> Line:
    sign = sign_of(view, worker)
    badge = Ink("on_stuck", "stuck", bold=True) if sign == "stuck" else Ink(tone(sign)[0])
    line = Line().add(" ").add(look.glyphs.state[sign], badge)
    line.add(f" {number(view, worker.worker)} ", HI)
    return line.add(cut(task_name(worker), max(10, cells - 10)), Ink("text"))


def answer_lines(answers: Answers, cells: int) -> list[Line]:
    """The answers as buttons, on as many lines as they need."""
    lines = [Line().add(" ")]
    for key, label, answer in answers:
        piece = button(label, f"answer:{answer or key}")
        if lines[-1].width > 1 and lines[-1].width + piece.width + 2 > cells:
            lines.append(Line().add(" "))
        lines[-1].extend(piece).add("  ")
    return lines


def said(text: str, cells: int, *, most: int = 6) -> list[Line]:
    """A sentence, wrapped."""
    return [Line().add(f" {part}", TEXT) for part in wrap(text, cells - 2, most)]


def leave_words(view: RunView) -> str:
    """What leaving means just now."""
    state = view.state
    name = plain(state.run_id, 60) or "this run"
    if state.pauses:
        return (
            f"The run is PAUSED and stays so: nothing new is started until somebody says "
            f"pilot-tui resume {name}. Watch it again: pilot-tui attach {name}"
        )
    return f"The run goes on without this screen. Watch it again: pilot-tui attach {name}"


def left_words(view: RunView) -> str:
    """What is printed once the screen has been left: how the run is, and how to see it again."""
    name = plain(view.state.run_id, 80)
    if not name:
        return ""
    if view.ended:
        return f"the run is {view.state.status}; look at it again: pilot-tui replay {name}"
    if not view.engine.alive:
        return f"the engine of this run is gone; start it again: pilot-tui resume {name}"
    return f"the run goes on; watch it: pilot-tui attach {name}"


def pause_words(view: RunView) -> str:
    """What pausing or going on means."""
    busy = len(view.state.owner)
    if view.state.pauses:
        why = "; ".join(plain(words or cause, 80) for cause, words in view.state.pauses.items())
        return f"The run is paused ({why}). Start new tasks again?"
    return (
        f"Start no new tasks? The {plural(busy, 'attempt')} under way go on and end as usual; "
        f"their limits keep counting."
    )


def rest_words(item: EndpointState) -> str:
    """What pausing one model on one endpoint means."""
    name = f"{plain(item.model, 60)} on {plain(item.endpoint, 60)}"
    if item.paused_why:
        return f"{name} is paused ({plain(item.paused_why, 100)}). Start new tasks there again?"
    return (
        f"Start no new tasks on {name}? What is under way there ({item.busy}) goes on and ends as "
        f"usual; all other models go on."
    )


def stop_words(view: RunView, *, drain: bool) -> str:
    """What stopping means."""
    busy = plural(len(view.state.owner), "attempt")
    left = view.state.tasks_total - len(view.state.done)
    if things(view) == "calls":
        # The script is no child of the engine: it goes on and finds nobody at its door.
        open_calls = plural(len(view.state.owner), "open call")
        end = "when they have ended" if drain else "now; they are ended (killed:stop)"
        return f"Take no new calls and end the run {end}? {open_calls}. What is saved stays saved."
    if drain:
        return f"Start no new tasks and end the run when {busy} under way have ended?"
    return (
        f"End the run now? {busy} under way are ended (killed:stop); "
        f"{plural(left, 'task')} stay undone. What is saved stays saved; resume runs the rest."
    )
