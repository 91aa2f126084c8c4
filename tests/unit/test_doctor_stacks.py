"""Stacks through py-spy: what is asked of it, and what becomes of all that it may say."""

from pathlib import Path

import pytest

from runner.doctor.model import Process
from runner.doctor.stacks import of_each_kind, stacks_of

FAILS = """Error: Failed to get process executable name. Check that the process is running.

Caused by:
    0: Permission denied (os error 13)
    1: Permission denied (os error 13)

Stack backtrace:
   0: <E as anyhow::context::ext::StdError>::ext_context
  10: main
"""


def python(pid: int, command: str = "python agent.py") -> Process:
    return Process(pid=pid, command=command)


@pytest.fixture
def spy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A py-spy that is first on the path: the lines of a shell program."""
    found = tmp_path / "py-spy"
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return found


def says(spy: Path, code: str) -> None:
    spy.write_text(f"#!/bin/sh\n{code}\n")
    spy.chmod(0o755)


def test_the_reason_of_a_refusal_is_told_and_not_the_end_of_a_backtrace(spy: Path):
    says(spy, f"cat >&2 <<'END'\n{FAILS}END\nexit 1")
    found, (unread,) = stacks_of([python(7)])
    assert found == []
    assert unread.why == (
        "Failed to get process executable name. Check that the process is running: "
        "Permission denied (os error 13)"
    )
    assert unread.command == "sudo py-spy dump --pid 7"


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("echo 'Error: no such thing' >&2; exit 1", "no such thing"),
        ("exit 4", "exit code 4"),
        ("echo odd >&2; exit 1", "odd"),
    ],
)
def test_other_ends(spy: Path, code: str, why: str):
    says(spy, code)
    assert stacks_of([python(7)])[1][0].why == why


def test_a_program_that_cannot_be_started(spy: Path):
    spy.write_text("#!/not/there\n")
    spy.chmod(0o755)
    assert stacks_of([python(7)])[1][0].why == "No such file or directory"


def test_names_of_threads_drive_no_terminal_and_keys_are_hidden(spy: Path):
    says(spy, r"printf 'Process 7: python a.py --key abcdefghijkl\nThread \033]0;owned\007\n'")
    (stack,), _ = stacks_of([python(7)])
    assert "python a.py --key ***" in stack.text
    assert not {"\x1b", "\x07"} & set(stack.text)


def test_each_program_is_looked_at_before_its_copies(spy: Path):
    says(spy, 'echo "Process $4"')
    controllers = [python(1, "python runner.py --model a"), python(2, "python runner.py --model b")]
    executors = [python(3, "python batch.py"), python(4, "python batch.py")]
    odd = python(5, "python other.py")
    processes = [*controllers, *executors, odd]
    assert [process.pid for process in of_each_kind(processes)] == [1, 3, 5, 2, 4]
    found, _ = stacks_of([*processes, Process(pid=6, command="sleep 100")])
    assert [stack.pid for stack in found] == [1, 3, 5]


def test_without_py_spy_the_command_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    found, (unread,) = stacks_of([python(7)])
    assert (found, unread.command) == ([], "py-spy dump --pid 7")
    assert stacks_of([Process(pid=6, command="sleep 100")]) == ([], [])
    says(tmp_path / "py-spy", "echo beside us")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert stacks_of([python(7)])[0][0].text == "beside us\n"
