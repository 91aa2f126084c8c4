"""The steps of the fold that concern what an attempt does: calls, turns, tools, samples.

Apart from `fold` because these are the many: in a long run 99 of 100 events come through here. The
seven steps of each turn write out what `enter`, `go_on` and `progress` do, because a call within
them costs as much as what it does.
"""

from typing import Final

from runner.core import events as ev
from runner.core.state.model import (
    CALLS_KEPT,
    CALLS_MOST,
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
    at = event.at
    if event.n > worker.calls:
        worker.calls = event.n
    worker.call_at = at
    worker.first_byte_at = 0.0
    worker.streamed = event.stream
    if worker.backoff_until:
        worker.backoff_until = 0.0
        progress(worker, at)
    worker.phase, worker.since_at = "wait", at
    if at > worker.sign_at:
        worker.sign_at = at


def apply_first_byte(state: State, worker: WorkerState, event: ev.FirstByte) -> None:
    """The answer began."""
    at = event.at
    worker.first_byte_at = at
    worker.phase, worker.since_at = "stream", at
    if at > worker.sign_at:
        worker.sign_at = at
    waits = state.endpoints[worker.endpoint_key].first_bytes
    waits.append((at, event.wait_s))
    if len(waits) > CALLS_MOST:
        del waits[:-CALLS_KEPT]


def apply_call_ended(state: State, worker: WorkerState, event: ev.CallEnded) -> None:
    """A request is over, well or not; only an answered one has a latency worth showing."""
    worker.call_at = worker.first_byte_at = 0.0
    latencies = worker.latencies
    latencies.append(event.latency_s)
    if len(latencies) > LATENCIES_KEPT:
        del latencies[0]
    at = event.at
    worker.phase, worker.since_at = "code", at
    if at > worker.progress_at:
        worker.progress_at = at
    if at > worker.sign_at:
        worker.sign_at = at
    totals, endpoint = state.totals, state.endpoints[worker.endpoint_key]
    totals.calls += 1
    endpoint.calls += 1
    if (tokens := event.tokens_in) > 0:
        worker.tokens_in += tokens
        totals.tokens_in += tokens
    if (tokens := event.tokens_out) > 0:
        worker.tokens_out += tokens
        totals.tokens_out += tokens
    if cost := event.cost:
        worker.cost += cost
        totals.cost += cost
    if len(endpoint.first_hows) < FIRST_CALLS:
        endpoint.first_hows.append(event.how)
    if event.how == "ok":
        endpoint.answered += 1
        _remember(endpoint, at, event.latency_s, tokens)
    else:
        totals.errors += 1
        endpoint.errors += 1


def _remember(endpoint: EndpointState, at: float, latency_s: float, tokens: int) -> None:
    """Keep the call for quantiles and throughput.

    What is too much goes a few at a time, so that a call costs no copy of the list.
    """
    calls = endpoint.latencies
    calls.append((at, latency_s))
    if len(calls) > CALLS_MOST:
        del calls[:-CALLS_KEPT]
    if tokens > 0:
        seconds = endpoint.tokens
        if seconds and at < (last := seconds[-1])[0] + 1.0:
            seconds[-1] = (last[0], last[1] + tokens)
        else:
            seconds.append((at // 1, tokens))
            if len(seconds) > 2 * SECONDS_KEPT:
                del seconds[:-SECONDS_KEPT]


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
    at = event.at
    if at > worker.progress_at:
        worker.progress_at = at
    if at > worker.sign_at:
        worker.sign_at = at


def apply_turn_ended(_state: State, worker: WorkerState, event: ev.TurnEnded) -> None:
    """A turn done is progress."""
    if event.turn > worker.turn:
        worker.turn = event.turn
    at = event.at
    if at > worker.progress_at:
        worker.progress_at = at
    if at > worker.sign_at:
        worker.sign_at = at


def apply_tool_started(_state: State, worker: WorkerState, event: ev.ToolStarted) -> None:
    """A tool is at work."""
    at = event.at
    worker.tool, worker.tool_detail = event.tool, event.detail
    worker.phase, worker.since_at, worker.tool_at = "tool", at, at
    if at > worker.sign_at:
        worker.sign_at = at


def apply_tool_ended(_state: State, worker: WorkerState, event: ev.ToolEnded) -> None:
    """The tool came back."""
    worker.tool = worker.tool_detail = ""
    worker.tool_at = 0.0
    at = event.at
    worker.phase, worker.since_at = "code", at
    if at > worker.progress_at:
        worker.progress_at = at
    if at > worker.sign_at:
        worker.sign_at = at


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
