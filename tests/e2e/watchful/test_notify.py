"""The plan's own programs are called: on trouble, when it is over, at the end. None holds us up."""

import json
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.commands import COMMAND
from support.running import LONG, Project, checked, wait_for

from runner.core import events as ev
from runner.hook import Called, Hook


def program(folder: Path, code: str) -> str:
    """A program of the user's, beside the plan."""
    path = folder / "call-me.sh"
    path.write_text(f"#!/bin/sh\n{code}\n")
    path.chmod(0o755)
    return "./call-me.sh"


def heard(folder: Path) -> list[dict[str, Any]]:
    """The messages that the program wrote down."""
    path = folder / "heard.jsonl"
    text = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in text.splitlines()]


def test_trouble_and_the_end_are_told(project: Project):
    name = program(project.folder, "cat >> heard.jsonl; echo said ${PILOT_TEST_KEY}")
    os.environ["PILOT_TEST_KEY"] = key = "plain-looking-but-secret-4711"
    more = f'[notify]\non_trouble = ["{name}"]\non_end = "{name}"\n'
    plan = project.write(tasks=3, script='default = "silent"', workers=3, limits=LONG, more=more)
    plan.write_text(
        plan.read_text().replace('name = "here"', 'name = "here"\napi_key_env = "PILOT_TEST_KEY"')
    )
    try:
        run = project.launch(plan)
    finally:
        del os.environ["PILOT_TEST_KEY"]
    (told,) = wait_for(lambda: run.of(ev.Notified))
    assert (told.what, told.kinds, told.error) == ("trouble", ["stuck"], "")
    (first,) = heard(project.folder)
    assert first["event"] == "trouble"
    assert re.search("[1-3] of 3 workers are stuck", first["text"])  # the last a moment later
    assert first["run_dir"] == str(run.dir)
    assert run.ask("stop")["ok"]
    run.ended()
    last = wait_for(lambda: [m for m in heard(project.folder) if m["event"] == "ended"])
    assert (last[0]["state"], last[0]["exit_code"]) == ("stopped", 3)
    assert last[0]["tasks"] == {"total": 3, "done": 0}
    log = wait_for(
        lambda: text if "on_end" in (text := (run.dir / "engine.log").read_text()) else ""
    )
    assert "on_trouble (trouble): | said ***" in log
    assert key not in log
    checked(run)


def test_a_program_that_never_ends_holds_up_neither_the_run_nor_its_end(project: Project):
    name = program(project.folder, "echo $$ > pid; sleep 300 & sleep 300")
    more = f'[notify]\non_trouble = ["{name}"]\n'
    plan = project.write(tasks=2, script='default = "silent"', workers=2, limits=LONG, more=more)
    run = project.launch(plan)
    pid = int(wait_for(lambda: (project.folder / "pid").exists() and _read(project.folder)))
    before = run.state().at
    run.until(lambda state: state.at > before + 2)
    assert run.ask("stop")["ok"]
    run.ended(20)  # less than the 30 s after which the program is ended
    os.killpg(pid, signal.SIGKILL)  # or it would be ended after 30 s
    wait_for(lambda: not run.pids(), 10)


def _read(folder: Path) -> str:
    return (folder / "pid").read_text().strip()


def test_a_hook_is_ended_at_its_limit_with_all_that_it_started(tmp_path: Path):
    code = "sleep 300 & echo $! > child; echo begun; wait"
    called = ended_at_its_limit(["sh", "-c", code], tmp_path, 1)
    assert called.output == "begun\n"
    child = int((tmp_path / "child").read_text())
    wait_for(lambda: not Path(f"/proc/{child}").exists() or _zombie(child))


def ended_at_its_limit(argv: list[str], folder: Path, output_bytes: int) -> Called:
    """A call that never ends. A busy machine may not have got so far at the first limit."""
    for limit_s in (0.5, 2.0, 8.0):
        called = Hook(argv, folder, dict(os.environ)).run(b"{}\n", limit_s=limit_s)
        assert called.error == f"ended after {limit_s:g} s"
        if len(called.output) >= output_bytes:
            break
    return called


def _zombie(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


@pytest.mark.parametrize(
    ("argv", "error"),
    [
        (["sh", "-c", "exit 3"], "exit code 3"),
        (["sh", "-c", "kill -9 $$"], "ended by signal 9"),
        (["./not-there"], "cannot be started: No such file or directory"),
        (["true"], ""),
    ],
    ids=["fails", "is killed", "is missing", "ends well without reading"],
)
def test_how_a_hook_ended_is_told(tmp_path: Path, argv: list[str], error: str):
    assert Hook(argv, tmp_path, dict(os.environ)).run(b"{}\n").error == error


def test_endless_output_is_bounded(tmp_path: Path):
    assert len(ended_at_its_limit(["yes"], tmp_path, 16 * 1024).output) == 16 * 1024


def pilot(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*COMMAND, *words], cwd=folder, capture_output=True, text=True, timeout=50, check=False
    )


def test_notify_calls_both_programs_and_says_how_it_went(project: Project):
    name = program(project.folder, "cat >> heard.jsonl; echo done; exit ${FAILS:-0}")
    more = f'[notify]\non_trouble = ["{name}"]\non_end = ["{name}"]\n'
    plan = project.write(tasks=1, base_url="http://127.0.0.1:9/v1", more=more)
    said = pilot(project.folder, "notify", "--test", str(plan))
    assert said.returncode == 0, said.stderr
    assert [message["event"] for message in heard(project.folder)] == ["test", "test"]
    lines = said.stdout.splitlines()
    assert [line for line in lines if "ended well" in line][1].startswith("on_end: ")
    program(project.folder, "exit 7")
    said = pilot(project.folder, "notify", "--test", str(plan))
    assert said.returncode == 1
    assert "exit code 7" in said.stdout


def test_notify_needs_a_plan_that_calls_somebody(project: Project):
    plan = project.write(tasks=1, base_url="http://127.0.0.1:9/v1")
    said = pilot(project.folder, "notify", "--test", str(plan))
    assert said.returncode == 2
    assert "has no [notify]" in said.stderr


def test_a_plan_that_names_a_missing_program_is_refused(project: Project):
    more = '[notify]\non_trouble = ["./not-there"]\n'
    plan = project.write(tasks=1, base_url="http://127.0.0.1:9/v1", more=more)
    said = pilot(project.folder, "check", str(plan))
    assert said.returncode == 2
    assert "notify.on_trouble: ./not-there: no such program" in said.stdout + said.stderr
