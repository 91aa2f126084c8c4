"""Why a worker does not move, in words.

Apart from health because this is language: each sentence says what is awaited, for how long, and
what it can be told from. Strings of the run (commands, frames) are made harmless by `one_line`.
"""

from runner.core.health import stalled_s
from runner.core.state.model import (
    LATENCY_WINDOW_S,
    EndpointState,
    HostState,
    State,
    WorkerState,
    endpoint_key,
)
from runner.core.text import duration, latency, one_line, size

DOING = {
    "idle": "idle",
    "prepare": "preparing",
    "connect": "connecting",
    "wait": "waiting",
    "stream": "stream",
    "backoff": "backing off",
    "tool": "tool",
    "code": "own code",
    "score": "scoring",
    "killing": "being ended",
}
BACKOFF_WORDS = {
    "rate_limit": "429",
    "server": "server error",
    "connection": "connection failed",
    "timeout": "call timed out",
}
LIMIT_WORDS = {
    "attempt": "attempt limit",
    "call": "call limit",
    "first_byte": "first-byte limit",
    "idle": "gap limit",
    "connect": "connect limit",
    "prepare": "prepare limit",
    "score": "score limit",
    "run": "run limit",
}
CALLS_FOR_USUAL = 20
"""One call in twenty takes longer than the p95: fewer calls cannot tell what is usual."""
IDLE_CPU = 0.05
"""Above this share of a core a thread works, however little of the core it gets: with many that
spin on few cores none comes near 1. Waits measure below 0.01."""
LIMIT_SHORT = {**{name: name for name in LIMIT_WORDS}, "first_byte": "1st byte", "idle": "gap"}


def quantile(latencies: list[tuple[float, float]], share: float) -> float | None:
    """The ``share`` quantile of the seconds in (at, seconds) pairs; None without any."""
    if not latencies:
        return None
    ordered = sorted(seconds for _, seconds in latencies)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def usual_s(endpoint: EndpointState, now: float) -> float | None:
    """Seconds within which 95 % of the last minutes' answers began; None where few did."""
    return _p95(endpoint.first_bytes, now)


def _p95(latencies: list[tuple[float, float]], now: float) -> float | None:
    """Of the last minutes; None with fewer than `CALLS_FOR_USUAL`."""
    oldest = now - LATENCY_WINDOW_S
    recent = [pair for pair in latencies if pair[0] >= oldest]
    return quantile(recent, 0.95) if len(recent) >= CALLS_FOR_USUAL else None


def waits_as_usual(worker: WorkerState, usual: float | None, now: float) -> bool:
    """Whether it waits for an answer to begin, no longer than is usual there (`usual_s`)."""
    return worker.phase == "wait" and usual is not None and stalled_s(worker, now) < usual


def endpoint_for(state: State, worker: WorkerState) -> EndpointState | None:
    """The endpoint line that the worker's calls count on."""
    return state.endpoints.get(endpoint_key(worker.model, worker.endpoint, worker.deployment))


def doing(worker: WorkerState) -> str:
    """What the worker is at, in a word or two: ``waiting``, ``tool bash``."""
    if worker.phase == "tool" and worker.tool:
        return f"tool {one_line(worker.tool, 24)}"
    return DOING[worker.phase]


def why(state: State, worker: WorkerState, now: float) -> str:
    """One clause on what is awaited and what it can be told from; empty for an idle worker."""
    if not worker.busy:
        return ""
    host = state.hosts.get(worker.host)
    if host is not None and host.status == "frozen":
        return _frozen(host, worker, now)
    if worker.phase in ("wait", "stream") and _waits_elsewhere(worker):
        return _code(state, worker, now)
    say = _OF_PHASE.get(worker.phase)
    return say(state, worker, now) if say else _code(state, worker, now)


def _frozen(host: HostState, worker: WorkerState, now: float) -> str:
    """All its workers stand still: what each was at before does not explain that."""
    since = duration(now - host.frozen_at)
    if host.stopped:
        return f"its process {host.host} was stopped by a signal {since} ago"
    if host.holder < 0:
        return f"its process {host.host} does not answer since {since}"
    held = "the GIL" + (f" at {one_line(host.holder_frame, 60)}" if host.holder_frame else "")
    if host.holder == worker.worker:
        return f"holding {held}"
    return f"waiting for worker {host.holder}, which holds {held}"


def _waits_elsewhere(worker: WorkerState) -> bool:
    """Whether the thread was last seen in a lock or a sleep although a call is open.

    Our own reads wait in poll: it is the executor that does not read, such as an SDK that backs off
    by itself or a pool without a free connection.
    """
    return worker.waits_for in ("lock", "sleep") and worker.sampled_at >= worker.since_at


def _prepare(_state: State, worker: WorkerState, now: float) -> str:
    return f"preparing for {duration(now - worker.started_at)}{_frame(worker)}"


def _told(worker: WorkerState) -> str:
    """What the host's own code said that it waits for in this phase, such as "resolving NAME"."""
    words = worker.waits_for
    ours = " " in words and not words.startswith("pid ")  # one word is a kind of system call
    return one_line(words, 80) if ours and worker.sampled_at >= worker.since_at else ""


def _connect(_state: State, worker: WorkerState, now: float) -> str:
    what = _told(worker) or f"connecting to {one_line(worker.endpoint, 24)}"
    return f"{what} for {duration(now - worker.since_at)}"


def _wait(state: State, worker: WorkerState, now: float) -> str:
    told = _told(worker)
    if told:
        return told
    endpoint = endpoint_for(state, worker)
    usual = usual_s(endpoint, now) if endpoint else None
    if waits_as_usual(worker, usual, now):
        return f"usual here: p95 {latency(usual)}"  # 20 characters: a small screen has no more
    p95 = _p95(endpoint.latencies, now) if endpoint else None
    return "no byte yet" + (f"; p95 here {latency(p95)}" if p95 is not None else "")


def _stream(_state: State, worker: WorkerState, now: float) -> str:
    stalled = stalled_s(worker, now)
    if stalled >= 2 and now - worker.sign_at < stalled / 2:
        return f"only keep-alives for {duration(stalled)}"
    if stalled >= 2:
        return f"stream stalled after {size(worker.bytes)}"
    return "answer is coming"


def _backoff(_state: State, worker: WorkerState, now: float) -> str:
    cause = BACKOFF_WORDS.get(worker.backoff_why, one_line(worker.backoff_why, 40))
    again = max(0.0, worker.backoff_until - now)
    where = f"{cause} from {one_line(worker.endpoint, 24)}"
    return f"{where}, try {worker.backoff_try} of {worker.backoff_tries}, next in {duration(again)}"


def _tool(_state: State, worker: WorkerState, _now: float) -> str:
    if worker.children:
        pid, command = next(iter(worker.children.items()))
        return f"waits for pid {pid}: {one_line(command, 60)}"
    if worker.waits_for:
        return f"waits for {one_line(worker.waits_for, 80)}"
    return one_line(worker.tool_detail, 80) or f"{doing(worker)} has not returned{_frame(worker)}"


def _score(_state: State, worker: WorkerState, now: float) -> str:
    return f"scoring for {duration(now - worker.since_at)}{_frame(worker)}"


def _killing(_state: State, worker: WorkerState, now: float) -> str:
    return f"being ended for {duration(now - worker.killing_at)}{_frame(worker)}"


def _code(_state: State, worker: WorkerState, _now: float) -> str:
    if worker.children:
        pid, command = next(iter(worker.children.items()))
        return f"waits for pid {pid}: {one_line(command, 60)}"
    place = one_line(worker.frame, 60)
    if not place:
        return "in its own code"
    if worker.cpu > IDLE_CPU or worker.thread_state == "R":
        return f"busy at {place}"
    if worker.waits_for in ("lock", "sleep"):
        verb = {"lock": "waiting for a lock", "sleep": "sleeping"}[worker.waits_for]
        return f"{verb} at {place}"
    if worker.waits_for:
        return f"waits for {one_line(worker.waits_for, 60)} at {place}"
    return f"waiting at {place}"


def _frame(worker: WorkerState) -> str:
    return f" at {one_line(worker.frame, 60)}" if worker.frame else ""


_OF_PHASE = {
    "prepare": _prepare,
    "connect": _connect,
    "wait": _wait,
    "stream": _stream,
    "backoff": _backoff,
    "tool": _tool,
    "score": _score,
    "killing": _killing,
}
