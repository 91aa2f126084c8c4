"""Fixed event logs that screens, snapshots and the pictures in screenshots/ are drawn from.

`fleet_log` is the wireframe's night: 100 workers after 3h12m, two stuck, one slow, one backing off.
Everything is folded by the real fold; nothing here builds a state by hand.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from rows_on_disk import row as make_row
from rows_on_disk import write as write_rows

from runner import EngineSeen, State, ev, fold
from runner.core.plan import (
    Endpoint,
    Limits,
    Loops,
    Model,
    Plan,
    Price,
    Resources,
    RunSection,
    Stop,
    Tasks,
    Watch,
)
from runner.core.rows import Row
from tui.runview import RunView

NAMES = (
    "django-11099",
    "sympy-20590",
    "flask-4992",
    "astropy-7166",
    "requests-2317",
    "sphinx-8595",
    "pylint-7080",
    "xarray-4094",
    "pytest-5262",
    "matplotlib-23",
)
MODELS = (
    ("qwen2.5-72b", "azure-eu", ("qwen-a",), 40),
    ("o4-mini", "azure-us", ("o4-a",), 30),
    ("deepseek-v3", "deepseek", ("deepseek-v3",), 30),
)
START = 1_760_000_000.0
"""2025-10-09 08:53:20 UTC."""


def make_plan(
    workers: int, models: tuple[tuple[str, str, tuple[str, ...], int], ...] = MODELS
) -> Plan:
    limits = Limits(attempt=900, first_byte=60, idle=60, call=300, turns=50)
    watch = Watch(slow_after=20, stuck_after=40)
    return Plan(
        run=RunSection(name="flawed-5.3", workers=workers, max_attempts=2),
        limits=limits,
        watch=watch,
        stop=Stop(cost=80),
        loops=Loops(),
        resources=Resources(),
        endpoints=tuple(Endpoint(name=m[1], base_url=f"https://{m[1]}.example") for m in models),
        models=tuple(
            Model(
                name=name,
                endpoint=endpoint,
                deployments=deployments,
                workers=most,
                limits=limits,
                watch=watch,
                price=Price(in_=2, out=8),
            )
            for name, endpoint, deployments, most in models
        ),
        tasks=Tasks(executor="interactive", source="tasks.jsonl"),
    )


@dataclass
class Log:
    """Collects events at rising times and numbers them at the end."""

    found: list[ev.Event] = field(default_factory=list)

    def add(self, at: float, event: ev.Event) -> None:
        event.at = at
        self.found.append(event)

    def lines(self) -> list[ev.Event]:
        self.found.sort(key=lambda event: event.at)
        for seq, event in enumerate(self.found, 1):
            event.seq = seq
        return self.found


class Story:
    """One run, told worker by worker."""

    def __init__(self, workers: int, tasks: int, lasted_s: float, seed: int = 7) -> None:
        self.random = Random(seed)
        self.log = Log()
        self.workers = workers
        self.now = START + lasted_s
        self.rows = 0
        self.bodies = b""
        self.model_of = [model for model in MODELS for _ in range(model[3])]
        self.log.add(
            START,
            ev.EngineStarted(
                epoch=1,
                wall=START,
                boot_id="b",
                pid=4711,
                run_id="7f3a",
                version="0.1.0",
                tasks_total=tasks,
                plan=make_plan(workers),
            ),
        )
        for host in range(-(-workers // 10)):
            slots = list(range(host * 10, min(workers, host * 10 + 10)))
            self.log.add(START + 0.1, ev.HostStarting(host=host, workers=slots))
            self.log.add(START + 0.3, ev.HostStarted(host=host, pid=4800 + host))

    def model(self, worker: int) -> tuple[str, str, tuple[str, ...], int]:
        return self.model_of[worker * 37 % len(self.model_of)]

    def start(self, worker: int, at: float, n: int, task: str = "") -> str:
        name, endpoint, deployments, _ = self.model(worker)
        attempt_id = f"a{worker:04d}-{n}"
        task = task or f"{NAMES[(worker * 7 + n * 3) % len(NAMES)]}-{worker}.{n}"
        self.log.add(
            at,
            ev.AttemptStarted(
                task_id=task,
                attempt=1,
                attempt_id=attempt_id,
                worker=worker,
                host=worker // 10,
                model=name,
                deployment=deployments[0],
                endpoint=endpoint,
            ),
        )
        self.log.add(at + 0.2, ev.AttemptRunning(attempt_id=attempt_id, worker=worker))
        return attempt_id

    def call(self, worker: int, attempt_id: str, n: int, at: float, latency_s: float) -> None:
        self.log.add(at, ev.TurnStarted(attempt_id=attempt_id, worker=worker, turn=n, max_turns=50))
        self.log.add(at, ev.CallStarted(attempt_id=attempt_id, worker=worker, n=n, stream=True))
        wait = min(0.3, latency_s / 2)
        self.log.add(
            at + wait, ev.FirstByte(attempt_id=attempt_id, worker=worker, n=n, wait_s=wait)
        )
        self.log.add(
            at + latency_s,
            ev.CallEnded(
                attempt_id=attempt_id,
                worker=worker,
                n=n,
                latency_s=latency_s,
                bytes=1800,
                how="ok",
                tokens_in=2600,
                tokens_out=70,
                cost=0.0003,
            ),
        )

    def message(
        self, worker: int, attempt_id: str, turn: int, at: float, role: str, text: str
    ) -> None:
        body = json.dumps({"role": role, "content": text}).encode()
        self.log.add(
            at,
            ev.MessageAdded(
                attempt_id=attempt_id,
                worker=worker,
                turn=turn,
                role=role,
                offset=len(self.bodies),
                length=len(body),
            ),
        )
        self.bodies += body + b"\n"

    def end(self, worker: int, attempt_id: str, at: float, outcome: str, cause: str = "") -> None:
        self.rows += 1
        task = next(
            event.task_id
            for event in reversed(self.log.found)
            if isinstance(event, ev.AttemptStarted) and event.attempt_id == attempt_id
        )
        self.log.add(
            at,
            ev.AttemptEnded(
                task_id=task,
                attempt=1,
                attempt_id=attempt_id,
                worker=worker,
                host=worker // 10,
                outcome=outcome,
                cause=cause,
                elapsed_s=60,
                rung="",
                row=self.rows,
                model=self.model(worker)[0],
            ),
        )

    def pulse(self, at: float, slots: list[ev.SlotPulse]) -> None:
        hosts = [
            ev.HostPulse(host, at - 0.2, 14.0, 260_000_000, 24, 0, 100.0)
            for host in range(-(-self.workers // 10))
        ]
        self.log.add(
            at,
            ev.Pulse(
                slots=slots,
                hosts=hosts,
                engine_cpu_percent=4.0,
                engine_rss_bytes=180_000_000,
                free_bytes=88_000_000_000,
                memory_percent=41,
            ),
        )


def _ended(story: Story, count: int, busy_until: float) -> None:
    """``count`` attempts that ended before, spread over the run, and their rows."""
    outcomes = ["passed"] * 54 + ["partial"] * 16 + ["failed"] * 23
    unscored = [
        ("timed_out", "deadline:first_byte"),
        ("timed_out", "deadline:attempt"),
        ("looped", "loop:repeat"),
        ("errored", "retries:count"),
    ]
    step = (busy_until - START - 120) / max(1, count)
    lasted = step * story.workers * 0.97
    for index in range(count):
        worker = index * 7 % story.workers
        until = START + 120 + index * step
        at = max(START + 1 + worker * 0.05, until - lasted)
        attempt_id = story.start(worker, at, index, f"{NAMES[index % len(NAMES)]}-e{index}")
        story.call(worker, attempt_id, 1, at + 0.5, 0.4 + (index % 9) / 4)
        pick = story.random.random()
        outcome, cause = (
            (story.random.choice(outcomes), "") if pick > 0.07 else story.random.choice(unscored)
        )
        story.end(worker, attempt_id, until, outcome, cause)
        saved = until + 1 if index < count - 1 else story.now - 4
        story.log.add(
            saved,
            ev.RowsWritten(
                first=story.rows,
                last=story.rows,
                rows=1,
                bytes=2_300,
                part=f"r-{story.rows}.parquet",
                digest="d",
                waited_s=0.4,
            ),
        )


def _capacity(story: Story, until: float) -> None:
    """A pulse every two minutes: for an hour all is well, then ever fewer get on (the seeds)."""
    at = START + 120
    while at < until:
        share = 1.0 if at < START + 4000 else 0.55 if at < START + 6000 else 0.9
        lively = int(story.workers * share)
        slots = [
            ev.SlotPulse(worker, "code", at - 2, at - 1, at - 1, 900)
            for worker in range(story.workers)
            if worker < lively
        ]
        story.pulse(at, slots)
        at += 120


def _healthy(story: Story, worker: int) -> None:
    """An attempt under way that gets on: some turns, then a call or a tool."""
    random = story.random
    now = story.now
    turns = random.randrange(2, 44)
    began = now - random.randrange(60, 860)
    attempt_id = story.start(worker, began, 1)
    slow = story.model(worker)[0] == "o4-mini"
    for turn in range(1, turns + 1):
        took = 61.0 + random.random() if slow and turn % 3 else 0.4 + random.expovariate(0.6)
        at = began + 1 + (now - began - 8) * turn / (turns + 1)
        if at + took < now - 8:
            story.call(worker, attempt_id, turn, at, took)
    last = now - 3 - random.random() * 3
    if worker % 3:
        story.log.add(last, ev.CallStarted(attempt_id=attempt_id, worker=worker, n=99, stream=True))
    else:
        story.log.add(
            last,
            ev.ToolStarted(
                attempt_id=attempt_id, worker=worker, tool="bash", detail="pytest -q tests/forms"
            ),
        )
    story.log.add(
        now - 2.5,
        ev.Pulse(slots=[ev.SlotPulse(worker, "wait", began, now - 1, now - 1, 900)], hosts=[]),
    )


TALK = (
    ("bash", "grep -rn 'def _eval_is_zero' sympy/core", "I look for where this is decided."),
    ("read", "sympy/core/mul.py 1290-1340", "The product decides it in Mul."),
    ("edit", "sympy/core/mul.py +12 -3", "An infinite factor makes it undecided, not zero."),
    ("bash", "pytest -q sympy/core/tests/test_arit.py", "I check the tests beside it."),
)


def _talk(story: Story, worker: int, attempt_id: str, turn: int, at: float) -> None:
    """What the model said in one turn, and what its tool answered."""
    tool, detail, said = TALK[turn % len(TALK)]
    story.message(worker, attempt_id, turn, at, "assistant", said)
    story.log.add(
        at + 0.01, ev.ToolStarted(attempt_id=attempt_id, worker=worker, tool=tool, detail=detail)
    )
    story.message(worker, attempt_id, turn, at + 0.2, "tool", f"$ {detail}\n(4 lines)\nok")
    story.log.add(
        at + 0.2,
        ev.ToolEnded(attempt_id=attempt_id, worker=worker, tool=tool, ok=True, elapsed_s=0.2),
    )


def _stuck_in_tool(story: Story, worker: int) -> None:
    now = story.now
    attempt_id = story.start(worker, now - 246, 1, "sympy-20590")
    story.message(worker, attempt_id, 0, now - 245, "user", "Fix sympy-20590. Tests must pass.")
    for turn, took in enumerate((1.1, 0.9, 1.4, 2.1, 0.9, 1.4, 0.6, 0.6, 0.9, 0.6), 1):
        story.call(worker, attempt_id, turn, now - 240 + turn * 9, took)
        if turn < 10:
            _talk(story, worker, attempt_id, turn, now - 240 + turn * 9 + took + 0.05)
    last = "I will run the test suite now."
    story.message(worker, attempt_id, 10, now - 144, "assistant", last)
    story.log.add(
        now - 143,
        ev.ToolStarted(
            attempt_id=attempt_id,
            worker=worker,
            tool="bash",
            detail="docker exec -i c81 make test",
        ),
    )
    story.log.add(
        now - 142,
        ev.ChildChanged(
            attempt_id=attempt_id,
            worker=worker,
            pid=4242,
            born=now - 142,
            command="docker exec -i c81 make test",
            running=True,
        ),
    )
    story.log.add(
        now - 10,
        ev.Sampled(
            attempt_id=attempt_id, worker=worker, cpu=0.0, state="S", frame="subprocess.py:1201"
        ),
    )


def _stalled_stream(story: Story, worker: int) -> None:
    now = story.now
    attempt_id = story.start(worker, now - 500, 1, "requests-2317")
    story.call(worker, attempt_id, 32, now - 60, 1.3)
    story.log.add(
        now - 50,
        ev.TurnStarted(attempt_id=attempt_id, worker=worker, turn=33, max_turns=50),
    )
    story.log.add(now - 50, ev.CallStarted(attempt_id=attempt_id, worker=worker, n=33, stream=True))
    story.log.add(now - 47.5, ev.FirstByte(attempt_id=attempt_id, worker=worker, n=33, wait_s=2.5))
    story.log.add(
        now - 46,
        ev.Pulse(
            slots=[ev.SlotPulse(worker, "stream", now - 47.5, now - 47, now - 47, 3100)], hosts=[]
        ),
    )


def _no_byte(story: Story, worker: int) -> None:
    now = story.now
    attempt_id = story.start(worker, now - 300, 1, "flask-4992")
    story.call(worker, attempt_id, 26, now - 40, 0.7)
    story.log.add(now - 26, ev.CallStarted(attempt_id=attempt_id, worker=worker, n=27, stream=True))


def _backing_off(story: Story, worker: int) -> None:
    now = story.now
    attempt_id = story.start(worker, now - 200, 1, "astropy-7166")
    story.call(worker, attempt_id, 6, now - 60, 1.5)
    story.log.add(now - 20, ev.CallStarted(attempt_id=attempt_id, worker=worker, n=7, stream=True))
    for back in range(11):
        story.log.add(
            now - 18 + back,
            ev.BackedOff(
                attempt_id=attempt_id,
                worker=worker,
                n=7,
                attempt_no=3,
                attempts=5,
                until=now + 12,
                why="rate_limit",
                status=429,
            ),
        )


TROUBLED = {82: _stuck_in_tool, 49: _stalled_stream, 0: _no_byte, 29: _backing_off}


def fleet_log(workers: int = 100, ended: int = 395, lasted_s: float = 11_520) -> list[ev.Event]:
    """The night of the wireframe. With fewer workers the troubled ones get lower numbers."""
    return fleet_story(workers, ended, lasted_s).log.lines()


def fleet_story(workers: int = 100, ended: int = 395, lasted_s: float = 11_520) -> Story:
    """The same with the bodies of its messages."""
    story = Story(workers, 1500 if workers >= 50 else 60, lasted_s)
    _ended(story, ended, story.now - 1000)
    _capacity(story, story.now - 1000)
    low: list[int] = [2, 5, 7, 9]
    troubled = TROUBLED if workers > 82 else dict(zip(low, TROUBLED.values(), strict=True))
    for worker in range(workers):
        troubled.get(worker, _healthy)(story, worker)
    story.pulse(story.now - 0.4, [])
    return story


def write_run(run_dir: Path) -> list[ev.Event]:
    """The night of the wireframe as a run folder: log, transcript and result rows."""
    story = fleet_story()
    found = story.log.lines()
    run_dir.mkdir(parents=True, exist_ok=True)
    (run_dir / "events.jsonl").write_bytes(b"".join(ev.encode(event) for event in found))
    (run_dir / "transcript.jsonl").write_bytes(story.bodies)
    ended = [event for event in found if isinstance(event, ev.AttemptEnded)]
    write_rows(run_dir, [_row(event) for event in ended])
    return found


PROMPTS = ("optimal", "flawed_missing_step", "flawed_wrong_tool", "cot")


def _row(event: ev.AttemptEnded) -> Row:
    name, endpoint, deployments, _ = next(model for model in MODELS if model[0] == event.model)
    score = {"passed": 1.0, "partial": 0.5, "failed": 0.0}.get(event.outcome)
    return make_row(
        event.row,
        event.task_id,
        event.outcome,
        run_id="7f3a",
        attempt_id=event.attempt_id,
        model=name,
        endpoint=endpoint,
        deployment=deployments[0],
        cause=event.cause,
        score=score,
        prompt_type=PROMPTS[event.row % len(PROMPTS)],
        started_at=event.at - 60,
        elapsed_s=20.0 + event.row * 7 % 90,
        turns=4 + event.row % 17,
        calls=5 + event.row % 17,
        tokens_in=9000 + event.row * 13,
        tokens_out=600 + event.row,
        worker=event.worker,
        host=event.host,
    )


def small_log(workers: int = 12) -> list[ev.Event]:
    """A run as the demo has it: a dozen workers, some minutes old."""
    return fleet_log(workers, ended=23, lasted_s=1_500)


def ended_log() -> list[ev.Event]:
    """A run that has finished."""
    story = Story(12, 60, 1_500)
    _ended(story, 60, story.now - 20)
    story.log.add(story.now, ev.RunEnded(status="finished", why="", exit_code=1))
    return story.log.lines()


def paused_log() -> list[ev.Event]:
    """The small run, paused by somebody two minutes ago."""
    found = small_log()
    at = found[-1].at
    found.append(ev.RunPaused(seq=len(found) + 1, at=at, cause="user", text="", origin="ana@lab"))
    return found


def disk_full_log() -> list[ev.Event]:
    """The small run on a full disk."""
    found = small_log()
    at = found[-1].at
    error = "No space left on device"
    rows = sum(1 for event in found if isinstance(event, ev.AttemptEnded))
    under_way = [event for event in found if isinstance(event, ev.AttemptStarted)][-3:]
    for event in under_way:
        rows += 1
        found.append(
            ev.AttemptEnded(
                seq=len(found) + 1,
                at=at,
                task_id=event.task_id,
                attempt=1,
                attempt_id=event.attempt_id,
                worker=event.worker,
                host=event.host,
                outcome="passed",
                cause="",
                elapsed_s=60,
                rung="",
                row=rows,
            )
        )
    found.append(ev.RowsFailed(seq=len(found) + 1, at=at, error=error, waiting=3))
    return found


def view_of(found: list[ev.Event], **changes: object) -> RunView:
    """The run at the moment of its last event, with a clock that stands still."""
    state: State = fold(found)
    view = RunView(run_dir=Path("runs/7f3a"), state=state, now=found[-1].at + 0.4)
    view.engine = EngineSeen(alive=True, silent_s=0.2)
    for name, value in changes.items():
        setattr(view, name, value)
    return view


def each_event(found: list[ev.Event]) -> Iterator[ev.Event]:
    """The events, as a source would hand them over."""
    yield from found
