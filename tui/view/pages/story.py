"""One attempt as its events tell it: turns, calls, tools, what was said, in the order it happened.

Apart from the drawing because it is a fold of its own, fed by the attempt's events and the bodies
that they point at. Bodies are hostile: they are made harmless here, once.
"""

from dataclasses import dataclass, field
from typing import Any, Final, Literal

from runner import block, ev
from tui.text import plain

MOST_CHARS: Final = 60_000
"""Of one body on the screen; the pager shows all of it."""
NOT_WRITTEN: Final = "(not written yet)"

Kind = Literal["message", "tool", "note"]


@dataclass(slots=True)
class Turn:
    """One turn: its last call, its last tool."""

    turn: int
    latency_s: float | None = None
    first_byte_s: float | None = None
    tool: str = ""
    tool_ok: bool = True
    tool_s: float | None = None
    tool_at: float = 0.0
    """When the tool under way was started; 0 if none is."""
    calls: int = 0
    retries: int = 0


@dataclass(slots=True)
class Item:
    """Something of the conversation: ``head`` is a line, ``text`` may have many."""

    kind: Kind
    turn: int
    at: float
    head: str
    text: str = ""
    body: ev.MessageAdded | None = None
    """The message whose text is not known yet, or was; its words stand in ``text``."""
    running: bool = False


@dataclass(slots=True)
class Call:
    """One request to the model."""

    n: int
    at: float
    first_byte_s: float | None = None
    latency_s: float | None = None
    received_bytes: int = 0
    tokens_in: int = -1
    tokens_out: int = -1
    how: str = ""
    retries: int = 0


@dataclass(slots=True)
class Tool:
    """One use of a tool."""

    turn: int
    at: float
    name: str
    detail: str
    ok: bool = True
    took_s: float | None = None
    error: str = ""


@dataclass(slots=True)
class Story:
    """All of an attempt so far. `add` takes its events in order, each once."""

    attempt_id: str
    started: ev.AttemptStarted | None = None
    running_at: float = 0.0
    ended: ev.AttemptEnded | None = None
    turns: list[Turn] = field(default_factory=list[Turn])
    items: list[Item] = field(default_factory=list[Item])
    calls: list[Call] = field(default_factory=list[Call])
    tools: list[Tool] = field(default_factory=list[Tool])
    output: list[tuple[float, str]] = field(default_factory=list[tuple[float, str]])
    samples: list[ev.Sampled] = field(default_factory=list[ev.Sampled])
    all: list[ev.Event] = field(default_factory=list[ev.Event])
    stacks: str = ""
    """What the processes answered when they were asked for their stacks."""
    version: int = 0
    """Grows with each change: drawn lines are kept until then."""

    def add(self, found: list[ev.Event], texts: dict[int, str]) -> None:
        """Take in events, and the bodies (by offset) that could be read, of earlier ones too."""
        for event in found:
            self.all.append(event)
            step = _STEPS.get(type(event))
            if step is not None:
                step(self, event)
        for item in self.items:
            if item.body is not None and item.text == NOT_WRITTEN and item.body.offset in texts:
                item.text = harmless(texts[item.body.offset])
        self.version += 1

    def take_stacks(self, text: str) -> None:
        """The stacks of all processes came, or the reason why not."""
        self.stacks = harmless(text)
        self.version += 1

    @property
    def turn(self) -> Turn:
        """The turn under way; turn 0 before the first."""
        if not self.turns:
            self.turns.append(Turn(0))
        return self.turns[-1]


def harmless(text: str) -> str:
    """A stranger's text as it may be drawn, cut to `MOST_CHARS`."""
    if len(text) <= MOST_CHARS:
        return block(text)
    more = len(text) - MOST_CHARS
    return block(text[:MOST_CHARS]) + f"\n... {more} more characters: o shows all of it"


def _started(story: Story, event: ev.AttemptStarted) -> None:
    story.started = event


def _running(story: Story, event: ev.AttemptRunning) -> None:
    story.running_at = event.at


def _turn_started(story: Story, event: ev.TurnStarted) -> None:
    story.turns.append(Turn(event.turn))


def _call_started(story: Story, event: ev.CallStarted) -> None:
    if not story.calls or story.calls[-1].n != event.n:
        story.calls.append(Call(event.n, event.at))
        story.turn.calls += 1
    else:
        story.calls[-1].at = event.at


def _first_byte(story: Story, event: ev.FirstByte) -> None:
    story.turn.first_byte_s = event.wait_s
    if story.calls:
        story.calls[-1].first_byte_s = event.wait_s


def _call_ended(story: Story, event: ev.CallEnded) -> None:
    story.turn.latency_s = event.latency_s
    if not story.calls:
        story.calls.append(Call(event.n, event.at - event.latency_s))
    call = story.calls[-1]
    call.latency_s, call.how = event.latency_s, event.how
    call.received_bytes = event.bytes
    call.tokens_in, call.tokens_out = event.tokens_in, event.tokens_out
    if event.how != "ok":
        words = f"call {event.n} ended after {event.latency_s:.1f}s: {plain(event.how, 120)}"
        story.items.append(Item("note", story.turn.turn, event.at, words))


def _backed_off(story: Story, event: ev.BackedOff) -> None:
    story.turn.retries += 1
    if story.calls:
        story.calls[-1].retries += 1
    status = f" {event.status}" if event.status else ""
    words = f"{plain(event.why, 40)}{status}: waits {max(0.0, event.until - event.at):.0f}s"
    words += f", try {event.attempt_no} of {event.attempts}"
    story.items.append(Item("note", story.turn.turn, event.at, words, harmless(event.text)))


def _tool_started(story: Story, event: ev.ToolStarted) -> None:
    turn = story.turn
    turn.tool, turn.tool_at, turn.tool_s = plain(event.tool, 24), event.at, None
    story.tools.append(Tool(turn.turn, event.at, event.tool, event.detail))
    head = f"tool {plain(event.tool, 40)}"
    item = Item("tool", turn.turn, event.at, head, harmless(event.detail), running=True)
    story.items.append(item)


def _tool_ended(story: Story, event: ev.ToolEnded) -> None:
    turn = story.turn
    turn.tool, turn.tool_at = plain(event.tool, 24), 0.0
    turn.tool_ok, turn.tool_s = event.ok, event.elapsed_s
    for tool in reversed(story.tools):
        if tool.name == event.tool and tool.took_s is None:
            tool.ok, tool.took_s, tool.error = event.ok, event.elapsed_s, event.error
            break
    for item in reversed(story.items):
        if item.kind == "tool" and item.running:
            item.running = False
            item.head += f", {event.elapsed_s:.1f}s, {'ok' if event.ok else 'failed'}"
            if event.error:
                item.text += "\n" + harmless(event.error)
            break


def _message(story: Story, event: ev.MessageAdded) -> None:
    head = plain(event.role, 20)
    call = story.calls[-1] if story.calls else None
    if event.role == "assistant" and call is not None and call.latency_s is not None:
        head += f", {call.latency_s:.1f}s"
        if call.tokens_out >= 0:
            head += f", {call.tokens_out} tokens"
    story.items.append(Item("message", event.turn, event.at, head, NOT_WRITTEN, body=event))


def _logged(story: Story, event: ev.Logged) -> None:
    story.output.append((event.at, harmless(event.text)))
    if event.dropped:
        story.output.append((event.at, f"({event.dropped} lines were left out)"))


def _sampled(story: Story, event: ev.Sampled) -> None:
    story.samples.append(event)


def _loop_seen(story: Story, event: ev.LoopSeen) -> None:
    words = f"loop: {plain(event.rule, 30)}, {plain(event.advice, 160)}"
    story.items.append(Item("note", story.turn.turn, event.at, words))


def _kill_requested(story: Story, event: ev.KillRequested) -> None:
    again = ", to run again" if event.retry else ""
    words = f"ended by {plain(event.origin, 40)}{again}"
    story.items.append(Item("note", story.turn.turn, event.at, words))


def _kill_ordered(story: Story, event: ev.KillOrdered) -> None:
    words = f"is being ended: {plain(event.cause, 60)}"
    story.items.append(Item("note", story.turn.turn, event.at, words))


def _ended(story: Story, event: ev.AttemptEnded) -> None:
    story.ended = event
    words = f"ended: {event.outcome} {plain(event.cause, 60)}".rstrip()
    story.items.append(Item("note", story.turn.turn, event.at, words, harmless(event.error)))


_STEPS: Final[dict[type[ev.Event], Any]] = {
    ev.AttemptStarted: _started,
    ev.AttemptRunning: _running,
    ev.TurnStarted: _turn_started,
    ev.CallStarted: _call_started,
    ev.FirstByte: _first_byte,
    ev.CallEnded: _call_ended,
    ev.BackedOff: _backed_off,
    ev.ToolStarted: _tool_started,
    ev.ToolEnded: _tool_ended,
    ev.MessageAdded: _message,
    ev.Logged: _logged,
    ev.Sampled: _sampled,
    ev.LoopSeen: _loop_seen,
    ev.KillRequested: _kill_requested,
    ev.KillOrdered: _kill_ordered,
    ev.AttemptEnded: _ended,
}
