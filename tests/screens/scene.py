"""Fixed event logs that screens, snapshots and the pictures in screenshots/ are drawn from.

`fleet_log` is the wireframe's night: 100 workers after 48 minutes, two stuck, one slow, one backing
off; before that a storm of 429s, a hang of an endpoint, a process that froze, a pause, a kill.
"""

import json
from functools import partial
from pathlib import Path

from rows_on_disk import row as make_row
from rows_on_disk import write as write_rows
from telling import PROMPTS, START, Span, Story
from troubled import TROUBLED

from runner import EngineSeen, State, ev, fold
from runner.core.rows import Row
from tui.runview import RunView

LASTED_S = 2_880.0
STORM, CHANGE, HANG, KILL, FREEZE, PAUSE = 0.25, 0.42, 0.55, 0.64, 0.7, 0.84
"""When the things that went wrong began, as shares of the run."""
HANG_S = 60.0
LONGEST_S = 760.0
"""What an attempt takes on the average at most: its limit is 900 s."""
OUTCOMES = {
    "qwen2.5-72b": (48, 18, 31),
    "llama-3.3-70b": (38, 16, 43),
    "o4-mini": (71, 12, 14),
    "deepseek-v3": (62, 15, 20),
}
"""Of a hundred tasks of each model: passed, partial, failed; the rest was not scored."""
UNSCORED = (
    ("timed_out", "deadline:attempt", ""),
    ("timed_out", "deadline:idle", "no byte for 60s after 4.1 kB"),
    ("looped", "loop:repeat", ""),
    ("errored", "retries:count", "429 Too Many Requests"),
    ("errored", "error:ValueError", "tool call without a name"),
)


def _moment(story: Story, share: float) -> float:
    return START + (story.now - START) * share


def _history(story: Story, count: int, until: list[float]) -> None:
    """``count`` attempts that ended before ``until[worker]``, shared out over the workers."""
    for worker in range(story.workers):
        many = count // story.workers + (worker < count % story.workers)
        began = max(START + 1 + worker * 0.05, until[worker] - many * LONGEST_S)
        weights = [0.85 + story.random.random() * 0.3 for _ in range(many)]
        length = (until[worker] - began) / max(0.001, sum(weights))
        ends = [began + length * sum(weights[: place + 1]) for place in range(many)]
        fate = _fate(story, worker, ends) if story.workers >= 50 and ends else (-1, "", "", "")
        for n, end in enumerate(ends):
            doom = fate if n == fate[0] else (n, *_outcome(story, worker, n))
            _past_attempt(story, worker, 110 + n, began, end, doom)
            began = end + 0.3


def _fate(story: Story, worker: int, ends: list[float]) -> tuple[int, str, str, str]:
    """The attempt that one of the night's troubles ended, its end moved to where that was."""
    hung = story.model(worker).name == "qwen2.5-72b" and worker % 3 and worker // 10 != 5
    hit = [
        (HANG, HANG_S, hung, "timed_out", "deadline:first_byte"),
        (FREEZE, 6.0, worker // 10 == 5, "lost", "host_lost"),
        (KILL, 0.0, worker == 61, "killed", "killed:user"),
    ]
    for share, later, is_hit, outcome, cause in hit:
        at = _moment(story, share) + later
        near = min(range(len(ends)), key=lambda n: abs(ends[n] - at))
        before = ends[near - 1] if near else START
        if is_hit and near < len(ends) - 1 and 60 < at - before < 880 > ends[near + 1] - at:
            ends[near] = at
            return near, outcome, cause, ""
    return -1, "", "", ""


def _outcome(story: Story, worker: int, n: int) -> tuple[str, str, str]:
    passed, partial, failed = OUTCOMES[story.model(worker).name]
    harder = 14 if PROMPTS[(worker + n) % len(PROMPTS)].startswith("flawed") else -6
    pick = story.random.random() * 100
    if pick < passed - harder:
        return "passed", "", ""
    if pick < passed + partial - harder:
        return "partial", "", ""
    if pick < passed + partial + failed:
        return "failed", "", ""
    return story.random.choice(UNSCORED)


def _latency(story: Story, worker: int) -> float:
    if story.model(worker).name == "o4-mini":
        return 38 + story.random.random() * 30
    return 0.4 + story.random.expovariate(0.6)


def _past_attempt(
    story: Story,
    worker: int,
    n: int,
    began: float,
    end: float,
    doom: tuple[int, str, str, str],
) -> None:
    _, outcome, cause, error = doom
    attempt_id = story.start(worker, began, n)
    quiet = end - HANG_S if cause == "deadline:first_byte" else end
    story.message(worker, attempt_id, 0, began + 0.5, "user", "Solve the task with the tools.")
    slow = story.model(worker).name == "o4-mini"
    turns = 3 + (worker + n) % 3 if slow else 5 + (worker + n) % 4
    for turn in range(1, turns + 1):
        at = began + 1 + (quiet - began - 3) * (turn - 1) / turns
        room = (quiet - began - 3) / turns
        story.call(worker, attempt_id, turn, at, min(room * 0.9, _latency(story, worker)), 7800)
    if quiet < end:
        who = {"attempt_id": attempt_id, "worker": worker}
        story.log.add(quiet, ev.CallStarted(**who, n=turns + 1, stream=True))
    else:
        said = f"The answer is in the file; {turns} turns."
        story.message(worker, attempt_id, turns, end - 1, "assistant", said)
    if cause == "killed:user":
        asked = ev.KillRequested(attempt_id=attempt_id, origin="ana@lab")
        story.log.add(end - 0.1, asked)
    story.spans.append(Span(worker, attempt_id, began, end, quiet))
    ended = story.end(worker, attempt_id, end, outcome, cause, error, turns)
    if outcome in ("timed_out", "errored", "lost"):
        ended.then = "requeued"


def _troubles_of_the_night(story: Story) -> None:
    """What concerned many at once; the attempts that it ended are told in `_past_attempt`."""
    at = _moment(story, STORM)
    hit = [span for span in story.spans if story.model(span.worker).name == "o4-mini"]
    for n in range(9):
        for span in hit:
            when = at + n * 18 + span.worker * 0.11
            if span.began + 5 < when < span.ended - 25:
                story.log.add(when, _backed_off(span, n, when))
    admission = partial(ev.AdmissionChanged, model="o4-mini", endpoint="azure-us")
    lowered = "12 of 30 calls were answered with 429"
    story.log.add(at + 60, admission(limit=18, why=lowered))
    story.log.add(at + 420, admission(limit=30, why="no 429 for 5m00s"))
    at = _moment(story, PAUSE)
    story.log.add(at, ev.RunPaused(cause="user", text="", origin="ana@lab"))
    story.log.add(at + 95, ev.RunUnpaused(cause="user", origin="ana@lab"))
    at = _moment(story, FREEZE)
    stack = "re.py:181 fullmatch <- scorer.py:44 check"
    story.log.add(at, ev.HostFroze(host=5, silent_s=5.2))
    story.log.add(at + 6, ev.HostGone(host=5, why="froze", stack=stack))
    story.log.add(at + 6.1, ev.HostStarting(host=5, workers=list(range(50, 60))))
    story.log.add(at + 6.4, ev.HostStarted(host=5, pid=4905))


def _backed_off(span: Span, n: int, at: float) -> ev.BackedOff:
    return ev.BackedOff(
        attempt_id=span.attempt_id,
        worker=span.worker,
        n=2,
        attempt_no=1 + n % 4,
        attempts=5,
        until=at + 12,
        why="rate_limit",
        status=429,
        text="Requests to this deployment have exceeded its token rate limit",
    )


def _changed_limit(story: Story) -> None:
    plan = next(e.plan for e in story.log.found if isinstance(e, ev.EngineStarted))
    changed = ev.PlanChanged(
        key="limits.attempt", old="600", new="900", now=True, origin="ana@lab", plan=plan
    )
    story.log.add(_moment(story, CHANGE), changed)


def _healthy(story: Story, worker: int, began: float) -> None:
    """An attempt under way that gets on: some turns, then a call or a tool."""
    now = story.now
    attempt_id = story.start(worker, began, 1)
    slow = story.model(worker).name == "o4-mini"
    turns = max(1, int((now - began) / 70)) if slow else story.random.randrange(2, 44)
    for turn in range(1, turns + 1):
        took = _latency(story, worker)
        at = began + 1 + (now - began - 8) * (turn - 1) / turns
        if at + took < now - 8:
            story.call(worker, attempt_id, turn, at, took)
    last = now - 3 - story.random.random() * 3
    who = {"attempt_id": attempt_id, "worker": worker}
    if worker % 3:
        story.log.add(last, ev.CallStarted(**who, n=99, stream=True))
    else:
        tool = ev.ToolStarted(**who, tool="bash", detail="pytest -q tests/forms")
        story.log.add(last, tool)
    seen = now - 1 - story.random.random() * 3
    story.spans.append(Span(worker, attempt_id, began, now, now - 6))
    slot = ev.SlotPulse(worker, "wait", began, seen, seen, 900)
    story.log.add(now - 0.9, ev.Pulse(slots=[slot], hosts=[]))


def fleet_log(workers: int = 100, ended: int = 395, lasted_s: float = LASTED_S) -> list[ev.Event]:
    """The night of the wireframe. With fewer workers the troubled ones get lower numbers."""
    return fleet_story(workers, ended, lasted_s).log.lines()


def fleet_story(workers: int = 100, ended: int = 395, lasted_s: float = LASTED_S) -> Story:
    """The same with the bodies of its messages."""
    story = Story(workers, 1500 if workers >= 50 else 60, lasted_s)
    low = (3, 8, 7, 10)  # the stuck ones on models that are expected to answer soon
    places: tuple[int, ...] = tuple(TROUBLED) if workers > 82 else low
    troubled = dict(zip(places, TROUBLED.values(), strict=True))
    longest = max(61, min(860, int(lasted_s * 0.6)))
    began = [story.now - story.random.randrange(60, longest) for _ in range(workers)]
    for worker, (ran, _) in troubled.items():
        if worker < workers:
            began[worker] = story.now - ran
    _history(story, ended, [at - 0.5 for at in began])
    for worker in range(workers):
        if worker in troubled:
            troubled[worker][1](story, worker, began[worker])
        else:
            _healthy(story, worker, began[worker])
    if workers >= 50:
        _troubles_of_the_night(story)
    _changed_limit(story)
    story.settle(story.now - 4)
    story.pulses()
    return story


def write_run(run_dir: Path) -> list[ev.Event]:
    """The night of the wireframe as a run folder: log, transcript and result rows."""
    story = fleet_story()
    found = story.log.lines()
    run_dir.mkdir(parents=True, exist_ok=True)
    about = {"run_id": run_dir.name, "name": "flawed-5.3", "created": START}
    (run_dir / "run.json").write_text(json.dumps(about), "utf-8")
    (run_dir / "events.jsonl").write_bytes(b"".join(ev.encode(event) for event in found))
    (run_dir / "transcript.jsonl").write_bytes(story.bodies)
    write_rows(run_dir, [_row(story, event) for event in story.ended])
    return found


def _row(story: Story, event: ev.AttemptEnded) -> Row:
    started = story.tasks_of[event.attempt_id]
    labels = dict(part.split("=") for part in event.task_id.split("/")[1:])
    return make_row(
        event.row,
        event.task_id,
        event.outcome,
        run_id="7f3a",
        attempt_id=event.attempt_id,
        model=event.model,
        endpoint=started.endpoint,
        deployment=started.deployment,
        cause=event.cause,
        score=event.score,
        prompt_type=labels.get("prompt", ""),
        started_at=started.at,
        elapsed_s=event.elapsed_s,
        turns=event.turns,
        calls=event.calls,
        tokens_in=event.tokens_in,
        tokens_out=event.tokens_out,
        cost=event.cost,
        worker=event.worker,
        host=event.host,
        error=event.error,
    )


def small_log(workers: int = 12) -> list[ev.Event]:
    """A run as the demo has it: a dozen workers, some minutes old."""
    return fleet_log(workers, ended=23, lasted_s=1_500)


def ended_log() -> list[ev.Event]:
    """A run that has finished."""
    story = Story(12, 60, 1_500)
    _history(story, 60, [story.now - 21 - worker for worker in range(12)])
    story.settle(story.now - 19)
    story.pulses()
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
