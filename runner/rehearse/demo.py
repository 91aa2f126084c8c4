"""The demo: sixty attempts of which a dozen go wrong, each in a way that is known beforehand.

A plan, its tasks, the script for the endpoint and what must become of each task, all from one
table, so that `pilot-tui demo` can check that every task ended as rehearsed. Two models share the
tasks: one with short limits, on which most things go wrong, and one with a long first_byte, on
which one call hangs long enough for a person to find and kill it.
"""

import json
from typing import Any, NamedTuple

from msgspec import Struct

from runner.rehearse.script import Script

SEED = 7
WORKERS = 12
SWIFT, DEEP = "swift-72b", "deep-r1"
_COUNT = 30  # tasks; each runs once on each model


class _Part(NamedTuple):
    """What happens to one task on one model, and how it must end."""

    behaviour: str
    outcome: str = "passed"
    cause: str = ""


class _Pace(Struct, frozen=True):
    """The figures in which the full demo (about 3 min) and the quick one (under 45 s) differ."""

    brisk: str  # the first results come in while the viewer is still looking around
    swift: str
    deep: str
    slow: str
    thinking: str
    wait_s: float  # first_byte and idle of swift; a little more than stuck_after, so hangs are seen
    call_s: float
    attempt_s: float
    hang_s: float  # first_byte of deep: how long the one hang stays if nobody kills it
    backoff_s: float


_FULL = _Pace(
    brisk="latency=0.4,tps=40",
    swift="latency=1,p95=1.9,tps=7",
    deep="latency=1.3,p95=1.9,tps=6,reasoning=3",
    slow="latency=3.8,tps=10",
    thinking="silent,for=8",
    wait_s=18,
    call_s=30,
    attempt_s=150,
    hang_s=90,
    backoff_s=8,
)
_QUICK = _Pace(
    brisk="latency=0.1",
    swift="latency=0.15,p95=0.4,tps=120",
    deep="latency=0.2,p95=0.4,tps=100",
    slow="latency=2.6,tps=60",
    thinking="silent,for=3,turn=1",
    wait_s=6.5,
    call_s=7.5,
    attempt_s=25,
    hang_s=14,
    backoff_s=2,
)

# (goal, required tools in order); names from the built-in registry of the benchmark.
_KINDS: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ("simple_task", "easy", "Load the day's orders into a table", ("csv_loader",)),
    ("basic_task", "easy", "Sum the orders by region", ("csv_loader", "aggregator")),
    (
        "data_pipeline",
        "medium",
        "Clean the orders, sum them up and store the result",
        ("csv_loader", "table_filter", "aggregator", "file_writer"),
    ),
    (
        "api_integration",
        "medium",
        "Fetch the shop's reviews, read them and tell the team",
        ("http_request", "json_parser", "chat_notifier"),
    ),
    (
        "multi_stage_pipeline",
        "hard",
        "Turn the meeting notes into a short German report",
        ("file_reader", "text_summarizer", "translator", "report_generator"),
    ),
)


def demo_script(seed: int = SEED, *, quick: bool = False) -> Script:
    """What the endpoint does to each task of the demo."""
    pace = _QUICK if quick else _FULL
    return Script(
        seed=seed,
        models={SWIFT: f"ok,{pace.swift}", DEEP: f"ok,{pace.deep}"},
        tasks={task: part.behaviour for task, part in _parts(pace).items()},
    )


def demo_tasks() -> str:
    """The demo's source file: one task a line, with the workflow shown to the model."""
    return "".join(json.dumps(_task(number)) + "\n" for number in range(1, _COUNT + 1))


def demo_plan(
    base_url: str, *, quick: bool = False, workers: int = WORKERS, source: str = "tasks.jsonl"
) -> str:
    """The demo's plan as TOML, for an endpoint at `base_url`; `source` holds `demo_tasks()`."""
    pace = _QUICK if quick else _FULL
    return f"""\
# The demo of pilot-tui: nothing here needs a key or a network. Calls hang, drip, loop and fail on
# purpose; the limits below are short so that you can watch them at work.

[run]
name = "demo"
workers = {workers}
seed = {SEED}

[limits]
first_byte = {pace.wait_s}
idle = {pace.wait_s}
call = {pace.call_s}
attempt = {pace.attempt_s}
retries = 2
retry_wait = {pace.backoff_s}   # a Retry-After of an hour is cut to this

[watch]
slow_after = 2
stuck_after = 5

[stop]
error_rate = 0   # so much goes wrong here on purpose that the brake would stop the demo

[[endpoints]]
name = "rehearsal"
base_url = {json.dumps(base_url)}
task_header = "x-pilot-task"   # lets the endpoint fail for this task and not for that one

[[models]]
name = "{SWIFT}"
endpoint = "rehearsal"

[[models]]
name = "{DEEP}"
endpoint = "rehearsal"
limits = {{first_byte = {pace.hang_s}, idle = {pace.hang_s}, call = {pace.hang_s + 8}}}

[tasks]
executor = "interactive"
source = {json.dumps(source)}
"""


def expected(*, quick: bool = False) -> dict[str, tuple[str, str]]:
    """(outcome, cause) by task id of every task of the demo, if nobody interferes."""
    parts = _parts(_QUICK if quick else _FULL)
    return {
        task: (parts[task].outcome, parts[task].cause) if task in parts else ("passed", "")
        for number in range(1, _COUNT + 1)
        for task in (f"{_id(number)}@{SWIFT}", f"{_id(number)}@{DEEP}")
    }


def as_rehearsed(wanted: tuple[str, str], outcome: str, cause: str) -> bool:
    """Whether a task ended as it had to.

    A task that has done everything may be ended by the rule `done` before it says so, and a kill by
    the person who watches is what the demo invites to.
    """
    if cause == "killed:user":
        return True
    return (outcome, "" if cause == "loop:done" else cause) == wanted


def _parts(pace: _Pace) -> dict[str, _Part]:
    """What does not simply go well, by task id.

    The first tasks go wrong first: within seconds one worker is slow, one stuck, one backing off.
    """
    swift, slow = pace.swift, pace.slow
    retry = f"{swift},retry_after"
    on_swift = {
        1: _Part(f"ok,{pace.brisk}"),
        2: _Part(f"ok,{slow}"),
        3: _Part(f"429,times=1,{retry}={pace.backoff_s}"),
        4: _Part(f"silent,times=1,{swift}"),
        5: _Part(f"drip_sse,{swift}", "timed_out", "deadline:call"),
        6: _Part(f"500,times=2,{swift}"),
        7: _Part(f"ok,{pace.brisk}"),
        8: _Part(f"ok,agent=loop,{swift}", "looped", "loop:repeat"),
        9: _Part(f"429,{retry}=3600", "errored", "retries:count"),
        11: _Part(f"stream_stall,turn=3,chunks=5,{swift}", "timed_out", "deadline:idle"),
        12: _Part(f"ok,agent=unclosed,{swift}", "looped", "loop:unclosed_tag"),
        14: _Part(f"silent,{swift}", "timed_out", "deadline:first_byte"),
        15: _Part(f"ok,{slow}"),
        16: _Part(f"ok,agent=cycle,{swift}", "looped", "loop:cycle"),
        18: _Part(f"reset,times=1,{swift}"),
        19: _Part(f"ok,agent=partial,{swift}", "partial"),
        20: _Part(f"content_filter,turn=2,{swift}", "errored", "error:ContentFilter"),
        22: _Part(f"ok,agent=wander,{swift}", "looped", "loop:search"),
        23: _Part(f"503,times=1,{swift}"),
        24: _Part(f"ok,agent=chat,{swift}", "failed"),
    }
    on_deep = {
        1: _Part(f"silent,turn=2,times=1,{pace.deep}"),
        3: _Part(f"{pace.thinking},{pace.deep}"),
        7: _Part(f"429,times=1,retry_after={pace.backoff_s},{pace.deep}"),
        13: _Part(f"ok,agent=loop,{pace.deep}", "looped", "loop:repeat"),
        17: _Part(f"{pace.thinking},{pace.deep}"),
        21: _Part(f"ok,{slow}"),
    }
    return {
        f"{_id(number)}@{model}": part
        for model, parts in ((SWIFT, on_swift), (DEEP, on_deep))
        for number, part in parts.items()
    }


def _id(number: int) -> str:
    return f"demo-{number:02}"


def _task(number: int) -> dict[str, Any]:
    kind, difficulty, goal, tools = _KINDS[number % len(_KINDS)]
    return {
        "id": _id(number),
        "task_type": kind,
        "difficulty": difficulty,
        "description": f"{goal} (branch {number}).",
        "test_input": {"path": f"branch-{number:02}/orders.csv"},
        "expected_output": {"done": True},
        "required_tools": tools,
        "labels": {"prompt_type": "optimal", "tool_success_rate": 0.95},
    }
