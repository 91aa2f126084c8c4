"""What a run looks like at one moment: the value that the fold makes out of events.

Plain data, no rules: `runner.core.state.fold` is the only place that writes it. Times are unix
seconds on the run's axis. A snapshot is a msgpack copy of it (`runner.core.state.snapshot`).

What the fold changes in place is a dataclass with slots, because it is written some ten times for
each event and a write to a Struct takes seven times as long; what it only ever replaces is a
Struct.
"""

from dataclasses import dataclass, field

from msgspec import Struct

from runner.core.outcomes import HostStatus, Phase, RunStatus
from runner.core.plan import Plan


@dataclass(slots=True)
class WorkerState:
    """One worker (slot): its number outlives threads, hosts and attempts.

    Made anew for each attempt: as keywords only, its defaults would cost half as much again.
    """

    worker: int
    host: int = -1
    phase: Phase = "idle"
    since_at: float = 0.0
    task_id: str = ""
    attempt: int = 0
    attempt_id: str = ""
    model: str = ""
    deployment: str = ""
    endpoint: str = ""
    endpoint_key: str = ""
    """Where in `State.endpoints` its calls count; empty while idle."""
    started_at: float = 0.0
    running_at: float = 0.0
    """When run() began; 0 while it prepares. The attempt limit counts from here."""
    scoring_at: float = 0.0
    """When scoring began, which ends the attempt limit; 0 before."""
    turn: int = 0
    max_turns: int = 0
    calls: int = 0
    call_retries: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float = 0.0
    bytes: int = 0
    sign_at: float = 0.0
    progress_at: float = 0.0
    call_at: float = 0.0
    """When the call under way was sent; 0 between calls."""
    first_byte_at: float = 0.0
    streamed: bool = False
    latencies: list[float] = field(default_factory=list[float])
    """Seconds of the last finished calls, newest last, at most `LATENCIES_KEPT`."""
    backoff_until: float = 0.0
    backoff_s: float = 0.0
    backoff_why: str = ""
    backoff_try: int = 0
    backoff_tries: int = 0
    tool: str = ""
    tool_detail: str = ""
    tool_at: float = 0.0
    children: dict[int, str] = field(default_factory=dict[int, str])
    cpu: float = 0.0
    thread_state: str = ""
    frame: str = ""
    waits_for: str = ""
    sampled_at: float = 0.0
    rung: str = ""
    killing_at: float = 0.0
    killing_cause: str = ""
    loop_rule: str = ""
    loop_advice: str = ""

    @property
    def busy(self) -> bool:
        """Whether an attempt owns the slot."""
        return self.attempt_id != ""

    @property
    def last_latency_s(self) -> float | None:
        """From sent to complete of the last finished call, seconds."""
        return self.latencies[-1] if self.latencies else None


LATENCIES_KEPT = 12
MAX_WORKERS = 4096
"""The most that a plan or a command can ask for; a garbled line may claim more."""


@dataclass(slots=True, kw_only=True)
class HostState:
    """A process that runs executor code in its slots."""

    host: int
    workers: list[int]
    pid: int = 0
    status: HostStatus = "starting"
    alone: bool = False
    started_at: float = 0.0
    beat_at: float = 0.0
    frozen_at: float = 0.0
    holder: int = -1
    """While frozen: the worker that holds the GIL, at ``holder_frame``; -1 where none is known."""
    holder_frame: str = ""
    stopped: bool = False
    """While frozen: whether a signal stopped the process."""
    cpu_percent: float = 0.0
    cpu_s: float = 0.0
    rss_bytes: int = 0
    first_rss_bytes: int = 0
    """At the first pulse: what it grew by is what its attempts took."""
    threads: int = 0
    zombies: int = 0
    restarts: int = 0
    """How many hosts of its workers died before it."""
    draining: bool = False


class ZombieState(Struct, kw_only=True):
    """An abandoned thread that still runs in its host."""

    host: int
    worker: int
    attempt_id: str
    since_at: float
    frame: str
    cpu: float


@dataclass(slots=True, kw_only=True)
class TaskState:
    """A task that is under way or waits for another attempt. Done and untouched ones have none."""

    status: str
    """``pending`` (queued again), ``running`` or ``recording`` (ended, row not yet durable)."""
    attempts: int = 0
    charged: int = 0
    deaths: int = 0
    froze: int = 0
    """How often this task was the proven culprit of a host's death."""
    alone: bool = False
    retry_wanted: bool = False
    scored: str | None = None
    """The outcome of its first scored row, which stays its result whatever follows."""
    last_row: int = 0
    """Commit number of its last ended attempt: a task is done when that row is durable."""


class Awaited(Struct, array_like=True):
    """An ended attempt whose row is not yet durable."""

    task_id: str
    outcome: str
    cause: str
    then: str
    ended_at: float
    attempt_id: str
    attempt: int
    worker: int
    host: int
    model: str


@dataclass(slots=True, kw_only=True)
class EndpointState:
    """One model on one deployment of one endpoint."""

    model: str
    endpoint: str
    deployment: str
    busy: int = 0
    backing_off: int = 0
    calls: int = 0
    errors: int = 0
    ended: int = 0
    not_scored: int = 0
    paused_why: str = ""
    paused_until: float = 0.0
    admitted: int = 0
    """The limit that adaptive admission set; 0 is none."""
    admitted_why: str = ""
    admitted_at: float = 0.0
    latencies: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    """(at, seconds) of the last calls that ended well, `CALLS_KEPT` to `CALLS_MOST`.

    Who asks about a stretch of time leaves out what is older.
    """
    first_bytes: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    """(at, seconds until the answer began) of the last calls, as many as ``latencies``."""
    limited_at: list[float] = field(default_factory=list[float])
    """When 429s came, last minute only."""
    tokens: list[tuple[float, int]] = field(default_factory=list[tuple[float, int]])
    """(at, tokens out), one entry for each whole second in which there were any, newest last.

    The last minute is among them: `SECONDS_KEPT` to twice as many are.
    """
    best_tokens_per_s: float = 0.0
    """The most of any minute so far: what the present speed is a share of."""
    answered: int = 0
    """Calls that ended well."""
    first_hows: list[str] = field(default_factory=list[str])
    """How the first calls ended, at most `FIRST_CALLS`: three of one kind say something."""


FIRST_CALLS = 3
CALLS_KEPT = 512
CALLS_MOST = 576
"""Calls go 64 at a time; far more of them would only push what the fold needs out of the cache."""
SECONDS_KEPT = 61
LATENCY_WINDOW_S = 300.0


@dataclass(slots=True, kw_only=True)
class RowsState:
    """The live Parquet counter."""

    written: int = 0
    parts: int = 0
    bytes: int = 0
    last_write_at: float = 0.0
    error: str = ""
    failed_at: float = 0.0
    next_row: int = 1


@dataclass(slots=True, kw_only=True)
class Totals:
    """Sums over the whole run."""

    attempts: int = 0
    calls: int = 0
    call_retries: int = 0
    rate_limited: int = 0
    errors: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float = 0.0
    dropped: int = 0
    host_restarts: int = 0


@dataclass(slots=True, kw_only=True)
class State:
    """The whole run. ``done`` maps a finished task to its outcome; ``tasks`` holds the open ones.

    ``done`` costs about 170 bytes a task, so a plan of a million tasks stays under 300 MB.
    """

    run_id: str = ""
    name: str = ""
    plan: Plan | None = None
    plan_file: str = ""
    epoch: int = 0
    engine_pid: int = 0
    version: str = ""
    seq: int = 0
    at: float = 0.0
    first_at: float = 0.0
    engine_started_at: float = 0.0
    ran_before_s: float = 0.0
    """Seconds of earlier engines of this run: the ``run`` limit counts over resumes."""
    restarted_at: float = 0.0
    """When an engine took over from one that had vanished without a last word; 0 if none did."""
    status: RunStatus = "starting"
    pauses: dict[str, str] = field(default_factory=dict[str, str])
    """Cause -> words, in the order in which they came; the run goes on when all are lifted."""
    pause_origin: str = ""
    paused_at: float = 0.0
    ended_why: str = ""
    exit_code: int = -1
    ended_at: float = 0.0
    tasks_total: int = 0
    target_workers: int = 0
    workers: list[WorkerState] = field(default_factory=list[WorkerState])
    hosts: dict[int, HostState] = field(default_factory=dict[int, HostState])
    deaths_of: dict[int, int] = field(default_factory=dict[int, int])
    """Worker -> how many of its hosts died, for workers that lost any."""
    gone_cpu_s: float = 0.0
    zombies: list[ZombieState] = field(default_factory=list[ZombieState])
    tasks: dict[str, TaskState] = field(default_factory=dict[str, TaskState])
    done: dict[str, str] = field(default_factory=dict[str, str])
    attempts_of: dict[str, int] = field(default_factory=dict[str, int])
    """Attempts of done tasks that had more than one."""
    running_tasks: int = 0
    outcomes: dict[str, int] = field(default_factory=dict[str, int])
    awaited: dict[int, Awaited] = field(default_factory=dict[int, Awaited])
    owner: dict[str, int] = field(default_factory=dict[str, int])
    """Attempt id -> worker, for attempts under way."""
    rows: RowsState = field(default_factory=RowsState)
    totals: Totals = field(default_factory=Totals)
    endpoints: dict[str, EndpointState] = field(default_factory=dict[str, EndpointState])
    pulse_at: float = 0.0
    engine_cpu_percent: float = 0.0
    engine_cpu_s: float = 0.0
    engine_rss_bytes: int = 0
    free_bytes: int = 0
    room: list[tuple[float, int]] = field(default_factory=list[tuple[float, int]])
    """(at, free bytes), one a minute over the last ten minutes of this engine, oldest first."""
    memory_percent: float = 0.0
    productive: list[tuple[float, int, int]] = field(default_factory=list[tuple[float, int, int]])
    """(at, productive workers, busy workers), one every ten seconds."""
    finished_at: list[float] = field(default_factory=list[float])
    """When tasks became done, newest last, at most `FINISHES_KEPT`, for rate and estimate."""
    recent: list[str] = field(default_factory=list[str])
    """Outcomes of recorded attempts, newest last, at most the plan's ``stop.over``."""
    viewers: int = 0
    unknown_events: int = 0
    kills: int = 0


FINISHES_KEPT = 256


def endpoint_key(model: str, endpoint: str, deployment: str) -> str:
    """The key of `State.endpoints`."""
    return f"{model}\x1f{endpoint}\x1f{deployment}"
