"""The attempt screen, drawn: head, limits, turns, and a page for each tab."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal

from runner import (
    WorkerState,
    count,
    duration,
    elapsed_s,
    ev,
    latency,
    limits_of,
    size,
    stalled_s,
    why,
)
from tui.glyphs import Glyphs
from tui.runview import RunView
from tui.text import clock, cut, pad, plain, width
from tui.view.bars import limit_bar
from tui.view.line import DIM, EDGE, HI, TEXT, Ink, Line, button, rule
from tui.view.look import sign_of, tone
from tui.view.pages.breaking import broken
from tui.view.pages.story import Call, Item, Story
from tui.view.words import ends, most_attempts, ran_s, short_doing, then_words

Tab = Literal["talk", "turns", "calls", "tools", "stack", "output", "events"]
TABS: Final[tuple[Tab, ...]] = ("talk", "turns", "calls", "tools", "stack", "output", "events")
TWO_COLUMNS_FROM: Final = 100
TURNS_CELLS: Final = 37
_COUNTS_FROM: Final = 72


def worker_of(view: RunView, attempt_id: str) -> WorkerState | None:
    """The worker that the attempt owns now; None once it has ended."""
    number = view.state.owner.get(attempt_id)
    return None if number is None else view.state.workers[number]


def tabs_for(cells: int) -> tuple[Tab, ...]:
    """The turns have a column of their own where there is room for it."""
    return tuple(tab for tab in TABS if tab != "turns") if cells >= TWO_COLUMNS_FROM else TABS


def head_lines(view: RunView, story: Story, glyphs: Glyphs, cells: int) -> list[Line]:
    """Who it is, how it does, what ends it; then its limits. Three lines."""
    worker = worker_of(view, story.attempt_id)
    if worker is None:
        return _ended_head(story, cells)
    sign = sign_of(view, worker)
    fg, _ = tone(sign)
    badge = Ink("on_stuck", "stuck", bold=True) if sign == "stuck" else Ink(fg)
    line = Line().add(" ").add(glyphs.state[sign], badge)
    line.add(f" {worker.worker:03d} ", HI).add(plain(worker.task_id, 48), HI)
    line.add(f"   {plain(worker.model, 30)} on {plain(worker.endpoint, 24)}", DIM)
    line.add(f"   attempt {worker.attempt} of {most_attempts(view)}", DIM)
    stalled = stalled_s(worker, view.now)
    state = f"{sign.upper()} {duration(stalled)}" if sign in ("stuck", "slow") else ""
    words = f"{state} in {short_doing(worker)}" if state else short_doing(worker)
    tail = _ending(view, worker, cells)
    then = f", {then_words(view, worker)}" if tail.width else ""
    if line.width + tail.width + len(then) + 1 <= cells:
        tail.add(then, DIM)
    line.fit(cells - tail.width - 1)
    second = Line().add(" ").add(words, Ink(fg, bold=sign == "stuck"))
    reason = why(view.state, worker, view.now)
    if reason:
        second.add(": ", TEXT).add(cut(reason, cells - second.width - 1, glyphs.more), TEXT)
    return [
        line.extend(tail).fit(cells),
        second.fit(cells),
        _limits(view, worker, glyphs, cells).fit(cells),
    ]


def _ending(view: RunView, worker: WorkerState, cells: int) -> Line:
    """``ends in 10m54s (attempt limit)``: at the right end of the title, where nothing cuts it."""
    left, by = ends(view, worker)
    line = Line()
    if left:
        line.add(" ends in ", DIM).add(left, HI)
        line.add(f" ({by})" if cells >= TWO_COLUMNS_FROM else "", DIM)
    return line


def _ended_head(story: Story, cells: int) -> list[Line]:
    line = Line().add(" ")
    if story.started is not None:
        line.add(f"{story.started.worker:03d} ", DIM).add(plain(story.started.task_id, 48), HI)
        line.add(f"   {plain(story.started.model, 30)} on {plain(story.started.endpoint, 24)}", DIM)
        line.add(f"   attempt {story.started.attempt}", DIM)
    else:
        line.add(plain(story.attempt_id, 60), HI)
    second = Line().add(" ")
    third = Line().add(" ")
    if story.ended is not None:
        end = story.ended
        role = end.outcome if end.outcome in ("passed", "partial", "failed") else "not_scored"
        second.add(f"ended {clock(end.at)}: ", DIM).add(
            plain(end.outcome, 20), Ink(role, bold=True)
        )
        second.add(f" {plain(end.cause, 40)}", Ink(role))
        if end.score is not None:
            second.add(f"  score {end.score:.2f}", TEXT)
        again = {"requeued": "its task runs again", "alone": "its task runs again, alone"}
        second.add(f"  {again.get(end.then, '')}", DIM)
        third.add(f"took {duration(end.elapsed_s)}   turns {end.turns}   calls {end.calls}", DIM)
        third.add(f"   {count(end.tokens_in)}+{count(end.tokens_out)} tokens", DIM)
        third.add(f"   back-off {duration(end.backoff_s)}", DIM)
    else:
        words = (
            "its end is not in the log" if story.started else "the log does not tell of it (yet)"
        )
        second.add(words, DIM)
    return [line.fit(cells), second.fit(cells), third.fit(cells)]


def _limits(view: RunView, worker: WorkerState, glyphs: Glyphs, cells: int) -> Line:
    limits = limits_of(view.state.plan, worker.model)
    bar = 16 if cells >= TWO_COLUMNS_FROM else 8
    ran = ran_s(view, worker)
    line = Line().add(" attempt ", DIM).extend(limit_bar(ran / limits.attempt, bar, glyphs))
    line.add(f" {duration(ran)}/{duration(limits.attempt)}", TEXT)
    for part in _spent(view, worker, glyphs, bar, cells):
        if line.width + part.width + 3 <= cells:
            line.add("   ").extend(part)
    return line


def _spent(
    view: RunView, worker: WorkerState, glyphs: Glyphs, bar: int, cells: int
) -> Iterator[Line]:
    """What else of its limits is used up, each to be drawn whole or not at all."""
    if worker.max_turns:
        line = Line().add("turns ", DIM)
        line.extend(limit_bar(worker.turn / worker.max_turns, bar, glyphs))
        yield line.add(f" {worker.turn}/{worker.max_turns}", TEXT)
    most = limits_of(view.state.plan, worker.model).retry_total
    waited = f"{duration(worker.backoff_s)}/{duration(most)}"
    yield Line().add("back-off ", DIM).add(waited, TEXT)
    if cells >= TWO_COLUMNS_FROM:
        yield Line().add(f"${worker.cost:.2f}", TEXT)
        yield Line().add(f"{count(worker.tokens_in)}+{count(worker.tokens_out)} tokens", TEXT)
        yield Line().add(f"{duration(elapsed_s(worker, view.now))} in all", DIM)


def tab_line(tab: Tab, story: Story, cells: int, *, following: bool, search: str) -> Line:
    """The tabs, each to be clicked; what follows and what is searched at the right."""
    counts = {
        "calls": len(story.calls),
        "tools": len(story.tools),
        "output": len(story.output),
        "events": len(story.all),
    }
    line = Line().add(" ")
    gap = " " if cells >= TWO_COLUMNS_FROM else ""
    names = [(name, f" {name}{_number(counts, name, cells)} ") for name in tabs_for(cells)]
    while names and sum(len(words) for _, words in names) + 1 > cells:
        names.pop(0 if names[0][0] != tab else -1)  # the one that is open is always there
    for name, words in names:
        ink = Ink("hi", "select", bold=True) if name == tab else DIM
        line.add(words, ink, f"tab:{name}").add(gap)
    found = f"/ {plain(search, 20)}  " if search else ""
    state = "on" if following else "off"
    for words in (f"follow {state} (f)", f"f {state}"):
        right = Line().add(found, Ink("accent")).add(words, TEXT if following else DIM)
        if line.width + right.width + 1 <= cells:
            return line.to(cells - right.width - 1).extend(right).fit(cells, EDGE)
    return line.fit(cells, EDGE)


def _number(counts: Mapping[str, int], name: str, cells: int) -> str:
    """How many there are, where there is room to say so."""
    return f" {counts[name]}" if counts.get(name) and cells >= _COUNTS_FROM else ""


def buttons_line(view: RunView, story: Story, cells: int) -> Line:
    """What can be done with it."""
    worker = worker_of(view, story.attempt_id)
    on = view.acting and worker is not None and worker.phase != "killing"
    again = "r kill + run again" if worker and cells >= _COUNTS_FROM else "r run again"
    line = Line()
    for label, key, works in (
        ("x kill", "kill", on),
        (again, "retry", on),
        ("s stack now", "stack", on),
        ("o pager", "pager", True),
        ("y copy", "copy", True),
    ):
        piece = button(label, f"key:{key}", on=works)
        if line.width + piece.width + 2 <= cells:
            line.add("  " if line.width else " ").extend(piece)
    rest = "n next trouble   <- -> other attempts"
    if line.width + len(rest) + 2 <= cells:
        line.to(cells - len(rest) - 1).add(rest, DIM)
    return line.fit(cells)


# ------------------------------------------------------------------------------------------- turns


def turn_lines(story: Story, now: float, glyphs: Glyphs, cells: int) -> list[Line]:
    """Call, first byte, tool of each turn; the one under way last."""
    heads = Line().add(pad("turn", 5, "right"), DIM).add(pad("call", 6, "right"), DIM)
    heads.add(pad("byte", 6, "right") + " tool     took", DIM)
    lines = [heads.fit(cells)]
    for turn in story.turns:
        last = turn is story.turns[-1] and story.ended is None
        line = Line().add(glyphs.pointer if last else " ", HI).add(f"{turn.turn:>3} ", HI)
        line.add(pad(latency(turn.latency_s), 6, "right"), TEXT)
        line.add(pad(latency(turn.first_byte_s), 6, "right") + " ", DIM)
        line.add(pad(turn.tool, 8, more=glyphs.more) + " ", TEXT)
        if turn.tool_at and story.ended is None:
            line.add(f"... {duration(now - turn.tool_at)}", Ink("slow"))
        elif turn.tool_s is not None:
            line.add("ok " if turn.tool_ok else "no ", DIM if turn.tool_ok else Ink("slow"))
            line.add(latency(turn.tool_s), TEXT)
        if turn.retries:
            line.add(f" {turn.retries}x again", Ink("backoff"))
        lines.append(line.fit(cells))
    return lines


# -------------------------------------------------------------------------------------------- tabs


def page_lines(tab: Tab, view: RunView, story: Story, glyphs: Glyphs, cells: int) -> Sequence[Line]:
    """All lines of a tab, ``cells`` wide."""
    match tab:
        case "talk":
            return _talk(story, glyphs, cells)
        case "turns":
            return turn_lines(story, view.now, glyphs, cells)
        case "calls":
            return [_call_head(cells), *(_call(call, cells) for call in story.calls)]
        case "tools":
            return _tools(story, cells)
        case "stack":
            return _stack(view, story, cells)
        case "output":
            return _output(story, cells)
        case "events":
            return [_event(event, cells) for event in story.all]


_ROLE_INK: Final = {"assistant": "accent", "system": "dim", "user": "hi", "tool": "partial"}


def _talk(story: Story, glyphs: Glyphs, cells: int) -> list[Line]:
    lines: list[Line] = []
    turn = -1
    for item in story.items:
        if item.turn != turn:
            turn = item.turn
            lines.append(rule(Line().add(f"turn {turn}", DIM), cells, glyphs.dash))
        lines += _item(item, cells)
    return lines or [Line().add("  nothing was said yet", DIM).fit(cells)]


def _item(item: Item, cells: int) -> list[Line]:
    words, _, more = item.head.partition(",")
    role = _ROLE_INK.get(words.split(" ")[0], "text") if item.kind != "note" else "slow"
    head = Line().add(f" {words}", Ink(role, bold=item.kind == "message"))
    head.add(f" {clock(item.at)}" + (f",{more}" if more else ""), DIM)
    if item.running:
        head.add(", has not returned", Ink("slow"))
    lines = [head.fit(cells)]
    if item.text:
        lines += [
            Line().add("   " + part, TEXT).fit(cells) for part in broken(item.text, cells - 4)
        ]
    return lines


def _call_head(cells: int) -> Line:
    head = "   n  sent      1st byte    took     bytes   tokens in/out  again  ended"
    return Line().add(head, DIM).fit(cells)


def _call(call: Call, cells: int) -> Line:
    line = Line().add(f"{call.n:>4}  {clock(call.at)}  ", TEXT)
    line.add(pad(latency(call.first_byte_s), 8, "right"), DIM)
    line.add(pad(latency(call.latency_s), 8, "right"), HI)
    line.add(pad(size(call.received_bytes), 10, "right"), TEXT)
    tokens = f"{max(0, call.tokens_in)}/{max(0, call.tokens_out)}" if call.tokens_in >= 0 else ""
    line.add(pad(tokens, 16, "right"), TEXT)
    line.add(pad(str(call.retries or ""), 7, "right"), Ink("backoff"))
    ink = DIM if call.how in ("ok", "") else Ink("not_scored")
    return line.add("  " + (plain(call.how, 80) or "under way"), ink).fit(cells)


def _tools(story: Story, cells: int) -> list[Line]:
    lines = [Line().add(" turn  at        tool              took  what", DIM).fit(cells)]
    for tool in story.tools:
        line = Line().add(f"{tool.turn:>5}  {clock(tool.at)}  ", DIM)
        line.add(pad(plain(tool.name, 40), 14) + " ", TEXT)
        took = latency(tool.took_s) if tool.took_s is not None else "..."
        line.add(pad(took, 7, "right") + "  ", HI)
        line.add("" if tool.ok else "failed: ", Ink("slow"))
        line.add(plain(tool.error or tool.detail, 400), TEXT)
        lines.append(line.fit(cells))
    return lines


def _stack(view: RunView, story: Story, cells: int) -> list[Line]:
    worker = worker_of(view, story.attempt_id)
    lines: list[Line] = []
    if worker is not None:
        for pid, command in worker.children.items():
            lines.append(Line().add(f" process {pid}: ", DIM).add(plain(command, 300), TEXT))
        if worker.frame:
            lines.append(Line().add(" now at ", DIM).add(plain(worker.frame, 300), HI))
        if view.acting and not story.stacks:
            lines.append(Line().add(" s asks all processes for their stacks", DIM))
    lines.append(Line().add(" seen while it made no progress, newest first:", DIM))
    for sample in reversed(story.samples):
        line = Line().add(f"  {clock(sample.at)}  CPU {sample.cpu * 100:>3.0f}%  ", DIM)
        line.add(plain(sample.waits_for, 40) + "  ", Ink("slow"))
        lines.append(line.add(plain(sample.frame, 300), TEXT))
    if not story.samples:
        lines.append(Line().add("  nothing: it always made progress", DIM))
    if story.stacks:
        lines.append(Line().add(" stacks of all processes:", DIM))
        lines += [Line().add("  " + part, TEXT) for part in broken(story.stacks, cells - 3)]
    return [line.fit(cells) for line in lines]


def _output(story: Story, cells: int) -> list[Line]:
    lines: list[Line] = []
    for at, text in story.output:
        for place, part in enumerate(broken(text, cells - 12)):
            lead = f" {clock(at)}  " if place == 0 else " " * 11
            lines.append(Line().add(lead, DIM).add(part, TEXT).fit(cells))
    return lines or [Line().add("  it printed nothing", DIM).fit(cells)]


def _event(event: ev.Event, cells: int) -> Line:
    text = ev.encode(event).decode("utf-8", "replace")
    name = type(event).__name__
    line = Line().add(f" {clock(event.at)}  {pad(name, 16)} ", HI)
    return line.add(plain(text, max(0, 2 * (cells - width(line.text)))), DIM).fit(cells)
