"""Lets cases loose in one run, watches it as a dashboard does, and says what was not as it must be.

A case is judged from outside only: the log as it grows (health and ``why`` by the reader's own
clock), the events, the rows, the processes of the machine.
"""

import json
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from faults.zoo.cases import Case
from support.running import Project, Watched, wait_for

from runner.core import events as ev
from runner.core.health import health, watch_of
from runner.core.outcomes import Health, outcome_of
from runner.core.state import State
from runner.core.state.fold import apply
from runner.core.why import why
from runner.rehearse import Rehearsal, Script

STUCK_AFTER_S: Final = 3.0
LIMITS: Final = {
    "connect": 4.5,
    "first_byte": 4.5,
    "idle": 4.5,
    "call": 6.5,
    "prepare": 5.2,
    "score": 5.2,
    "attempt": 9.0,
}
"""Each begins later than the one that it lies within: on a busy machine a connection takes half a
second, and a body of 12 MB one before its call even begins."""
GRACE_S: Final = {"": 1.0, "abort": 1.0, "exception": 1.0, "abandon": 3.0}
PROCESS_GRACE_S: Final = 1.0
SEEN_S: Final = 1.0
EARLY_S: Final = 0.25
"""A clock begins in the host; the event that tells of it is stamped when the engine reads it."""
LEFT_S: Final = 3.0
_LOOK_S: Final = 0.03


def write_plan(
    project: Project,
    tasks: Iterable[dict[str, Any]],
    *,
    workers: int,
    behaviours: dict[str, str] | None = None,
    resources: str = "",
    limits: dict[str, float] | None = None,
    base_url: str = "",
    code: str = "",
    max_attempts: int = 1,
) -> Path:
    """A plan for these tasks; each task's calls meet what ``behaviours`` has under its id."""
    if not base_url:
        script = Script(default="ok", tasks=behaviours or {})
        server = project._servers.enter_context(Rehearsal.start(script))
        base_url = server.base_url
    folder = project.folder
    (folder / "tasks.jsonl").write_text("".join(json.dumps(task) + "\n" for task in tasks))
    if code:
        (folder / "agent.py").write_text(code)
    else:
        shutil.copy(Path(__file__).with_name("animals.py"), folder / "agent.py")
        shutil.copy(Path(__file__).with_name("offspring.py"), folder / "offspring.py")
    bounds = "\n".join(f"{name} = {value}" for name, value in (LIMITS | (limits or {})).items())
    plan = folder / "plan.toml"
    plan.write_text(f"""
[run]
name = "zoo"
workers = {workers}
start_interval = 0
max_attempts = {max_attempts}
[limits]
{bounds}
retries = 5
retry_wait = 1
[watch]
slow_after = 1.5
stuck_after = {STUCK_AFTER_S}
[stop]
error_rate = 0
[loops]
repeat = "kill"
[resources]
{resources}
[[endpoints]]
name = "here"
base_url = "{base_url}"
task_header = "x-pilot-task"
[[models]]
name = "m"
endpoint = "here"
[tasks]
executor = "python"
source = "tasks.jsonl"
entry = "agent:run"
""")
    return plan


@dataclass
class Sighting:
    """What a screen showed of one attempt. Ages are seconds since its last progress."""

    stuck_age_s: float | None = None
    whys: list[tuple[float, Health, str]] = field(default_factory=list)


class Follower:
    """Reads a log as it grows. ``state`` is the fold of ``events``, all that were read so far."""

    def __init__(self, run: Watched) -> None:
        self._log = run.dir / "events.jsonl"
        self._offset = 0
        self.state = State()
        self.events: list[ev.Event] = []

    def read(self) -> State:
        """Take in the whole lines that are new."""
        try:
            with self._log.open("rb") as log:
                log.seek(self._offset)
                data = log.read()
        except FileNotFoundError:
            return self.state
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        for event in ev.decode_lines(whole)[0]:
            self.events.append(event)
            apply(self.state, event)
        return self.state


class Spectator(threading.Thread):
    """Follows a run's log as a screen does, and keeps what it would have shown."""

    def __init__(self, run: Watched) -> None:
        super().__init__(name="spectator", daemon=True)
        self._follower = Follower(run)
        self._leave = threading.Event()
        self.seen: dict[str, Sighting] = {}

    def run(self) -> None:
        while not self._leave.wait(_LOOK_S):
            self._look(self._follower.read(), time.time())

    def leave(self) -> None:
        """Stop watching."""
        self._leave.set()
        self.join(5.0)

    def _look(self, state: State, now: float) -> None:
        for worker in state.workers:
            if not worker.busy or worker.killing_at:
                continue
            sighting = self.seen.setdefault(worker.task_id, Sighting())
            how = health(worker, watch_of(state.plan, worker.model), now)
            age = now - max(worker.progress_at, worker.started_at)
            if how == "stuck" and sighting.stuck_age_s is None:
                sighting.stuck_age_s = age
            words = why(state, worker, now)
            if not sighting.whys or sighting.whys[-1][1:] != (how, words):
                sighting.whys.append((age, how, words))


def leftovers(run: Watched, state: State) -> list[str]:
    """Processes of the run that are neither its engine nor its zygote nor one of its hosts."""
    ours = {state.engine_pid, *(host.pid for host in state.hosts.values())}
    ours |= {pid for pid in run.pids() if _parent(pid) == state.engine_pid}
    return [f"{pid} {_command(pid)}" for pid in run.pids() if pid not in ours]


def _parent(pid: int) -> int:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    return int(stat.rpartition(")")[2].split()[1])


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()[:80]
    except OSError:
        return "(gone)"


class Zoo:
    """One run in which all ``cases`` are let loose at once, a slot for each."""

    def __init__(self, project: Project, cases: Sequence[Case], resources: str) -> None:
        self.cases = cases
        self.isolated = "process" in resources
        self.slots = len(cases) + 2
        steady = [{"id": f"0-steady-{n}", "do": "steady", "turns": 20} for n in range(2)]
        beasts = [
            {"id": one.id, "do": one.do, "stage": one.stage, "late": not one.is_stuck}
            for one in cases
        ]
        last = [
            {"id": f"z-slot-{n:03d}", "do": "all_slots_at_once", "slots": self.slots}
            for n in range(self.slots)
        ]
        tasks = [{"stage": "run", "late": False, **task} for task in (*steady, *beasts, *last)]
        behaviours = {case.id: case.behaviour for case in cases}
        behaviours |= {task["id"]: "ok,latency=0.2" for task in steady}
        self.run = project.launch(
            write_plan(
                project, tasks, workers=self.slots, behaviours=behaviours, resources=resources
            )
        )
        self.spectator = Spectator(self.run)
        self.spectator.start()

    def play(self, meanwhile: Callable[[Watched], None] | None = None) -> list[str]:
        """Let them all run to their ends; everything that was not as it must be, in words."""
        run, names = self.run, {case.id for case in self.cases}
        run.until(lambda state: state.totals.attempts >= self.slots, 40.0)
        run.ask("pause")
        if meanwhile is not None:
            meanwhile(run)
        wait_for(lambda: names <= {end.task_id for end in run.of(ev.AttemptEnded)}, 45.0)
        last = max(end.at for end in run.of(ev.AttemptEnded))
        wait_for(lambda: time.time() - last >= LEFT_S, LEFT_S + 1)
        left = leftovers(run, run.state())
        self.spectator.leave()
        run.ask("resume")
        state = run.ended(40.0)
        return [*(f"left behind: {one}" for one in left), *self._of_all(state), *self._of_each()]

    def _of_all(self, state: State) -> Iterable[str]:
        if (state.status, len(state.workers)) != ("finished", self.slots):
            yield f"the run is {state.status} with {len(state.workers)} of {self.slots} slots"
        for task, outcome in state.done.items():
            if task.startswith(("0-", "z-")) and outcome != "passed":
                yield f"{task}: {outcome}, an innocent"
        rows = self.run.rows()["task_id"].to_list()
        yield from (
            f"{task}: {rows.count(task)} rows" for task in set(rows) if rows.count(task) > 1
        )

    def _of_each(self) -> Iterable[str]:
        log = Log(self.run.events())
        for case in self.cases:
            for problem in self._of_one(case, log):
                yield f"{case.id}: {problem}"

    def _of_one(self, case: Case, log: "Log") -> Iterable[str]:
        end = log.ends.get(case.id)
        if end is None:
            yield "has not ended"
            return
        cause, outcome = case.cause, case.outcome
        if self.isolated and case.in_process != "same":
            cause = case.in_process
            outcome = outcome_of(cause)
        if (end.outcome, end.cause) != (outcome, cause):
            yield f"{end.outcome} {end.cause}, not {outcome} {cause}; {end.error[-200:]}"
        yield from self._of_time(case, end, log)
        seen = self.spectator.seen.get(case.id, Sighting())
        if case.is_stuck:
            yield from self._of_stuck(case, seen)
        elif case.why and not any(re.search(case.why, words) for _, _, words in seen.whys):
            yield f"never explained by {case.why!r}: {[words for _, _, words in seen.whys]}"

    def _of_time(self, case: Case, end: ev.AttemptEnded, log: "Log") -> Iterable[str]:
        limit = case.cause.removeprefix("deadline:")
        if limit not in LIMITS:
            return
        due = log.began(end.attempt_id, limit) + LIMITS[limit]
        late = end.at - due
        grace = PROCESS_GRACE_S if self.isolated else GRACE_S[case.rung]
        if not -EARLY_S <= late <= grace:
            yield f"ended {late:+.2f} s from its limit (rung {end.rung}; {grace} s allowed)"

    def _of_stuck(self, case: Case, seen: Sighting) -> Iterable[str]:
        soon = STUCK_AFTER_S + SEEN_S
        if seen.stuck_age_s is None or seen.stuck_age_s > soon:
            yield f"stuck seen after {seen.stuck_age_s} s without progress, {soon} s allowed"
        shown = [(age, words) for age, how, words in seen.whys if how == "stuck"]
        right = [age for age, words in shown if re.search(case.why, words)]
        if not right or right[0] > soon + 0.3:
            told = [f"{age:.1f} s {words}" for age, words in shown]
            yield f"not explained by {case.why!r} within {soon} s: {told}"


class Log:
    """The events of a run, by attempt."""

    def __init__(self, events: list[ev.Event]) -> None:
        self.ends = {e.task_id: e for e in events if isinstance(e, ev.AttemptEnded)}
        self._began: dict[tuple[str, str], float] = {}
        for event in events:
            attempt_id = getattr(event, "attempt_id", "")
            for kind, limits in _STARTS.items():
                if isinstance(event, kind):
                    for limit in limits:
                        self._began[attempt_id, limit] = event.at
            if isinstance(event, ev.FirstByte):  # itself it may be told with a later message
                self._began[attempt_id, "idle"] = self._began[attempt_id, "call"] + event.wait_s

    def began(self, attempt_id: str, limit: str) -> float:
        """When the clock of that limit began to run for the attempt."""
        return self._began[attempt_id, limit]


_STARTS: Final[dict[type[ev.Event], tuple[str, ...]]] = {
    ev.AttemptStarted: ("prepare",),
    ev.AttemptRunning: ("attempt", "score", "connect"),  # cases score, or connect, at once
    # What stalls has sent all that it sends with its first byte.
    ev.CallStarted: ("call", "first_byte", "idle", "connect"),
}
