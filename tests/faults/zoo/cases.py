"""The zoo as a table: who misbehaves, and what must be seen and recorded of it.

Classes are those of the hang zoo: A accepts and never answers, B header or body stall, C drip, D
retry storm, E pool exhaustion, F straggler, G GIL or CPU, H deadlock or fork, I subprocess, J DNS,
K half-open TCP, L agent loop, M scorer or judge, N cleanup, O logs, P lost results, Q limit not
enforced or misattributed, R memory, S start, T dropped session, U user interface. Those that need
a process, a viewer or a terminal of their own (G with the GIL held, K, P, R, S, T, U) have tests
beside this table.
"""

from dataclasses import dataclass, field
from typing import Final, Literal

from runner.core.outcomes import outcome_of

Stage = Literal["prepare", "run", "score"]
Rung = Literal["", "abort", "exception", "abandon"]


@dataclass(frozen=True)
class Case:
    """One attempt that misbehaves.

    ``why`` is a pattern that the explanation must match while the worker is stuck (while it is at
    work, for cases that are never stuck); empty if the attempt ends before anybody could wonder.
    ``rung`` is the last one that may be needed, empty where nothing has to be ended.
    """

    id: str
    do: str
    cause: str
    why: str = ""
    rung: Rung = "abort"
    behaviour: str = "ok"
    stage: Stage = "run"
    ends: str = ""
    daily: bool = False
    in_process: str = "same"
    data: dict[str, object] = field(default_factory=dict)

    @property
    def outcome(self) -> str:
        """The outcome that belongs to the cause; ``ends`` names a scored one."""
        return self.ends or outcome_of(self.cause)

    @property
    def is_stuck(self) -> bool:
        """Whether it stands still for long enough to be called stuck."""
        return bool(self.why) and self.cause.startswith("deadline:")


def _call(name: str, do: str, behaviour: str, limit: str, why: str, *, daily: bool = False) -> Case:
    return Case(name, do, f"deadline:{limit}", why, behaviour=behaviour, daily=daily)


def _wait(name: str, do: str, why: str, rung: Rung = "abandon", *, daily: bool = False) -> Case:
    return Case(name, do, "deadline:attempt", why, rung, daily=daily)


HERE: Final = r"(agent|offspring)\.py:\d+"
CASES: Final = (
    # -- the endpoint misbehaves
    _call("A-silent-stream", "stream", "silent", "first_byte", "no byte yet", daily=True),
    _call("A-silent-plain", "plain", "silent", "call", "no byte yet"),
    _call("A-reads-nothing", "upload", "no_read", "call", "sending|no byte yet"),
    _call("B-headers-then-nothing", "stream", "headers_stall", "idle", "stream stalled after"),
    _call("B-stalls-after-tokens", "stream", "stream_stall", "idle", "stalled after", daily=True),
    _call("B-half-a-body", "plain", "stream_stall", "call", "stream stalled after"),
    _call("C-sse-comments", "stream", "drip_sse", "call", "only keep-alives for", daily=True),
    _call("C-header-lines", "stream", "drip_headers", "call", "only keep-alives for"),
    _call("C-json-spaces", "plain", "drip_json", "call", "only keep-alives for"),
    Case("D-same-error", "plain", "retries:count", "server error from", behaviour="500"),
    Case(
        "D-retry-after-days",
        "plain",
        "retries:count",
        r"429 from here, try \d of \d, next in",
        behaviour="429,retry_after=198300",
        daily=True,
    ),
    Case(
        "D-sdk-retries-for-ever",
        "own_client_retries",
        "deadline:attempt",
        f"sleeping at {HERE}",
        "abandon",
        behaviour="500",
    ),
    Case(
        "E-pool-of-one",
        "own_pool_of_one",
        "deadline:attempt",
        f"waiting for a lock at {HERE}",
        "abandon",
        behaviour="ok,latency=0.1",
    ),
    _call("F-last-straggler", "turns_then_stream", "silent", "first_byte", "no byte yet"),
    # -- computing
    _wait("G-busy-loop", "busy", f"busy at {HERE}", "exception", daily=True),
    _wait("G-catches-everything", "catches_everything", f"busy at {HERE}"),
    Case(
        "G-busy-scorer", "busy", "deadline:score", f"scoring .*{HERE}", "exception", stage="score"
    ),
    # -- deadlocks
    _wait("H-lock", "lock", f"waiting for a lock at {HERE} lock", daily=True),
    _wait("H-queue-get", "queue_get", f"waiting for a lock at {HERE}"),
    _wait("H-pool-waits-on-exit", "pool_exit", f"waiting for a lock at {HERE}"),
    _wait("H-fork-of-a-locked-thread", "fork_deadlock", r"waits for pid \d+", "abort", daily=True),
    _wait("H-fork-pool", "fork_pool", r"waits for pid \d+"),
    _wait("H-async-never-set", "never_set", f"at {HERE}", "abort"),
    _wait("H-async-blocks-its-loop", "blocks_the_loop", f"sleeping at {HERE}"),
    _wait("H-async-refuses-to-end", "refuses_to_be_cancelled", f"at {HERE}"),
    _wait("H-async-to-thread", "to_thread", f"at {HERE}", "abort"),
    # -- processes
    _wait("I-child", "child", r"waits for pid \d+: sleep 1000", "abort"),
    _wait(
        "I-ignores-sigterm",
        "stubborn_tree",
        r"waits for pid \d+: .*import signal",
        "abort",
        daily=True,
    ),
    _wait("I-own-session", "own_session", r"waits for pid \d+: ", "abort"),
    _wait("I-silent-pipe", "silent_pipe", r"waits for pid \d+: sleep 1000", "abort"),
    _wait("I-orphan-holds-pipe", "orphan_holds_pipe", rf"at {HERE}|waits for pid \d+: sleep"),
    Case("I-left-behind", "child_left_behind", "", rung="", ends="passed", daily=True),
    # -- names
    Case(
        "J-stalled-resolver",
        "resolve_by_ctx",
        "deadline:connect",
        "resolving stalled.test",
        daily=True,
    ),
    _wait("J-stalled-resolver-own-socket", "resolve_by_socket", f"at {HERE}"),
    # -- loops, scorers, cleanup
    Case("L-repeats-itself", "repeat", "loop:repeat", daily=True),
    Case(
        "M-scorer-sleeps",
        "sleep",
        "deadline:score",
        f"scoring for .*{HERE}",
        "abandon",
        stage="score",
        daily=True,
    ),
    Case(
        "M-judge-never-answers",
        "stream",
        "deadline:first_byte",
        "no byte yet",
        behaviour="silent",
        stage="score",
    ),
    Case(
        "S-prepare-sleeps",
        "sleep",
        "deadline:prepare",
        f"preparing for .*{HERE}",
        "abandon",
        stage="prepare",
        daily=True,
    ),
    _wait("N-finally-sleeps", "finally_sleeps", f"at {HERE}", daily=True),
    _wait("N-finally-spins", "finally_spins", f"at {HERE}", "exception"),
    _wait("N-finally-waits-for-child", "finally_waits_for_child", f"at {HERE}", "exception"),
    # -- logs and results
    _wait("O-print-flood", "print_flood", f"busy at {HERE}", "exception", daily=True),
    _wait("O-log-flood", "log_flood", f"busy at {HERE}", "abort", daily=True),
    _wait("O-logging-lock", "logging_lock", f"waiting for a lock at {HERE}"),
    Case("P-no-result", "no_result", "error:BadResult", rung=""),
    Case("P-huge-result", "huge_result", "error:BadResult", rung=""),
    # -- limits that are somebody else's
    Case("Q-inner-timeout", "inner_timeout", "error:TimeoutError", rung="", daily=True),
    Case("Q-own-wait-for", "own_wait_for", "error:TimeoutError", rung=""),
    Case(
        "Q-short-timeout-on-ctx",
        "short_timeout",
        "error:APITimeoutError",
        rung="",
        behaviour="silent",
        daily=True,
    ),
    Case(
        "Q-short-timeout-on-own-client",
        "own_client_short_timeout",
        "error:APITimeoutError",
        rung="",
        behaviour="silent",
    ),
    Case(
        "Q-own-client-never-answered",
        "own_client",
        "deadline:attempt",
        "no byte yet",
        behaviour="silent",
        daily=True,
    ),
    Case(
        "Q-urllib",
        "urllib_call",
        "deadline:attempt",
        f"waits for net at {HERE}",
        "abandon",
        behaviour="silent",
        daily=True,
    ),
    _wait("Q-raw-recv", "raw_recv", f"waits for net at {HERE}"),
    _wait("Q-sleeps-for-ever", "sleep", f"sleeping at {HERE} sleep", daily=True),
    _wait("Q-fifo-without-writer", "fifo", f"at {HERE}"),
    _wait("Q-file-lock", "flock", f"at {HERE}"),
    _wait("Q-swallows-the-end", "swallows_the_end", f"at {HERE}", "abort"),
    Case("Q-alarm", "own_alarm", "error:ValueError", rung="", in_process="error:TimeoutError"),
    # -- ends of its own
    Case("S-sys-exit", "leaves", "error:SystemExit", rung="", daily=True),
    Case("R-thread-left-behind", "thread_left_behind", "", rung="", ends="passed"),
)
DAILY: Final = tuple(case for case in CASES if case.daily)
