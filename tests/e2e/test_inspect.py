"""A harness that knows nothing of us, unmodified: ``inspect eval``, wrapped and as a command."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.running import PACKAGE, Watched, checked

from runner.rehearse import Rehearsal, Script

INSPECT = shutil.which("inspect")
TASK = """
from inspect_ai import Task, task
from inspect_ai.dataset import Sample
from inspect_ai.scorer import includes
from inspect_ai.solver import generate


@task
def hello():
    samples = [Sample(input=f"Say hello {number}", target="a") for number in range(10)]
    return Task(dataset=samples, solver=[generate()], scorer=includes())
"""
PROGRAM = """
set -e
{inspect} eval task.py --model openai/gpt-x --display none --log-dir logs > /dev/null
echo '{{"outcome": "passed", "score": 1.0}}'
"""
PLAN = """
[run]
workers = 2
[[endpoints]]
name = "here"
base_url = "{base_url}"
[[models]]
name = "gpt-x"
endpoint = "here"
[tasks]
executor = "command"
argv = ["sh", "program.sh"]
source = "tasks.jsonl"
"""

pytestmark = [
    pytest.mark.drill,
    pytest.mark.timeout(200),
    pytest.mark.skipif(INSPECT is None, reason="inspect_ai is not installed"),
]


@pytest.fixture
def server() -> Iterator[Rehearsal]:
    with Rehearsal.start(Script.decode(b'default = "ok,latency=0.2"', toml=True)) as found:
        yield found


def pilot(folder: Path, server: Rehearsal, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tui", *arguments],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(PACKAGE),
            "OPENAI_BASE_URL": server.base_url,
            "OPENAI_API_KEY": "a-key-of-the-test",
        },
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_wrapped(tmp_path: Path, server: Rehearsal) -> None:
    (tmp_path / "task.py").write_text(TASK)
    command = [str(INSPECT), "eval", "task.py", "--model", "openai/gpt-x", "--display", "plain"]
    pilot(tmp_path, server, "wrap", "--run-id", "w", "--", *command)
    run = Watched(tmp_path / "runs" / "w")
    run.ended()
    rows = run.rows()
    assert rows["turns"].to_list() == [1] * 10
    assert (rows["api_s"] > 0.19).all()
    checked(run)


def test_as_a_command(tmp_path: Path, server: Rehearsal) -> None:
    (tmp_path / "task.py").write_text(TASK)
    (tmp_path / "program.sh").write_text(PROGRAM.format(inspect=INSPECT))
    (tmp_path / "tasks.jsonl").write_text('{"id": "one"}\n{"id": "two"}\n')
    (tmp_path / "plan.toml").write_text(PLAN.format(base_url=server.base_url))
    pilot(tmp_path, server, "run", "plan.toml", "--headless", "--run-id", "c")
    run = Watched(tmp_path / "runs" / "c")
    run.ended()
    rows = run.rows()
    assert rows["turns"].to_list() == [10, 10]
    assert (rows["api_s"] > 1.9).all()
    checked(run)
