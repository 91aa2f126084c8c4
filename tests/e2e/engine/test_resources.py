"""What a run takes of the machine and of its endpoints, and what it leaves behind."""

import os
import signal

import pytest
from support.running import LONG, Project, checked, held, wait_for

from runner.core import events as ev
from runner.runs import engine_alive
from runner.start.launching import launch

HOG = """
def run(task, ctx):
    if task.id == "t000":
        kept = []
        while True:
            kept.append(bytearray(8 * 1024 * 1024))
            ctx.sleep(0.02)
    ctx.sleep(0.5)
    return True
"""
LEAVES_A_CHILD = """
import subprocess

def run(task, ctx):
    subprocess.Popen(["sleep", "300"], start_new_session=True)
    ctx.sleep(60)
    return True
"""


@pytest.mark.timeout(90)
def test_a_memory_hog_goes_and_is_named_the_others_finish(project: Project) -> None:
    more = "[resources]\nisolation = 'process'\nmax_host_memory_mb = 300"
    run = project.launch(project.write(tasks=4, workers=2, code=HOG, more=more))
    state = run.ended()
    assert state.done["t000"] == "killed"
    causes = {event.cause for event in run.of(ev.AttemptEnded) if event.task_id == "t000"}
    assert causes == {"killed:memory"}
    assert {state.done[f"t00{number}"] for number in (1, 2, 3)} == {"passed"}
    assert any("max_host_memory_mb" in event.why for event in run.of(ev.HostGone))
    checked(run)


def test_what_a_killed_engine_leaves_is_ended_by_the_next(project: Project) -> None:
    run = project.launch(project.write(tasks=1, workers=1, code=LEAVES_A_CHILD))
    run.until(lambda state: state.workers[0].phase == "code")
    wait_for(lambda: len(run.pids()) >= 3)  # zygote, host, sleep
    os.kill(run.state().engine_pid, signal.SIGKILL)
    wait_for(lambda: not engine_alive(run.dir))
    wait_for(lambda: len(run.pids()) == 1, 3.0)  # only what escaped into a session of its own
    project.resume(run)
    run.until(lambda state: state.epoch == 2 and state.workers[0].phase == "code")
    assert run.ask("stop")["ok"]
    run.ended()
    checked(run)


def test_a_model_whose_key_is_refused_is_paused_and_the_others_go_on(project: Project) -> None:
    script = 'default = "ok"\n[models]\nbad = "401"'
    plan = project.write(tasks=3, workers=2, script=script)
    text = plan.read_text().replace(
        "[tasks]", '[[models]]\nname = "bad"\nendpoint = "here"\n[tasks]', 1
    )
    plan.write_text(text)
    run = project.launch(plan)
    state = run.until(
        lambda state: (
            sum(outcome == "passed" for outcome in state.done.values()) == 3
            and any(item.paused_why for item in state.endpoints.values())
        )
    )
    paused = [item for item in state.endpoints.values() if item.paused_why]
    assert [item.model for item in paused] == ["bad"]
    assert "401" in paused[0].paused_why
    assert len([e for e in run.of(ev.AttemptStarted) if e.model == "bad"]) <= 4
    assert run.ask("stop")["ok"]
    run.ended()
    checked(run)


def test_in_flight_requests_stay_under_the_endpoints_bound(project: Project) -> None:
    plan = project.write(tasks=16, workers=8, script='default = "ok,latency=0.2"')
    text = plan.read_text().replace('name = "here"', 'name = "here"\nmax_in_flight = 2', 1)
    plan.write_text(text + "[resources]\nhosts = 2\n")
    run = project.launch(plan)
    state = run.ended()
    assert state.exit_code == 0
    open_calls = most = 0
    for event in run.events():
        open_calls += isinstance(event, ev.FirstByte) - isinstance(event, ev.CallEnded)
        most = max(most, open_calls)
    assert most <= 2
    checked(run)


def test_a_second_live_run_on_the_same_endpoint_is_named(project: Project) -> None:
    plan = project.write(tasks=2, workers=1, script='default = "silent"', limits=LONG)
    first = project.launch(plan)
    info = launch(plan, runs_dir=project.runs)
    project.started.append(info)
    assert info.notes == [f"run {first.dir.name} is live and has the same plan"]


def test_a_person_pauses_one_model_and_the_other_goes_on(project: Project) -> None:
    plan = project.write(tasks=6, workers=2, code=held("t000", "t001"))
    text = plan.read_text().replace(
        "[tasks]", '[[models]]\nname = "other"\nendpoint = "here"\n[tasks]', 1
    )
    plan.write_text(text)
    run = project.launch(plan)
    run.until(lambda state: len(state.owner) == 2)
    assert run.ask("pause", model="other")["ok"]
    project.go()
    state = run.until(
        lambda state: sum(task.endswith("@m") for task in state.done) == 6 and not state.owner
    )
    (order,) = run.of(ev.EndpointPaused)
    after = [event.model for event in run.of(ev.AttemptStarted) if event.seq > order.seq]
    assert set(after) == {"m"}
    assert "paused by" in next(i for i in state.endpoints.values() if i.model == "other").paused_why
    assert run.ask("resume", model="other")["ok"]
    assert run.ended().exit_code == 0
    checked(run)


def test_the_number_of_workers_follows_an_order(project: Project) -> None:
    plan = project.write(tasks=8, workers=2, code=held(*(f"t{number:03d}" for number in range(8))))
    run = project.launch(plan)
    run.until(lambda state: len(state.owner) == 2)
    assert run.ask("workers", n=6)["ok"]
    run.until(lambda state: len(state.owner) == 6)
    assert run.ask("workers", n=1)["ok"]
    project.go()
    run.until(lambda state: len(state.workers) == 1)
    assert run.ended().exit_code == 0
    checked(run)


ONE_CALL = """
def run(task, ctx):
    ctx.client.chat.completions.create(
        model=ctx.model, messages=[{"role": "user", "content": "go"}]
    )
    return True
"""


def test_waiting_for_a_permit_is_not_held_against_a_call(project: Project) -> None:
    limits = "first_byte = 3\nidle = 3\ncall = 4\nattempt = 60"
    script = 'default = "ok,latency=0.5"'
    plan = project.write(tasks=12, workers=12, code=ONE_CALL, script=script, limits=limits)
    text = plan.read_text().replace('name = "here"', 'name = "here"\nmax_in_flight = 1', 1)
    plan.write_text(text)
    run = project.launch(plan)
    state = run.ended()
    assert set(state.done.values()) == {"passed"}
    assert state.totals.attempts == 12
    # Else this proves little: the last has waited longer than a call may take.
    began = {event.attempt_id: event.at for event in run.of(ev.AttemptRunning)}
    assert max(event.at - began[event.attempt_id] for event in run.of(ev.CallEnded)) > 4
    checked(run)


SLOW_JUDGE = """
def run(task, ctx):
    ctx.sleep(0.2)
    return {"score": 1.0, "outcome": "passed"}


def score(task, ctx, result):
    ctx.client.chat.completions.create(
        model=ctx.model, messages=[{"role": "user", "content": "judge"}]
    )
    return result
"""


def test_a_judge_that_hangs_is_ended_by_the_score_limit(project: Project) -> None:
    limits = "attempt = 30\nscore = 2\ncall = 20\nfirst_byte = 20"
    more = "[resources]\nmax_memory_percent = 100"
    plan = project.write(
        tasks=1, workers=1, code=SLOW_JUDGE, script='default = "silent"', limits=limits, more=more
    )
    plan.write_text(plan.read_text().replace("[run]", "[run]\nmax_attempts = 1", 1))
    run = project.launch(plan)
    run.ended()
    ends = [(event.outcome, event.cause) for event in run.of(ev.AttemptEnded)]
    assert ends == [("timed_out", "deadline:score")]
    assert run.of(ev.AttemptScoring)
    checked(run)
