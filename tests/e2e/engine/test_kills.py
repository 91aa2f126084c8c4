"""A person's kill frees the slot at once, and never anybody else's."""

from support.running import LONG, Project, checked, held

from runner.core import events as ev

SILENT_FIRST = """
default = "ok"
[tasks]
t000 = "silent"
"""


def test_a_kill_on_a_silent_call_frees_the_slot_and_the_next_task_starts(project: Project) -> None:
    run = project.launch(project.write(tasks=6, workers=1, script=SILENT_FIRST, limits=LONG))
    run.until(lambda state: state.workers[0].phase == "wait" and state.workers[0].calls == 1)
    answer = run.ask("kill", worker=0, attempt_id="1-00001")
    assert (answer["outcome"], answer["cause"]) == ("killed", "killed:user")
    state = run.ended()
    events = run.events()
    asked = next(e for e in events if isinstance(e, ev.KillRequested))
    ended = next(e for e in events if isinstance(e, ev.AttemptEnded))
    after = next(e for e in events if isinstance(e, ev.AttemptStarted) and e.seq > ended.seq)
    assert answer["rung"] == "abort"  # it obeyed at once; how soon that is, the benchmark tells
    assert asked.seq < ended.seq < after.seq
    assert asked.origin
    assert state.done["t000"] == "killed"
    assert state.exit_code == 1
    checked(run)


def test_retry_by_a_person_runs_the_task_again_first_and_is_not_charged(project: Project) -> None:
    script = 'default = "ok"\n[tasks]\nt000 = "silent,times=1"'
    run = project.launch(project.write(tasks=4, workers=1, script=script, limits=LONG))
    run.until(lambda state: state.workers[0].calls == 1)
    project.met("t000")
    assert run.ask("retry", worker=0)["then"] == "requeued"
    state = run.ended()
    starts = [event.task_id for event in run.of(ev.AttemptStarted)]
    assert starts[:2] == ["t000", "t000"]
    assert state.done["t000"] == "passed"
    assert state.exit_code == 0
    checked(run)


def test_a_kill_of_an_attempt_that_has_ended_harms_nobody(project: Project) -> None:
    script = 'default = "silent"\n[tasks]\nt000 = "ok"'
    run = project.launch(project.write(tasks=2, workers=1, script=script, limits=LONG))
    run.until(lambda state: "t000" in state.done and state.workers[0].task_id == "t001")
    answer = run.ask("kill", worker=0, attempt_id="1-00001")
    assert answer["ok"] is False
    assert (answer["error"], answer["outcome"]) == ("already ended", "passed")
    assert run.state().workers[0].task_id == "t001"
    assert run.ask("kill", task="t001")["ok"]
    run.ended()
    checked(run)


def test_stop_ends_attempts_under_way_and_resume_runs_them_again(project: Project) -> None:
    script = 'default = "ok"\n[tasks]\nt001 = "silent,times=1"'
    run = project.launch(project.write(tasks=3, workers=1, script=script, limits=LONG))
    run.until(lambda state: state.workers[0].task_id == "t001" and state.workers[0].calls == 1)
    project.met("t001")
    assert run.ask("stop")["ok"]
    state = run.ended()
    assert (state.status, state.exit_code) == ("stopped", 3)
    checked(run)
    project.resume(run)
    state = run.ended()
    assert (state.status, state.exit_code, len(state.done)) == ("finished", 0, 3)
    causes = [(e.task_id, e.cause) for e in run.of(ev.AttemptEnded)]
    assert causes.count(("t000", "")) == 1
    assert ("t001", "killed:stop") in causes
    checked(run)


def test_a_finished_run_takes_up_unscored_tasks_when_asked(project: Project) -> None:
    script = 'default = "ok"\n[tasks]\nt001 = "silent,times=1"'
    plan = project.write(tasks=3, workers=2, script=script, limits="first_byte = 3")
    plan.write_text(plan.read_text().replace("[run]", "[run]\nmax_attempts = 1", 1))
    run = project.launch(plan)
    assert run.ended().done["t001"] == "timed_out"
    project.resume(run, retry=["timed_out"])
    state = run.ended()
    assert (state.status, state.exit_code) == ("finished", 0)
    assert state.done == {"t000": "passed", "t001": "passed", "t002": "passed"}
    assert state.totals.attempts == 4
    checked(run)


def test_drain_lets_what_runs_end_and_starts_nothing_new(project: Project) -> None:
    plan = project.write(tasks=9, workers=2, code=held("t000", "t001"), limits=LONG)
    run = project.launch(plan)
    run.until(lambda state: len(state.owner) == 2)
    run.ask("stop", drain=True)
    run.until(lambda state: state.status == "draining")
    project.go()
    state = run.ended()
    assert (state.status, state.exit_code) == ("stopped", 3)
    assert state.done == {"t000": "passed", "t001": "passed"}
    assert state.totals.attempts == 2
    checked(run)


def test_a_plan_with_a_process_for_each_attempt_kills_as_surely(project: Project) -> None:
    more = '[resources]\nisolation = "process"'
    code = """
import time

def run(task, ctx):
    if task.id == "t000":
        while True:
            try:
                time.sleep(60)
            except BaseException:
                pass
    return True
"""
    run = project.launch(project.write(tasks=4, workers=2, code=code, limits=LONG, more=more))
    run.until(lambda state: len(state.done) == 3)
    answer = run.ask("kill", task="t000")
    assert (answer["outcome"], answer["cause"]) == ("killed", "killed:user")
    assert run.ended().exit_code == 1
    checked(run)
