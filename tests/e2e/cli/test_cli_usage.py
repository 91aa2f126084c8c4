"""Commands explain themselves, bad input ends with words and code 2, nothing slow is loaded."""

import subprocess
import sys
from pathlib import Path

import pytest
from support.commands import Pilot

from tui.cli import main

COMMANDS = (
    *("run", "demo", "resume", "check", "init", "attach", "replay", "ls", "status", "wait"),
    *("incidents", "kill", "retry", "pause", "stop", "workers", "set", "report", "verify"),
    *("doctor", "rehearse", "loops", "themes", "notify"),
)
WITH_JSON = ("ls", "status", "incidents", "report", "verify", "doctor", "wait")


def test_help_lists_every_command(pilot: Pilot):
    said = pilot("--help")
    assert said.code == 0
    assert [name for name in COMMANDS if f"\n  {name} " not in said.out] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str], command: str):
    with pytest.raises(SystemExit) as leaving:
        main([command, "--help"])
    assert leaving.value.code == 0
    said = capsys.readouterr().out
    assert said.startswith(f"Usage: pilot-tui {command}")
    if command in WITH_JSON:
        assert "--json" in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["fly"], "No such command", id="unknown command"),
        pytest.param(["run"], "PLAN", id="no plan"),
        pytest.param(["check", "none.toml"], "none.toml", id="plan that is not there"),
        pytest.param(["run", "p.toml", "--workers", "0"], "--workers", id="no workers"),
        pytest.param(["run", "p.toml", "--workers", "10000"], "--workers", id="10,000 workers"),
        pytest.param(["run", "p.toml", "--set", "limits"], "KEY=VALUE", id="set without a value"),
        pytest.param(["check", "."], "", id="a folder as a plan"),
        pytest.param(["status", "nothing"], "no run", id="unknown run"),
        pytest.param(["status", "./nothing"], "not a run folder", id="path without a run"),
        pytest.param(["attach"], "live run", id="no live run to attach to"),
        pytest.param(["replay", "past", "--at", "9"], "no run", id="replay of nothing"),
        pytest.param(["kill", "past"], "--worker", id="kill what"),
        pytest.param(["kill", "past", "--worker", "1", "--task", "t"], "one of", id="kill both"),
        pytest.param(["workers", "past", "many"], "many", id="workers not a number"),
        pytest.param(["loops", "evaluate", "none.parquet"], "none.parquet", id="no conversations"),
        pytest.param(["rehearse", "--port", "99999"], "--port", id="impossible port"),
    ],
)
def test_bad_arguments_end_with_words_and_exit_code_2(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    words: str,
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as leaving:
        main(arguments)
    said = capsys.readouterr()
    assert (leaving.value.code, said.out) == (2, "")
    assert words in said.err
    assert said.err


def test_every_problem_of_a_plan_is_told_at_once(pilot: Pilot, tmp_path: Path):
    bad = tmp_path / "bad.toml"
    bad.write_text("[run]\nworkers = 0\n[limits]\natempt = 3\n")
    for arguments in (["run", bad], ["check", bad]):
        said = pilot(*arguments)
        assert said.code == 2
        assert "bad.toml:2: run.workers" in said.err
        assert "did you mean attempt?" in said.err
        assert "[[models]]" in said.err
    assert not (tmp_path / "runs").exists()


def test_problems_as_json(pilot: Pilot, tmp_path: Path):
    bad = tmp_path / "bad.toml"
    bad.write_text("[run]\nworkers = 0\n")
    said = pilot("check", bad, "--json")
    assert said.code == 2
    assert "run.workers" in [problem["key"] for problem in said.json["problems"]]


def test_init_writes_a_plan_once(pilot: Pilot, tmp_path: Path):
    assert pilot("init").code == 0
    assert pilot("check", "plan.toml").code == 0
    again = pilot("init")
    assert (again.code, "there already" in again.err) == (2, True)
    assert pilot("init", "-").out == (tmp_path / "plan.toml").read_text()


def test_init_for_a_script_runs_it(pilot: Pilot, tmp_path: Path):
    (tmp_path / "agent.py").write_text("def run(task, ctx):\n    return True\n")
    (tmp_path / "tasks.jsonl").write_text('{"id": "a"}\n{"id": "b"}\n')
    assert pilot("init", "agent.py").code == 0
    checked = pilot("check", "plan.toml")
    assert (checked.code, "2 tasks" in checked.out, "python" in checked.out) == (0, True, True)
    (tmp_path / "whole.py").write_text("print(1)\n")
    whole = pilot("init", "whole.py")
    assert (whole.code, "pilot-tui wrap -- python whole.py" in whole.err) == (2, True)
    assert pilot("init", "gone.py").code == 2
    assert not (tmp_path / "gone.py").exists()


def test_a_loops_file_that_is_no_parquet(pilot: Pilot, tmp_path: Path):
    (tmp_path / "x.parquet").write_bytes(b"nothing")
    assert pilot("loops", "evaluate", "x.parquet").code == 2


def test_a_reader_that_leaves_is_no_error(pilot: Pilot, past: Path):
    process = subprocess.Popen(
        [sys.executable, "-m", "tui", "init", "-"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(20) == 141
    assert process.stderr is not None
    with process.stderr as stderr:
        assert stderr.read() == b""


@pytest.mark.parametrize("arguments", [["--help"], ["status", "past-1"], ["ls"], ["check", "-h"]])
def test_nothing_slow_is_loaded(pilot: Pilot, past: Path, arguments: list[str]):
    code = (
        "import sys, tui.cli\n"
        "try: tui.cli.main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "slow = {'textual', 'rich', 'polars', 'pyarrow', 'openai', 'psutil', 'httpx2'}\n"
        "print('loaded:', sorted(slow & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout.endswith("loaded: []\n")


def test_the_shell_completes_commands_and_runs(
    pilot: Pilot, past: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("_PILOT_TUI_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "pilot-tui sta")
    monkeypatch.setenv("COMP_CWORD", "1")
    assert "plain,status" in pilot().out
    monkeypatch.setenv("COMP_WORDS", "pilot-tui status pa")
    monkeypatch.setenv("COMP_CWORD", "2")
    assert "plain,past-1" in pilot().out


def test_without_a_terminal_the_home_screen_is_the_list(pilot: Pilot, past: Path):
    said = pilot()
    assert said.code == 0
    assert "past-1" in said.out
    assert "\x1b" not in said.out


def test_runs_dir_may_stand_before_and_after_the_command(pilot: Pilot, past: Path, tmp_path: Path):
    (tmp_path / "elsewhere").mkdir()
    assert "past-1" not in pilot("ls", "--runs-dir", "elsewhere").out
    assert "past-1" not in pilot("--runs-dir", "elsewhere", "ls").out
    assert "past-1" in pilot("ls").out
