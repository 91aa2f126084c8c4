"""The steps of the fold that concern what an attempt does: calls, turns, tools, samples.

Apart from `fold` because these are the many: in a long run 99 of 100 events come through here.
"""

from typing import Final

from runner.core import events as ev
from runner.core.state.model import (
    CALLS_KEPT,
    FIRST_CALLS,
    LATENCIES_KEPT,
    SECONDS_KEPT,
    EndpointState,
    State,
    WorkerState,
)
from runner.core.state.moves import endpoint_for, enter, go_on, progress

_MINUTE_S: Final = 60.0


def apply_attempt_running(_state: State, worker: WorkerState, event: ev.AttemptRunning) -> None:
    """Preparation is over."""
    worker.running_at = event.at
    go_on(worker, "code", event.at)


def apply_attempt_scoring(_state: State, worker: WorkerState, event: ev.AttemptScoring) -> None:
    """The answer is there and is being scored."""
    worker.scoring_at = event.at
    go_on(worker, "score", event.at)


def apply_call_started(_state: State, worker: WorkerState, event: ev.CallStarted) -> None:
    """A request went out. If a back-off came before it, that was ordered and is no stall."""
    if event.n > worker.calls:  # noqa: PLR1730 - see `enter`
        worker.calls = event.n
    worker.call_at = event.at
    worker.first_byte_at = 0.0
    worker.streamed = event.stream
    if worker.backoff_until:
        worker.backoff_until = 0.0
        progress(worker, event.at)
    enter(worker, "wait", event.at)


def apply_first_byte(state: State, worker: WorkerState, event: ev.FirstByte) -> None:
    """The answer began."""
    worker.first_byte_at = event.at
    enter(worker, "stream", event.at)
    waits = endpoint_for(state, worker).first_bytes
    waits.append((event.at, event.wait_s))
    if len(waits) > 2 * CALLS_KEPT:
        del waits[:-CALLS_KEPT]


def apply_call_ended(state: State, worker: WorkerState, event: ev.CallEnded) -> None:
    """A request is over, well or not; only an answered one has a latency worth showing."""
    worker.call_at = 0.0
    worker.first_byte_at = 0.0
    worker.latencies.append(event.latency_s)
    if len(worker.latencies) > LATENCIES_KEPT:
        del worker.latencies[0]
    go_on(worker, "code", event.at)
    totals = state.totals
    totals.calls += 1
    if event.tokens_in > 0:
        worker.tokens_in += event.tokens_in
        totals.tokens_in += event.tokens_in
    if event.tokens_out > 0:
        worker.tokens_out += event.tokens_out
        totals.tokens_out += event.tokens_out
    worker.cost += event.cost
    totals.cost += event.cost
    endpoint = endpoint_for(state, worker)
    endpoint.calls += 1
    if len(endpoint.first_hows) < FIRST_CALLS:
        endpoint.first_hows.append(event.how)
    if event.how == "ok":
        endpoint.answered += 1
        _remember(endpoint, event)
    else:
        totals.errors += 1
        endpoint.errors += 1


def _remember(endpoint: EndpointState, event: ev.CallEnded) -> None:
    """Keep the call for quantiles and throughput.

    What is too much goes when as much again has come, so that a call costs no copy of the list.
    """
    calls = endpoint.latencies
    calls.append((event.at, event.latency_s))
    if len(calls) > 2 * CALLS_KEPT:
        del calls[:-CALLS_KEPT]
    if event.tokens_out > 0:
        second, tokens = event.at // 1, endpoint.tokens
        if tokens and tokens[-1][0] == second:
            tokens[-1] = (second, tokens[-1][1] + event.tokens_out)
        else:
            tokens.append((second, event.tokens_out))
            if len(tokens) > 2 * SECONDS_KEPT:
                del tokens[:-SECONDS_KEPT]


def apply_backed_off(state: State, worker: WorkerState, event: ev.BackedOff) -> None:
    """The call waits before it is sent again."""
    worker.call_retries += 1
    worker.backoff_until = event.until
    worker.backoff_s += max(0.0, event.until - event.at)
    worker.backoff_why = event.why
    worker.backoff_try = event.attempt_no
    worker.backoff_tries = event.attempts
    worker.call_at = 0.0
    enter(worker, "backoff", event.at)
    state.totals.call_retries += 1
    if event.why == "rate_limit":
        state.totals.rate_limited += 1
        endpoint = endpoint_for(state, worker)
        endpoint.limited_at.append(event.at)
        if endpoint.limited_at[0] < event.at - 2 * _MINUTE_S:
            oldest = event.at - _MINUTE_S
            endpoint.limited_at = [at for at in endpoint.limited_at if at >= oldest]


def apply_turn_started(_state: State, worker: WorkerState, event: ev.TurnStarted) -> None:
    """The agent's next turn."""
    worker.turn = event.turn
    if event.max_turns:
        worker.max_turns = event.max_turns
    progress(worker, event.at)


def apply_turn_ended(_state: State, worker: WorkerState, event: ev.TurnEnded) -> None:
    """A turn done is progress."""
    if event.turn > worker.turn:  # noqa: PLR1730 - see `enter`
        worker.turn = event.turn
    progress(worker, event.at)


def apply_tool_started(_state: State, worker: WorkerState, event: ev.ToolStarted) -> None:
    """A tool is at work."""
    worker.tool, worker.tool_detail, worker.tool_at = event.tool, event.detail, event.at
    enter(worker, "tool", event.at)


def apply_tool_ended(_state: State, worker: WorkerState, event: ev.ToolEnded) -> None:
    """The tool came back."""
    worker.tool = worker.tool_detail = ""
    worker.tool_at = 0.0
    go_on(worker, "code", event.at)


def apply_child_changed(_state: State, worker: WorkerState, event: ev.ChildChanged) -> None:
    """A process of the attempt came or went."""
    if event.running:
        worker.children[event.pid] = event.command
    else:
        worker.children.pop(event.pid, None)


def apply_sampled(_state: State, worker: WorkerState, event: ev.Sampled) -> None:
    """What a worker without progress is doing."""
    worker.cpu, worker.thread_state = event.cpu, event.state
    worker.frame, worker.waits_for = event.frame, event.waits_for
    worker.sampled_at = event.at


def apply_loop_seen(_state: State, worker: WorkerState, event: ev.LoopSeen) -> None:
    """A loop rule fired."""
    worker.loop_rule, worker.loop_advice = event.rule, event.advice
