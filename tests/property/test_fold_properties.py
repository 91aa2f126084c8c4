"""The fold is total: any events in any order leave a state that can be drawn, and that adds up."""

import json
import typing
from collections.abc import Iterator
from typing import Any

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st
from support.story import BEGAN, Story, plan_of

from runner.core import events as ev
from runner.core.outcomes import OUTCOMES, PHASES
from runner.core.state import State, apply, endpoint_key, fold
from runner.core.state.snapshot import copy_state
from runner.core.status import status
from runner.core.verdict import EngineSeen, verdict

TASKS = ("t0", "t1", "t2", "t3", "t4")
ATTEMPTS = (*(f"{task}.{number}" for task in TASKS[:3] for number in (1, 2)), "nobody's")
WORDS = st.sampled_from(["", "m", "e", "d", "a\x1fb", "\x1b[2J", "x\u202ey", "deadline:call"])
HUGE = st.sampled_from([-1, 0, 1, 10**12])

BY_NAME: dict[str, st.SearchStrategy[Any]] = {
    "task_id": st.sampled_from(TASKS),
    "attempt_id": st.sampled_from(ATTEMPTS),
    "worker": st.integers(-1, 5) | st.just(10**12),
    "workers": st.lists(st.integers(-1, 5), max_size=4),
    "host": st.integers(-1, 2),
    "attempt": st.integers(0, 3),
    "row": st.integers(0, 12),
    "first": st.integers(-1, 12),
    "last": st.integers(0, 12) | st.just(10**15),
    "outcome": st.sampled_from(OUTCOMES),
    "target": st.integers(-1, 6) | st.just(10**12),
    "tasks_total": st.just(len(TASKS)),
    "plan": st.builds(plan_of, workers=st.integers(0, 5)),
    "cause": st.sampled_from(["", "killed:user", "error:FrozeHost", "engine_lost", "new:cause"]),
    "model": WORDS,
    "endpoint": WORDS,
    "deployment": WORDS,
    "seq": st.just(0),
    "at": st.just(0.0),
}
BY_TYPE: dict[Any, st.SearchStrategy[Any]] = {
    str: WORDS,
    bool: st.booleans(),
    int: st.integers(0, 20) | HUGE,
    float: st.floats(-10, 1e6) | st.just(BEGAN),
}


def values(name: str, kind: Any) -> st.SearchStrategy[Any]:
    """Values for a field: by its name where that means something, else by its type."""
    if typing.get_origin(kind) is typing.Literal:
        return st.sampled_from(typing.get_args(kind))
    if name in BY_NAME:
        return BY_NAME[name]
    return BY_TYPE[kind] if kind in BY_TYPE else _composed(kind)


def _composed(kind: Any) -> st.SearchStrategy[Any]:
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin is list:
        return st.lists(values("", args[0]), max_size=3)
    if origin is dict:
        return st.just({})
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return structs(kind)
    return st.one_of(*(st.none() if arg is type(None) else values("", arg) for arg in args))


def structs(kind: type[msgspec.Struct]) -> st.SearchStrategy[Any]:
    """Any value of a struct."""
    hints = typing.get_type_hints(kind)
    fields = {name: values(name, hints[name]) for name in kind.__struct_fields__}
    return st.tuples(*fields.values()).map(
        lambda found: kind(**dict(zip(fields, found, strict=True)))
    )


EVENTS = st.one_of(*(structs(kind) for kind in ev.EVENT_TYPES), structs(ev.Unknown))
BUSY = st.one_of(
    *(structs(kind) for kind in (ev.AttemptStarted, ev.AttemptEnded, ev.RowsWritten, ev.TaskQueued))
)
MOMENTS = st.lists(st.tuples(EVENTS | BUSY, st.floats(0, 100)), max_size=40)


def numbered(moments: list[tuple[ev.Event, float]]) -> list[ev.Event]:
    """The events of a log: an engine starts, then whatever follows, ``at`` never going back."""
    story = Story(tasks=len(TASKS), plan=plan_of(workers=3))
    events = story.events
    at = BEGAN
    for seq, (event, later) in enumerate(moments, 2):
        at += later
        event.seq, event.at = seq, at
        events.append(event)
    return events


def check(state: State) -> None:
    """What holds in every state, whatever made it."""
    under_way = [task for task in state.tasks.values() if task.status in ("running", "recording")]
    assert state.running_tasks == len(under_way)
    assert not set(state.done) & set(state.tasks)
    pending = state.tasks_total - state.running_tasks - len(state.done)
    assert pending >= sum(task.status == "pending" for task in state.tasks.values())
    assert sum(state.outcomes.values()) == len(state.done)
    assert all(number >= 0 for number in state.outcomes.values())
    busy = {worker.attempt_id: worker.worker for worker in state.workers if worker.busy}
    assert state.owner == busy
    assert [worker.worker for worker in state.workers] == list(range(len(state.workers)))
    assert sum(endpoint.busy for endpoint in state.endpoints.values()) == len(state.owner)
    for worker in state.workers:
        place = (worker.model, worker.endpoint, worker.deployment)
        assert worker.endpoint_key == (endpoint_key(*place) if worker.busy else "")
    assert all(worker.phase in PHASES for worker in state.workers)


@given(MOMENTS)
def test_any_events_fold_and_add_up_after_each_one(moments: list[tuple[ev.Event, float]]) -> None:
    state = State()
    for event in numbered(moments):
        apply(state, event)
        check(state)


@given(MOMENTS, st.floats(0, 1e6))
def test_any_state_can_be_told(moments: list[tuple[ev.Event, float]], later: float) -> None:
    state = fold(numbered(moments))
    for engine in (EngineSeen(), EngineSeen(alive=False), EngineSeen(silent_s=9)):
        found = status(state, state.at + later, engine)
        json.dumps(found, allow_nan=False).encode()
        tasks = found["tasks"]
        assert tasks["pending"] + tasks["running"] + tasks["done"] == tasks["total"]
        text = verdict(state, state.at + later, engine).text
        assert text.isprintable(), text


@given(MOMENTS, st.integers(0, 41))
def test_a_prefix_and_the_rest_make_the_whole(
    moments: list[tuple[ev.Event, float]], cut: int
) -> None:
    events = numbered(moments)
    copy = copy_state(fold(events[:cut]))
    assert fold(events[cut:], copy) == fold(events)


@given(MOMENTS, st.integers(1, 41))
def test_a_log_folded_in_batches_is_each_event_applied(
    moments: list[tuple[ev.Event, float]], size: int
) -> None:
    events = numbered(moments)
    one_by_one, in_batches = State(), State()
    for event in events:
        apply(one_by_one, event)
    for start in range(0, len(events), size):
        fold(iter(events[start : start + size]), in_batches)
    assert in_batches == one_by_one


@given(MOMENTS)
def test_whoever_hands_out_events_sees_each_applied_before_the_next(
    moments: list[tuple[ev.Event, float]],
) -> None:
    events = numbered(moments)
    seen: list[State] = []

    def watched(state: State) -> Iterator[ev.Event]:
        for event in events:
            seen.append(copy_state(state))
            yield event

    state, expected = State(), State()
    fold(watched(state), state)
    for event, before in zip(events, seen, strict=True):
        expected.seq, expected.at = before.seq, before.at  # these two alone move at the end
        assert before == expected
        apply(expected, event)


@given(MOMENTS)
def test_a_log_reads_back_as_it_was_written(moments: list[tuple[ev.Event, float]]) -> None:
    events = [event for event in numbered(moments) if not isinstance(event, ev.Unknown)]
    found, bad = ev.decode_lines(b"".join(map(ev.encode, events)))
    assert (found, bad) == (events, 0)


NEWER = b'{"type":"FromTheFuture","seq":7,"at":1.5,"colour":"blue"}'
GARBAGE = st.sampled_from(
    [
        b"garbage",
        b"\xff\xfe\x00",
        b'{"type":"HostStarted","host":"one"}',
        b'{"type":"Pulse","slots":[[0,"no such phase",1,1,1,1]],"hosts":[]}',
        b"[" * 5000,
        b'{"a":' * 5000,
        b"null",
        b"{}",
        b'{"type":1}',
        b'{"type":"HostStarted","host":1,"pid":2',
    ]
)


@given(MOMENTS, st.lists(st.tuples(st.integers(0, 40), GARBAGE | st.just(NEWER)), max_size=6))
@example([], [(0, NEWER)])
def test_garbage_lines_are_counted_and_take_no_other_with_them(
    moments: list[tuple[ev.Event, float]], strays: list[tuple[int, bytes]]
) -> None:
    events = [event for event in numbered(moments) if not isinstance(event, ev.Unknown)]
    lines = [line for event in events for line in ev.encode(event).splitlines()]
    for place, stray in strays:
        lines.insert(min(place, len(lines)), stray)
    found, bad = ev.decode_lines(b"".join(line + b"\n" for line in lines))
    newer = sum(stray == NEWER for _, stray in strays)
    assert bad == len(strays) - newer
    assert [event for event in found if not isinstance(event, ev.Unknown)] == events
    assert sum(isinstance(event, ev.Unknown) for event in found) == newer
    check(fold(found))


@given(MOMENTS, st.data())
def test_a_torn_tail_costs_its_own_line_only(
    moments: list[tuple[ev.Event, float]], data: st.DataObject
) -> None:
    events = [event for event in numbered(moments) if not isinstance(event, ev.Unknown)]
    log = b"".join(map(ev.encode, events))
    cut = data.draw(st.integers(0, len(log)))
    found, bad = ev.decode_lines(log[:cut])
    whole = log[:cut].count(b"\n")
    assert found[:whole] == events[:whole]
    assert len(found) + bad - whole == (1 if cut and log[cut - 1 : cut] != b"\n" else 0)
