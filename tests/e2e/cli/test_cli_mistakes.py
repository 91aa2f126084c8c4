"""Forty kinds of wrong use: each ends with one message, what to do next, and its exit code."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from support.commands import BEGAN, COMMAND, Pilot, started, write_run
from support.running import LONG, Project

from runner.core import events as ev
from tui.cli import main
from tui.cli.entry import PIPE_CLOSED, UNWRITTEN

HALF = '[run]\nname = "x"\n'
FILES = {
    "text.txt": b"hello\n",
    "half.toml": HALF.encode(),
    "empty.toml": b"",
    "json.toml": b'{"run": 1}\n',
    "utf16.toml": HALF.encode("utf-16"),
    "image.toml": bytes(range(256)) * 8,
}
RUN = "past-1"


@pytest.fixture
def folder(tmp_path: Path, past: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files that are no plans, and runs: one that was stopped, a finished and a lost one."""
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop.toml").symlink_to("loop.toml")
    end = ev.RunEnded(at=BEGAN + 9, status="finished", why="", exit_code=0)
    write_run(tmp_path / "runs" / "done-1", [end])
    write_run(tmp_path / "runs" / "lost-1", [started(1, 0)])
    monkeypatch.chdir(tmp_path)
    return tmp_path


MISTAKES = {
    "a command with a typo": (["stauts"], 2, "Did you mean 'status'?"),
    "a plan that is not there": (["run", "none.toml"], 2, "pilot-tui init writes one"),
    "a folder as a plan": (["run", "folder"], 2, "is a folder: name the plan file in it"),
    "an empty name as a plan": (["check", ""], 2, "is a folder"),
    "a device as a plan": (["check", "/dev/null"], 2, "is not a regular file"),
    "a link to itself as a plan": (["check", "loop.toml"], 2, "Too many levels of symbolic links"),
    "a text as a plan": (["check", "text.txt"], 2, "text.txt:1: not TOML"),
    "JSON as a plan": (["check", "json.toml"], 2, "json.toml:1: not TOML"),
    "UTF-16 as a plan": (["check", "utf16.toml"], 2, "utf16.toml:1: is not UTF-8 here"),
    "an image as a plan": (["check", "image.toml"], 2, "is not UTF-8 here"),
    "an empty plan": (["check", "empty.toml"], 2, "a plan needs [[models]]"),
    "a plan without endpoints": (["run", "half.toml"], 2, "a plan needs [[endpoints]]"),
    "an unknown key": (["check", "half.toml", "--set", "limits.atempt=3"], 2, "attempt?"),
    "a set of no value": (["set", RUN, "limits.attempt"], 2, "e.g. limits.attempt=600"),
    "a plan over a folder": (["init", "folder"], 2, "is a directory"),
    "a plan over another": (["init", "half.toml"], 2, "name another file"),
    "a part that is none": (["run", "half.toml", "--shard", "5/4"], 2, "e.g. 2/4"),
    "no such run": (["status", "nope"], 2, "pilot-tui ls lists them"),
    "a run with a typo": (["status", "pats-1"], 2, "did you mean past-1?"),
    "a folder that is no run": (["status", "./folder"], 2, "is not a run folder"),
    "a name of 5,000 characters": (["status", "x" * 5000], 2, "pilot-tui ls lists them"),
    "control characters for a run": (["status", "\x1b[2J\udcff"], 2, "pilot-tui ls lists them"),
    "no live run": (["attach"], 2, "there is no live run; name another one"),
    "a file for the runs": (["ls", "--runs-dir", "text.txt"], 2, "text.txt is not a folder"),
    "a time that is none": (["status", RUN, "--at", "noon"], 2, "want 21:07, 21:07:30, +2h10m"),
    "a past that is followed": (["status", RUN, "--at", "3", "--follow"], 2, "cannot be followed"),
    "a replay without a terminal": (["replay", RUN], 2, "in a script: pilot-tui status RUN --at T"),
    "a kill of nobody": (["kill", RUN], 2, "--worker N and --task ID"),
    "an order to a stopped run": (["pause", RUN], 3, f"go on with it: pilot-tui resume {RUN}"),
    "an order to a finished run": (["workers", "done-1", "3"], 3, "resume done-1 --retry"),
    "an order to a lost run": (["stop", "lost-1"], 3, "start it again: pilot-tui resume lost-1"),
    "a report by nothing": (["report", RUN, "--by", ","], 2, "names no column"),
    "a report by the moon": (["report", RUN, "--by", "moon"], 2, "no such column"),
    "a resume without its plan": (["resume", RUN, "--detach"], 2, "plan cannot be resumed"),
    "a broken expression": (["doctor", "--match", "("], 2, "is no regular expression"),
    "a kill by doctor of nobody": (["doctor", "--kill"], 2, "go with --pid or --match"),
    "logs that are not there": (["import", "workflowbench", "none"], 2, "none: is not a folder"),
    "a folder without logs": (["import", "workflowbench", "folder"], 2, "holds no .json file"),
    "no conversations": (["loops", "evaluate", "text.txt"], 2, "not a file of conversations"),
    "a script that is none": (["rehearse", "--script", "text.txt"], 2, "the script cannot be read"),
    "a plan that calls nobody": (
        ["notify", "--test", "half.toml"],
        2,
        "a plan needs [[endpoints]]",
    ),
    "nothing to wrap": (["wrap"], 2, "COMMAND"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_with_what_to_do(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str
):
    arguments, code, words = MISTAKES[name]
    with pytest.raises(SystemExit) as leaving:
        main(arguments)
    said = capsys.readouterr()
    assert leaving.value.code == code, said.err
    assert words in said.err
    assert said.out == ""
    assert len(said.err.splitlines()) <= 5
    assert "\x1b" not in said.err


SHELL = {
    "output that is closed": ("ls >&-", 0, ""),
    "input that is closed": ("ls <&-", 0, ""),
    "all three closed": ("status past-1 <&- >&- 2>&-", 0, ""),
    "errors to nowhere": ("status nope 2>&-", 2, ""),
    "a full disk": ("ls > /dev/full", UNWRITTEN, "cannot be written: No space left on device"),
    "a full disk, JSON": ("status past-1 --json > /dev/full", UNWRITTEN, "cannot be written"),
    "a full disk, help": ("--help > /dev/full", UNWRITTEN, "cannot be written"),
    "lines to a full disk": ("attach past-1 > /dev/full", 3, "is followed to its end"),
    "a reader that leaves": ("init - | true; exit ${PIPESTATUS[0]}", PIPE_CLOSED, ""),
    "no HOME": ("ls", 0, ""),
    "a HOME that is not there": ("ls", 0, ""),
    "state where none can be": ("ls", 0, ""),
    "no TERM": ("attach past-1", 3, ""),
    "LANG=C": ("status grün", 2, "there is no run"),
    "a language that is not there": ("ls", 0, ""),
    "ASCII output": ("ls", 0, ""),
    "a runs folder that is a file": ("ls", 2, "$PILOT_RUNS: "),
}
ENVIRONMENT = {
    "no HOME": {"HOME": None, "XDG_STATE_HOME": None},
    "a HOME that is not there": {"HOME": "/nonexistent", "XDG_STATE_HOME": None},
    "state where none can be": {"XDG_STATE_HOME": "/dev/null"},
    "no TERM": {"TERM": None},
    "LANG=C": {"LANG": "C", "LC_ALL": "C"},
    "a language that is not there": {"LANG": "xx_YY.UTF-8"},
    "ASCII output": {"PYTHONIOENCODING": "ascii"},
    "a runs folder that is a file": {"PILOT_RUNS": "text.txt"},
}


@pytest.mark.parametrize("name", SHELL)
def test_odd_surroundings_are_borne_or_told(folder: Path, pilot: Pilot, name: str):
    words, code, told = SHELL[name]
    changes = ENVIRONMENT.get(name, {})
    environment = {k: v for k, v in (os.environ | changes).items() if v is not None}
    line = f'"{COMMAND[0]}" -m tui {words}'
    done = subprocess.run(
        ["bash", "-c", line],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert told in done.stderr
    assert len(done.stderr.splitlines()) <= 4


def test_a_folder_that_is_gone(folder: Path, pilot: Pilot):
    line = f'mkdir gone; cd gone; rmdir ../gone; unset PILOT_RUNS; "{COMMAND[0]}" -m tui ls'
    done = subprocess.run(
        ["bash", "-c", line], cwd=folder, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 2
    assert "change to another one" in done.stderr


def test_a_user_without_a_home_or_a_name(folder: Path, pilot: Pilot):
    code = "import os, pwd, tempfile\nfrom runner.runs import known_list\n"
    code += "os.setuid(54321) if os.getuid() == 0 else None\ndel os.environ['HOME']\n"
    code += "print(known_list())"
    environment = {k: v for k, v in os.environ.items() if k != "XDG_STATE_HOME"}
    done = subprocess.run(
        [COMMAND[0], "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip().endswith("pilot-tui/runs")


def test_a_full_disk_under_the_lines_costs_no_exit_code(project: Project):
    plan = project.write(tasks=1)
    command = [*COMMAND, "run", str(plan), "--headless", "--runs-dir", str(project.runs)]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=40, check=False
        )
    assert (done.returncode, "the run is followed to its end" in done.stderr) == (0, True)


def test_a_reader_that_leaves_a_run_is_told_where_it_goes_on(project: Project):
    plan = project.write(tasks=1, script='default = "silent"', limits=LONG)
    there = ["--run-id", "alone", "--runs-dir", str(project.runs)]
    process = subprocess.Popen(
        [*COMMAND, "run", str(plan), "--headless", *there],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    said = process.stderr.read()
    assert process.wait(20) == PIPE_CLOSED
    process.stderr.close()
    assert "the run goes on: pilot-tui attach alone" in said
    stop = ["stop", "alone", "--runs-dir", str(project.runs)]
    subprocess.run([*COMMAND, *stop], check=True, capture_output=True, timeout=30)
    wait = [*COMMAND, "wait", "alone", "--runs-dir", str(project.runs)]
    assert subprocess.run(wait, capture_output=True, timeout=30, check=False).returncode == 3


def test_a_folder_that_takes_nothing(folder: Path, project: Project, pilot: Pilot):
    plan = project.write(tasks=1, base_url="http://127.0.0.1:9/v1")
    said = pilot("run", plan, "--headless", "--runs-dir", "/proc/runs")
    assert (said.code, "/proc/runs" in said.err) == (2, True), said.err
    shutil.rmtree(folder / "folder")
    assert pilot("init", "folder/plan.toml").code == 2
