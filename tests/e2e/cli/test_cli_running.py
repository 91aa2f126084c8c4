"""`run --headless` on real engines: what it says, how it ends, what signals do to it."""

import itertools
import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.commands import COMMAND, Pilot
from support.running import LONG, Project, Watched, checked, wait_for

from runner.core import events as ev
from runner.runs import engine_alive

Start = Callable[..., subprocess.Popen[str]]

SILENT = 'default = "silent"'
ONE_SILENT = 'default = "ok"\n[tasks]\nt001 = "silent"'


def begun(
    project: Project,
    process: subprocess.Popen[str],
    run_id: str,
    kind: type[ev.Event] = ev.CallStarted,
) -> Watched:
    """The run that the command starts, once its workers are at work."""
    run = Watched(project.runs / run_id)

    def lives() -> bool:
        assert process.poll() is None, process.communicate()
        return (run.dir / "events.jsonl").exists() and bool(run.of(kind))

    wait_for(lives, 30)
    return run


def end_engine(run: Watched) -> None:
    """Kill the engine, and wait until its lock is free."""
    os.kill(run.state().engine_pid, signal.SIGKILL)
    wait_for(lambda: not engine_alive(run.dir))


def test_a_good_run_exits_0_and_says_how_it_went(project: Project, pilot: Pilot):
    plan = project.write(tasks=4)
    said = pilot("run", plan, "--headless", "--run-id", "good", "--runs-dir", project.runs)
    assert said.code == 0
    lines = said.out.splitlines()
    assert all(re.match(r"\d\d:\d\d:\d\d \w+", line) for line in lines)
    assert "4 tasks, 4 workers" in lines[0]
    assert "finished: 4 of 4 tasks scored. 4 results saved." in lines[-1]
    assert "\x1b" not in said.out
    assert pilot("wait", "good").code == 0
    assert pilot("verify", "good", "--json").json["rows"] == 4
    checked(Watched(project.runs / "good"))


def test_a_hang_is_told_when_it_begins_and_when_it_ends(project: Project, pilot: Pilot):
    plan = project.write(tasks=3, script=ONE_SILENT, limits="first_byte = 4")
    changes = ["--set", "run.max_attempts=1"]
    said = pilot("run", plan, "--headless", *changes, "--runs-dir", project.runs)
    assert said.code == 1, said.err
    begins = [line for line in said.out.splitlines() if " hang  " in line]
    ends = [line for line in said.out.splitlines() if " hang over " in line]
    assert len(begins) == len(ends) == 1
    assert "t001: no byte yet" in begins[0]
    assert "first-byte limit" in begins[0]
    assert "timed_out deadline:first_byte" in ends[0]
    assert "1 x deadline:first_byte" in said.out


def test_an_error_class_is_told_once_and_counted(project: Project, pilot: Pilot):
    code = "def run(task, ctx):\n    raise ValueError('no \\x1b[31mluck')\n"
    plan = project.write(tasks=6, code=code)
    changes = ["--set", "run.max_attempts=1"]
    said = pilot("run", plan, "--headless", *changes, "--runs-dir", project.runs)
    assert said.code == 1
    assert said.out.count("error:ValueError, for the first time") == 1
    assert "6 x error:ValueError" in said.out
    assert "\x1b" not in said.out


def test_a_line_comes_at_least_every_five_seconds(project: Project, start: Start):
    plan = project.write(tasks=2, script=SILENT, limits=LONG)
    process = start("run", plan, "--headless", "--run-id", "quiet", "--runs-dir", project.runs)
    begun(project, process, "quiet")
    assert process.stdout is not None
    said: list[float] = []
    while not said or said[-1] - said[0] < 7:
        line = process.stdout.readline()
        hours, minutes, seconds = map(int, line[:8].split(":"))
        said.append(hours * 3600 + minutes * 60 + seconds)
        if said[-1] < said[0]:
            said[-1] += 24 * 3600  # past midnight
    # 5 s, and one that whole seconds may add: the times are the program's, not this reader's.
    assert max(after - before for before, after in itertools.pairwise(said)) <= 6


def test_the_first_ctrl_c_stops_the_run(project: Project, start: Start):
    plan = project.write(tasks=4, script=SILENT, limits=LONG)
    process = start("run", plan, "--headless", "--run-id", "stop", "--runs-dir", project.runs)
    run = begun(project, process, "stop")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 3
    assert "stopping" in out
    assert "SIGINT: stopping the run" in err
    assert "Traceback" not in err
    assert {event.cause for event in run.of(ev.AttemptEnded)} == {"killed:stop"}
    checked(run)


def test_the_second_ctrl_c_does_not_wait(project: Project, start: Start):
    code = "import time\ndef run(task, ctx):\n    ctx.log('x')\n    time.sleep(600)\n"
    plan = project.write(tasks=2, code=code, workers=2, limits=LONG)
    process = start("run", plan, "--headless", "--run-id", "now", "--runs-dir", project.runs)
    run = begun(project, process, "now", ev.AttemptRunning)
    process.send_signal(signal.SIGTERM)
    wait_for(lambda: run.of(ev.StopRequested))
    process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    _, err = process.communicate(timeout=20)
    assert time.monotonic() - began < 10
    assert process.returncode == 3
    assert "Traceback" not in err
    wait_for(lambda: not engine_alive(run.dir))


def test_a_lost_terminal_or_a_kill_leaves_the_run_alone(project: Project, start: Start):
    for number, name in ((signal.SIGHUP, "hup"), (signal.SIGKILL, "kill")):
        plan = project.write(tasks=2, script=SILENT, limits=LONG)
        process = start("run", plan, "--headless", "--run-id", name, "--runs-dir", project.runs)
        run = begun(project, process, name)
        process.send_signal(number)
        process.communicate(timeout=10)
        assert engine_alive(run.dir)
        assert run.ask("ping")["ok"]
        assert not run.of(ev.StopRequested)
        end_engine(run)


def test_a_lost_engine_ends_it_within_two_seconds_with_3(project: Project, start: Start):
    plan = project.write(tasks=2, script=SILENT, limits=LONG)
    process = start("run", plan, "--headless", "--run-id", "lost", "--runs-dir", project.runs)
    run = begun(project, process, "lost")
    os.kill(run.state().engine_pid, signal.SIGKILL)
    began = time.monotonic()
    out, _ = process.communicate(timeout=20)
    assert time.monotonic() - began < 2.5  # 2 s, and the reading of its output
    assert process.returncode == 3
    assert "ENGINE GONE" in out


@pytest.mark.timeout(120)  # a dozen commands, one after another
def test_a_detached_run_is_steered_by_commands(project: Project, pilot: Pilot):
    plan = project.write(tasks=6, script=ONE_SILENT, limits=LONG, workers=2)
    there = ["--runs-dir", project.runs]
    said = pilot("run", plan, "--detach", "--run-id", "far", *there)
    assert said.code == 0
    assert said.out.splitlines() == [
        "run     far",
        f"folder  {project.runs / 'far'}",
        "attach  pilot-tui attach far",
    ]
    run = Watched(project.runs / "far")
    run.until(lambda state: len(state.done) == 5)
    assert pilot("status", "far", "--json", *there).json["state"] == "running"
    assert pilot("doctor", "far", *there).code == 0
    worker = next(w for w in run.state().workers if w.busy)
    assert "paused" in pilot("pause", "far", *there).out
    wait_for(lambda: pilot("status", "far", "--json", *there).json["state"] == "paused")
    assert "goes on" in pilot("resume", "far", *there).out
    assert pilot("workers", "far", "3", *there).code == 0
    assert pilot("set", "far", "limits.attempt=200", "stop.tokens=0", *there).code == 0
    refused = pilot("set", "far", "run.name=x", *there)
    assert (refused.code, "cannot change" in refused.err) == (1, True)
    idle = pilot("kill", "far", "--worker", str(2), "--json", *there)
    assert (idle.code, idle.json["ok"]) == (1, False)
    killed = pilot("kill", "far", "--worker", worker.worker, "--json", *there)
    assert (killed.code, killed.json["cause"]) == (0, "killed:user")
    assert pilot("wait", "far", *there).code == 1
    state = run.state()
    assert state.done["t001"] == "killed"
    assert state.plan is not None
    assert state.plan.limits.attempt == 200


def test_resume_starts_a_run_again_whose_engine_is_gone(project: Project, pilot: Pilot):
    plan = project.write(tasks=4, script=ONE_SILENT, limits=LONG)
    there = ["--runs-dir", project.runs]
    assert pilot("run", plan, "--detach", "--run-id", "again", *there).code == 0
    run = Watched(project.runs / "again")
    run.until(lambda state: len(state.done) == 3)
    end_engine(run)
    assert pilot("status", "again", "--json", *there).json["state"] == "lost"
    said = pilot("resume", "again", "--detach", *there)
    assert (said.code, "its engine was gone; started again" in said.err) == (0, True)
    run.until(lambda state: state.epoch == 2 and state.owner)
    assert pilot("stop", "again", *there).code == 0
    assert pilot("wait", "again", *there).code == 3


def test_a_part_of_the_tasks(project: Project, pilot: Pilot):
    plan = project.write(tasks=9)
    there = ["--headless", "--runs-dir", project.runs]
    assert "2 of 2 tasks scored" in pilot("run", plan, "--limit", "2", *there).out
    assert "1 of 1 tasks scored" in pilot("run", plan, "--task", "t007", *there).out
    unknown = pilot("run", plan, "--task", "t999", *there)
    assert (unknown.code, "t999" in unknown.err) == (2, True)


def test_a_taken_id_and_an_impossible_one(project: Project, pilot: Pilot):
    plan = project.write(tasks=1)
    there = ["--headless", "--runs-dir", project.runs]
    assert pilot("run", plan, "--run-id", "one", *there).code == 0
    for run_id in ("one", "../one", "-x", "a b"):
        assert pilot("run", plan, f"--run-id={run_id}", *there).code == 2


def test_status_follows_a_run_to_its_end(project: Project, start: Start, pilot: Pilot):
    plan = project.write(tasks=3, script=ONE_SILENT, limits=LONG)
    there = ["--runs-dir", project.runs]
    assert pilot("run", plan, "--detach", "--run-id", "seen", *there).code == 0
    process = start("status", "seen", "--follow", "--json", *there)
    assert process.stdout is not None
    assert '"state": "running"' in process.stdout.readline()
    assert pilot("stop", "seen", *there).code == 0
    out, _ = process.communicate(timeout=40)
    assert process.returncode == 0
    assert '"state": "stopped"' in out.splitlines()[-1]


@pytest.mark.parametrize("term", ["dumb", ""])
def test_a_dumb_terminal_gets_lines(
    project: Project, pilot: Pilot, term: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setenv("TERM", term)
    plan = project.write(tasks=1)
    typescript = tmp_path / "typescript"
    command = shlex.join([*COMMAND, "run", str(plan), "--runs-dir", str(project.runs)])
    done = subprocess.run(
        ["script", "-qec", command, str(typescript)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=40,
        check=False,
    )
    assert done.returncode == 0
    assert b"1 of 1 tasks scored" in done.stdout
    assert b"\x1b" not in done.stdout
