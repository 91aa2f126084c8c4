"""Hosts that freeze or die of what their executors do: named, replaced, and the others unharmed."""

import re
import time
from collections.abc import Mapping, Sequence

import pytest
from faults.zoo.keeper import Spectator, leftovers, write_plan
from support.running import PACKAGE, Project, Watched, checked, wait_for

from runner.core import events as ev
from runner.engine.autopsy import ThreadTime, culprit, place

FREEZE_S = 8.0
NAMED_S = 3.5
"""From the freeze to the culprit's place on every screen: 1.5 s until it counts as frozen, and some
looks of 0.4 s on a machine with more to do than it has cores."""
FREEZES = {
    "G-regex-in-executor": ("regex", "run"),
    "G-regex-in-scorer": ("regex", "score"),
    "G-sum-in-c": ("sum_in_c", "run"),
}
STACK = f'''attempt 7 says something
Stack (most recent call first):
  File "/usr/lib/python3.11/re/__init__.py", line 166 in match
  File "/plans/one/tools/judge.py", line 12 in has_answer
  File "/plans/one/agent.py", line 40 in run
  File "{PACKAGE}/runner/host/perform.py", line 99 in _run
  File "/usr/lib/python3.11/threading.py", line 982 in run
'''
IN_A_LIBRARY = "\n".join(STACK.splitlines()[:3])
LATER = """Stack (most recent call first):
  File "/plans/one/agent.py", line 41 in run
"""
DEATHS = {
    "H-exits-at-once": ("exits_at_once", "exited with 7"),
    "H-segfault": ("segfault", "signal 11"),
    "H-aborts": ("aborts", "signal 6"),
    "Q-alarm-without-handler": ("alarm_without_handler", "signal 14"),
}


def let_loose(
    project: Project, tasks: Sequence[Mapping[str, object]], *, hosts: int, workers: int
) -> Watched:
    """A run of these tasks with limits that are no matter here."""
    limits = {"attempt": 60.0, "score": 60.0}
    filled = [{"stage": "run", "late": False, "turns": 25, **task} for task in tasks]
    behaviours = {str(task["id"]): "ok,latency=0.2" for task in filled if task["do"] == "steady"}
    plan = write_plan(
        project,
        filled,
        workers=workers,
        behaviours=behaviours,
        resources=f"hosts = {hosts}",
        limits=limits,
    )
    return project.launch(plan)


def innocents(number: int) -> list[dict[str, object]]:
    return [{"id": f"steady-{n}", "do": "steady"} for n in range(number)]


@pytest.mark.parametrize(
    ("used_s", "states", "worker"),
    [
        pytest.param([3.4, 0.0], "RS", 0, id="a core to itself"),
        pytest.param([0.0, 0.4], "SR", 1, id="a ninth of a core on a busy machine"),
        pytest.param([0.0, 0.0], "TT", None, id="a stopped process"),
        pytest.param([1.0, 0.8], "RR", None, id="two that share"),
        pytest.param([1.0, 0.0], "SR", None, id="what ran sleeps by now"),
        pytest.param([], "", None, id="no threads"),
    ],
)
def test_the_culprit_is_the_one_thread_that_ran_while_the_others_stood(
    used_s: list[float], states: str, worker: int | None
) -> None:
    before = {number: ThreadTime("S", 10.0) for number in range(len(used_s))}
    after = {
        number: ThreadTime(state, 10.0 + used)
        for number, (state, used) in enumerate(zip(states, used_s, strict=True))
    }
    assert culprit(before, after, 3.5) == worker


@pytest.mark.parametrize(
    ("stack", "base", "expected"),
    [
        pytest.param(STACK, "/plans/one", "tools/judge.py:12 has_answer", id="the plan's own"),
        pytest.param(STACK, "/plans/two", "tools/judge.py:12 has_answer", id="a package's"),
        pytest.param(STACK + LATER, "/plans/one", "agent.py:41 run", id="the last"),
        pytest.param(IN_A_LIBRARY, "/plans/one", "re/__init__.py:166 match", id="a library's"),
        pytest.param("it says nothing", "/plans/one", "", id="no stack"),
        pytest.param("", "/plans/one", "", id="nothing"),
    ],
)
def test_the_place_is_the_innermost_line_of_the_executor(
    stack: str, base: str, expected: str
) -> None:
    assert place(stack, base) == expected


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name == "G-regex-in-scorer" else pytest.mark.drill)
        for name in FREEZES
    ],
)
def test_a_frozen_host_is_ended_and_its_culprit_named(project: Project, name: str) -> None:
    do, stage = FREEZES[name]
    tasks = [{"id": name, "do": do, "stage": stage}, *innocents(5)]
    run = let_loose(project, tasks, hosts=3, workers=6)
    spectator = Spectator(run)
    spectator.start()
    end = wait_for(lambda: [e for e in run.of(ev.AttemptEnded) if e.task_id == name], 30.0)[0]
    spectator.leave()
    froze = next(e.at for e in run.of(ev.Logged) if e.text == "freezing") + 0.6
    assert (end.outcome, end.cause) == ("errored", "error:FrozeHost")
    assert end.at - froze < FREEZE_S
    assert re.search(rf"agent\.py.* in {do}", end.error + run.of(ev.HostGone)[0].stack)
    whys = spectator.seen[name].whys
    assert min(age for age, _, words in whys if "does not answer" in words) < 0.6 + 2.0
    held = rf"agent\.py:\d+ {do}"
    named = [age for age, _, words in whys if re.fullmatch(f"holding the GIL at {held}", words)]
    assert named, whys
    assert named[0] < 0.6 + NAMED_S
    beside = f"waiting for worker {end.worker}, which holds the GIL at {held}"
    told = {
        task: any(re.fullmatch(beside, words) for _, _, words in seen.whys)
        for task, seen in spectator.seen.items()
    }
    assert sum(told.values()) == 1, told  # its one neighbour's reason, and nobody else's
    state = run.ended()
    lost = [e for e in run.of(ev.AttemptEnded) if e.outcome == "lost"]
    assert {e.host for e in lost} <= {end.host}
    assert len(lost) <= 1
    assert all(state.done[f"steady-{n}"] == "passed" for n in range(5))
    assert len(state.workers) == 6
    checked(run)


@pytest.mark.drill
@pytest.mark.timeout(90)
def test_a_process_that_stops_itself_is_ended_though_nobody_is_to_blame(project: Project) -> None:
    tasks = [{"id": "K-stops-itself", "do": "stop_own_process"}, *innocents(3)]
    run = let_loose(project, tasks, hosts=4, workers=4)
    spectator = Spectator(run)
    spectator.start()
    end = wait_for(
        lambda: [e for e in run.of(ev.AttemptEnded) if e.task_id == "K-stops-itself"], 30.0
    )[0]
    froze = next(e.at for e in run.of(ev.Logged) if e.text == "freezing") + 0.6
    spectator.leave()
    assert (end.outcome, end.cause) == ("errored", "error:FrozeHost")  # it was alone in its host
    assert end.at - froze < FREEZE_S
    whys = spectator.seen["K-stops-itself"].whys
    assert min(age for age, _, words in whys if "was stopped by a signal" in words) < 0.6 + NAMED_S
    state = run.ended()
    assert all(state.done[f"steady-{n}"] == "passed" for n in range(3))
    checked(run)


@pytest.mark.drill
@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", DEATHS)
def test_a_host_that_dies_is_replaced_and_the_suspect_found(project: Project, name: str) -> None:
    do, how = DEATHS[name]
    tasks = [{"id": name, "do": do}, *innocents(5)]
    run = let_loose(project, tasks, hosts=3, workers=6)
    state = run.ended(60.0)
    ends = [e for e in run.of(ev.AttemptEnded) if e.task_id == name]
    assert state.done[name] == "errored"
    assert ends[-1].cause == "error:HostExit"
    assert how in ends[-1].error
    assert len(ends) <= 3  # two unexplained deaths, then alone
    assert {e.outcome for e in ends[:-1]} <= {"lost"}
    assert all(state.done[f"steady-{n}"] == "passed" for n in range(5))
    assert len(state.workers) == 6
    checked(run)


@pytest.mark.timeout(120)
def test_a_storm_of_tasks_that_kill_their_hosts_ends_with_a_verdict(project: Project) -> None:
    tasks = [{"id": f"dies-{n:02d}", "do": "exits_at_once"} for n in range(40)]
    run = let_loose(project, tasks, hosts=4, workers=4)
    run.until(lambda s: "storm" in s.pauses, 60.0)
    deaths = len(run.of(ev.HostGone))
    time.sleep(2.0)  # nothing more may start: the absence of an event has no event
    assert len(run.of(ev.HostGone)) <= deaths + 4
    assert run.ask("stop")["ok"]
    state = run.ended()
    assert (state.status, state.exit_code) == ("stopped", 3)
    assert not leftovers(run, state)
    checked(run)
