"""``doctor`` on runs of ours: what it says when workers hang, the engine stops, or it is gone."""

import os
import signal
import subprocess
from typing import Any

from support.commands import COMMAND, Said
from support.running import Project, Watched, wait_for

LONG = "first_byte = 60\nidle = 60\ncall = 60\nattempt = 60"


def doctor(*words: str) -> Said:
    """The command at its end."""
    done = subprocess.run(
        [*COMMAND, "doctor", *words], capture_output=True, text=True, timeout=50, check=False
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Said(done)


def hung(project: Project) -> Watched:
    """A run whose workers wait for a server that says nothing."""
    plan = project.write(tasks=2, script='default = "silent"', workers=2, limits=LONG)
    run = project.launch(plan)
    wait_for(lambda: len(run.state().owner) == 2)
    return run


def test_what_each_stuck_slot_waits_for_and_whether_anything_was_saved(project: Project):
    run = hung(project)

    def stuck() -> Any:
        found = doctor(run.dir.name, "--json")
        return found if len(found.json["stuck"]) == 2 else None

    said = wait_for(stuck, 30)
    found = said.json
    assert said.code == 0, "they end by themselves"
    assert found["verdict"].startswith("2 STUCK")
    for worker in found["stuck"]:
        assert worker["why"].startswith("waiting: no byte yet")
        assert worker["saved_since"] is False
        assert 0 < worker["ends_in_s"] <= 60
    roles = [process["role"] for process in found["processes"]]
    assert roles[0] == "engine"
    host = next(process for process in found["processes"] if process["role"].startswith("host"))
    assert host["threads"] >= 2
    assert host["connections"]["states"]["ESTABLISHED"] == 2
    assert host["connections"]["waits_s"] > 1
    text = doctor(run.dir.name).out.splitlines()
    assert text[0].endswith(": healthy")
    assert text[-1] == f"next: pilot-tui attach {run.dir.name}"
    assert any("nothing was saved since" in line for line in text)


def test_a_stopped_engine_is_ill_and_the_command_wakes_it(project: Project):
    run = hung(project)
    pid = run.state().engine_pid
    os.kill(pid, signal.SIGSTOP)
    try:
        said = doctor(run.dir.name, "--json")
        assert said.code == 1
        assert said.json["next"] == f"kill -CONT {pid}"
        assert f"Its process {pid} is stopped." in said.json["verdict"]
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_run_that_lost_its_engine(project: Project):
    run = hung(project)
    os.kill(run.state().engine_pid, signal.SIGKILL)
    said = wait_for(lambda: found if (found := doctor(run.dir.name, "--json")).code else None)
    assert said.json["verdict"].startswith("ENGINE GONE")
    assert said.json["next"] == f"pilot-tui resume {run.dir.name}"


def test_without_arguments_the_live_runs_come_first(project: Project):
    run = hung(project)
    said = doctor("--json", "--window", "0.2")
    assert [found["run_id"] for found in said.json["runs"]] == [run.dir.name]
    pids = {process["pid"] for tree in said.json["trees"] for process in tree["processes"]}
    assert not pids & set(run.pids()), "a run of ours is no stranger"
