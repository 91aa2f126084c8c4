"""Hangs that are not an executor's: servers, memory, start, terminals, viewers, neighbours."""

import contextlib
import os
import signal
import socket
import statistics
import subprocess
import sys
import time

import pytest
from faults.zoo.keeper import LIMITS, STUCK_AFTER_S, Spectator, write_plan
from support.running import Project, Watched, checked, wait_for

from runner.client import socket_path
from runner.core import events as ev
from runner.rehearse import Rehearsal, Script
from runner.runs import engine_alive

STEADY = {"do": "steady", "stage": "run", "late": False, "turns": 10}


def ends_of(run: Watched, task: str) -> list[ev.AttemptEnded]:
    return [end for end in run.of(ev.AttemptEnded) if end.task_id == task]


def task(name: str, do: str, **data: object) -> dict[str, object]:
    return STEADY | {"id": name, "do": do} | data


def latencies(run: Watched, name: str) -> list[float]:
    ids = {start.attempt_id for start in run.of(ev.AttemptStarted) if start.task_id == name}
    return [end.latency_s for end in run.of(ev.CallEnded) if end.attempt_id in ids]


def test_k_a_server_that_stops_in_mid_stream_is_left_by_the_gap_limit(project: Project) -> None:
    with Rehearsal.start(Script(default="ok,tps=1,latency=0.05")) as server:
        tasks = [task("K-half-open", "stream")]
        longer = {
            "call": 40.0,
            "attempt": 50.0,
        }  # so that on a slow machine too the gap comes first
        plan = write_plan(project, tasks, workers=1, base_url=server.base_url, limits=longer)
        run = project.launch(plan)
        spectator = Spectator(run)
        spectator.start()
        begun = wait_for(lambda: run.of(ev.FirstByte))[0]
        wait_for(lambda: (run.state().workers[0].bytes or 0) > 0)
        os.kill(server.pid, signal.SIGSTOP)
        stopped = time.time()
        try:
            state = run.ended(30.0)
        finally:
            os.kill(server.pid, signal.SIGCONT)
        spectator.leave()
    (end,) = ends_of(run, "K-half-open")
    assert (end.outcome, end.cause, end.rung) == ("timed_out", "deadline:idle", "abort")
    assert max(begun.at, stopped - 1.0) < end.at < stopped + LIMITS["idle"] + 1.0
    seen = spectator.seen["K-half-open"]
    assert seen.stuck_age_s is not None
    assert seen.stuck_age_s < STUCK_AFTER_S + 1.0
    assert any("stream stalled after" in words for _, how, words in seen.whys if how == "stuck")
    assert state.exit_code == 1
    checked(run)


@pytest.mark.drill
def test_k_a_server_that_is_stopped_before_the_call_never_gives_a_byte(project: Project) -> None:
    with Rehearsal.start() as server:
        os.kill(server.pid, signal.SIGSTOP)
        try:
            tasks = [task("K-stopped", "stream")]
            run = project.launch(write_plan(project, tasks, workers=1, base_url=server.base_url))
            run.ended(30.0)
        finally:
            os.kill(server.pid, signal.SIGCONT)
    (end,) = ends_of(run, "K-stopped")
    (began,) = run.of(ev.CallStarted)
    assert (end.outcome, end.cause) == ("timed_out", "deadline:first_byte")
    assert end.at - began.at < LIMITS["first_byte"] + 1.0
    checked(run)


@pytest.mark.drill
@pytest.mark.timeout(90)
def test_p_results_finished_beside_an_engine_that_is_killed_are_kept(project: Project) -> None:
    tasks = [task(f"done-{n}", "steady", turns=1) for n in range(8)]
    run = project.launch(write_plan(project, [*tasks, task("hangs", "sleep")], workers=3))
    state = run.until(lambda s: len(s.done) >= 8)
    os.kill(state.engine_pid, signal.SIGKILL)
    wait_for(lambda: not run.pids(), 3.0)
    kept = run.rows()
    assert sorted(kept["task_id"]) == [f"done-{n}" for n in range(8)]
    assert set(kept["outcome"]) == {"passed"}
    project.resume(run)
    state = run.ended(40.0)
    assert (len(state.done), state.done["hangs"]) == (9, "timed_out")
    checked(run)


def test_r_a_memory_hog_is_ended_before_it_harms_the_machine(project: Project) -> None:
    tasks = [task("R-hog", "memory_hog"), *(task(f"s-{n}", "steady") for n in range(3))]
    resources = "hosts = 4\nmax_host_memory_mb = 400"
    run = project.launch(write_plan(project, tasks, workers=4, resources=resources))
    state = run.ended(40.0)
    (end,) = ends_of(run, "R-hog")
    assert (end.outcome, end.cause) == ("killed", "killed:memory")
    assert "max_host_memory_mb" in run.of(ev.HostGone)[0].why
    rss = max(host.rss_bytes for pulse in run.of(ev.Pulse) for host in pulse.hosts)
    assert rss < 600 * 1024 * 1024
    assert [state.done[f"s-{n}"] for n in range(3)] == ["passed"] * 3
    checked(run)


@pytest.mark.drill
def test_s_an_executor_whose_import_hangs_ends_every_task_by_the_prepare_limit(
    project: Project,
) -> None:
    code = (
        'import os, time\n"PILOT_RUN" in os.environ and time.sleep(1e6)\ndef run(task, ctx): ...\n'
    )
    tasks = [task(f"t{n}", "steady") for n in range(4)]
    plan = write_plan(project, tasks, workers=4, code=code, limits={"prepare": 4.0})
    run = project.launch(plan)
    spectator = Spectator(run)
    spectator.start()
    state = run.ended(40.0)
    spectator.leave()
    assert {end.cause for end in run.of(ev.AttemptEnded)} == {"deadline:prepare"}
    assert set(state.done.values()) == {"timed_out"}
    words = [w for seen in spectator.seen.values() for _, how, w in seen.whys if how == "stuck"]
    assert any("preparing" in one and "agent.py:2" in one for one in words), words
    checked(run)


@pytest.mark.drill
def test_s_an_executor_that_cannot_be_imported_says_so_in_each_row(project: Project) -> None:
    code = 'import os\nif "PILOT_RUN" in os.environ: import no_such_name\ndef run(task, ctx): ...\n'
    tasks = [task(f"t{n}", "steady") for n in range(2)]
    run = project.launch(write_plan(project, tasks, workers=2, code=code))
    run.ended(40.0)
    assert {end.cause for end in run.of(ev.AttemptEnded)} == {"error:ModuleNotFoundError"}
    assert "no_such_name" in run.rows()["error"][0]
    checked(run)


def test_t_a_hangup_of_the_terminal_leaves_the_run_alive(project: Project) -> None:
    tasks = [task(f"s-{n}", "steady") for n in range(4)]
    plan = write_plan(
        project, tasks, workers=2, behaviours={f"s-{n}": "ok,latency=0.3" for n in range(4)}
    )
    command = [sys.executable, "-m", "tui", "run", str(plan), "--headless"]
    with (project.folder / "out").open("wb") as out:
        shell = subprocess.Popen(
            [*command, "--runs-dir", str(project.runs)],
            stdout=out,
            stderr=out,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            folder = wait_for(
                lambda: [p for p in project.runs.glob("*/events.jsonl") if p.stat().st_size]
            )[0].parent
            run = Watched(folder)
            run.until(lambda s: len(s.owner) == 2)
            os.killpg(shell.pid, signal.SIGHUP)
            shell.wait(10.0)
        finally:
            with contextlib.suppress(ProcessLookupError):
                shell.kill()
            shell.wait(5.0)
    assert engine_alive(folder)
    state = run.ended(30.0)
    assert (state.status, state.exit_code, len(state.done)) == ("finished", 0, 4)
    checked(run)


def test_u_a_viewer_that_floods_and_never_reads_slows_nothing(project: Project) -> None:
    tasks = [task(f"s-{n}", "steady") for n in range(4)]
    behaviours = {f"s-{n}": "ok,latency=0.2" for n in range(4)}
    run = project.launch(write_plan(project, tasks, workers=4, behaviours=behaviours))
    run.until(lambda s: len(s.owner) == 4)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as viewer:
        viewer.settimeout(0.5)
        viewer.connect(str(socket_path(run.dir)))
        with contextlib.suppress(OSError):  # it is hung up on
            for _ in range(2000):
                viewer.sendall(b'{"op": "ping"}\n' * 50)
        began = time.monotonic()
        assert run.ask("ping")["state"] == "running"
        assert time.monotonic() - began < 1.0
        state = run.ended(30.0)
    assert (state.exit_code, len(state.done)) == (0, 4)
    assert not run.of(ev.EngineLagged)
    checked(run)


@pytest.mark.drill
def test_neighbours_of_a_spinner_get_their_outcomes_and_at_most_three_times_the_latency(
    project: Project,
) -> None:
    tasks = [task("spins", "busy"), *(task(f"s-{n}", "steady", turns=40) for n in range(3))]
    behaviours = {f"s-{n}": "ok,latency=0.1" for n in range(3)}
    plan = write_plan(project, tasks, workers=4, behaviours=behaviours, resources="hosts = 2")
    run = project.launch(plan)
    state = run.ended(40.0)
    host_of = {start.task_id: start.host for start in run.of(ev.AttemptStarted)}
    beside = [n for n in range(3) if host_of[f"s-{n}"] == host_of["spins"]]
    others = [n for n in range(3) if n not in beside]
    assert len(beside) == 1
    assert all(state.done[f"s-{n}"] == "passed" for n in range(3))
    slowed = statistics.median(latencies(run, f"s-{beside[0]}"))
    free = statistics.median(x for n in others for x in latencies(run, f"s-{n}"))
    assert slowed <= 3.0 * free, f"{slowed:.3f} s beside a spinner, {free:.3f} s elsewhere"
    assert ends_of(run, "spins")[0].cause == "deadline:attempt"
    checked(run)
