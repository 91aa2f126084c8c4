"""What only another process can tell: the executor's import, and the benchmark's own files."""

import sys
import time
from pathlib import Path

import pytest

from runner.engine.config import foreign, read_plan
from runner.errors import PlanError, format_problems

PLAN = """\
[[endpoints]]
name = "local"
base_url = "http://127.0.0.1:9/v1"
[[models]]
name = "m"
endpoint = "local"
[tasks]
source = "tasks.jsonl"
"""
PYTHON = PLAN + 'executor = "python"\nentry = "agent:run"\n'


def fault(folder: Path, agent: str | None, extra: str = "") -> str:
    (folder / "tasks.jsonl").write_text('{"id": "a"}\n')
    (folder / "plan.toml").write_text(PYTHON + extra)
    if agent is not None:
        (folder / "agent.py").write_text(agent)
    try:
        read_plan(folder / "plan.toml", environ={})
    except PlanError as error:
        return "\n".join(format_problems(error.problems))
    return ""


def test_an_entry_that_imports_is_fine(tmp_path: Path):
    # The plan's folder stands first on sys.path: this one hides nothing else of that name.
    (tmp_path / "helper.py").write_text("VALUE = 1\n")
    text = 'import helper, os, sys\nprint("noise")\nassert sys.path[0] == os.getcwd()\n'
    assert fault(tmp_path, text + "def run(task, ctx): ...\n") == ""


FAULTS = {
    "no-module": (None, "agent:run: ModuleNotFoundError: No module named 'agent'"),
    "no-function": ("x = 1", "AttributeError: module 'agent' has no attribute 'run'"),
    "no-callable": ("run = 1", "agent:run: run is not a function"),
    "missing-package": (
        "import os\nimport no_such_package",
        "ModuleNotFoundError: No module named 'no_such_package' (agent.py:2)",
    ),
    "syntax": ("def run(:", "SyntaxError: invalid syntax"),
    "exit": ("raise SystemExit(4)", "SystemExit: 4 (agent.py:1)"),
    "os-exit": ("import os\nos._exit(3)", "the import ended its interpreter with status 3"),
    "crash": (
        "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)",
        "the import ended its interpreter by SIGSEGV",
    ),
}


@pytest.mark.parametrize("case", FAULTS)
def test_an_entry_that_does_not_import_is_told(tmp_path: Path, case: str):
    agent, words = FAULTS[case]
    text = fault(tmp_path, agent)
    assert text.startswith("plan.toml:10: tasks.entry: agent:run: ")
    assert words in text


def test_an_import_that_hangs_is_ended_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(foreign, "ANSWER_LIMIT_S", 1.0)
    text = f"""
import subprocess, time
child = subprocess.Popen([{sys.executable!r}, "-c", "import time; time.sleep(600)"])
open("child.pid", "w").write(str(child.pid))
time.sleep(600)
"""
    started = time.monotonic()
    assert "the import did not end within 1 s" in fault(tmp_path, text)
    assert time.monotonic() - started < 10
    child = Path("/proc", (tmp_path / "child.pid").read_text(), "stat")
    deadline = time.monotonic() + 5
    while child.exists() and child.read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < deadline, "the child of the import lives on"
        time.sleep(0.01)


def test_the_interpreter_must_be_one(tmp_path: Path):
    agent = "def run(task, ctx): ..."
    assert "no/python: no such program" in fault(tmp_path, agent, 'python = "no/python"\n')
    (tmp_path / "python").write_text("no program")
    (tmp_path / "python").chmod(0o755)
    assert "needs an interpreter that starts" in fault(tmp_path, agent, 'python = "./python"\n')


def test_an_interpreter_without_the_runners_packages_is_told(tmp_path: Path):
    # -S leaves site-packages out, as in a virtual environment that nobody installed anything into.
    bare = tmp_path / "bare-python"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    bare.chmod(0o755)
    text = fault(tmp_path, "def run(task, ctx): ...", 'python = "./bare-python"\n')
    assert "the interpreter lacks msgspec and openai (install pilot-tui into it)" in text


def test_the_check_can_be_left_out(tmp_path: Path):
    (tmp_path / "tasks.jsonl").write_text('{"id": "a"}\n')
    (tmp_path / "plan.toml").write_text(PYTHON)
    assert read_plan(tmp_path / "plan.toml", environ={}, check_entry=False).plan.tasks.entry


def test_the_entrys_own_file_has_a_digest(tmp_path: Path):
    assert fault(tmp_path, "def run(task, ctx): ...") == ""
    first = read_plan(tmp_path / "plan.toml", environ={}, check_entry=False).digests["entry"]
    (tmp_path / "agent.py").write_text("def run(task, ctx): return True")
    second = read_plan(tmp_path / "plan.toml", environ={}, check_entry=False).digests["entry"]
    assert first
    assert first != second


def test_the_interactive_executor_checks_its_own_files(tmp_path: Path):
    (tmp_path / "tasks.jsonl").write_text(
        '{"id": "a", "description": "d", "required_tools": ["file_reader"]}\n'
        '{"id": "b", "description": "d", "required_tools": ["file_raeder"]}\n'
    )
    (tmp_path / "tools.json").write_text("[]")
    (tmp_path / "plan.toml").write_text(PLAN + 'executor = "interactive"\n')
    with pytest.raises(PlanError, match="unknown tool 'file_raeder'") as caught:
        read_plan(tmp_path / "plan.toml", environ={})
    assert [(one.file, one.line) for one in caught.value.problems] == [("tasks.jsonl", 2)]
    with pytest.raises(PlanError, match="no tools"):
        read_plan(tmp_path / "plan.toml", {"tasks.tools": "tools.json"}, environ={})
