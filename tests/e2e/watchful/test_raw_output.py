"""What reaches a host's descriptors past Python: masked, harmless, bounded, and never lost."""

from pathlib import Path

import pytest
from support.running import Project, Watched, checked

from runner.core import events as ev

KEY = "Zq81-plain-looking-but-secret-78"

CODE = """
import ctypes, os, subprocess, sys

def run(task, ctx):
    key = os.environ.get("PILOT_TEST_KEY", "")
    what = task.id
    if what == "t000":
        os.write(2, f"os.write {key}\\n".encode())
        os.write(1, b"\\x1b]0;owned\\x07 os.write to 1 with no end")
    if what == "t001":
        libc = ctypes.CDLL(None)
        libc.printf(b"printf %s \\xff\\n", key.encode())
        libc.fflush(None)
    if what == "t002":
        subprocess.run(["sh", "-c", 'echo "a child: $PILOT_TEST_KEY" >&2'], check=True)
    if what == "t003":
        sys.__stderr__.write(f"Python's first stderr {key}\\n")
        sys.__stderr__.flush()
        sys.stderr.buffer.write(f"its buffer {key}\\n".encode())
    if what == "t004" and not os.path.exists(ctx.dir / ".." / "died"):
        (ctx.dir / ".." / "died").touch()
        os.write(2, f"last words {key}".encode())
        os.abort()
    return True
"""

FLOOD = """
import os
def run(task, ctx):
    line = b"x" * 1000 + b"\\n"
    for _ in range(60_000):
        os.write(2, line)
    os.write(2, b"y" * 300_000 + b"\\n")
    os.write(2, b"after the flood\\n")
    return True
"""


def log_of(run: Watched) -> str:
    """The logs of all hosts."""
    return "".join(path.read_text() for path in sorted(run.dir.glob("host-*.log")))


def files_with(folder: Path, text: bytes) -> list[str]:
    """The files below ``folder`` that hold ``text``."""
    return [
        str(path.relative_to(folder))
        for path in sorted(folder.rglob("*"))
        if path.is_file() and text in path.read_bytes()
    ]


@pytest.mark.parametrize("isolation", ["thread", "process"])
def test_no_key_and_no_escape_code_reaches_the_host_log(
    project: Project, monkeypatch: pytest.MonkeyPatch, isolation: str
):
    monkeypatch.setenv("PILOT_TEST_KEY", KEY + "\n")  # as `export KEY=$(cat file)` may leave it
    more = f'[resources]\nisolation = "{isolation}"\n'
    plan = project.write(tasks=5, code=CODE, more=more)
    named = 'name = "here"\napi_key_env = "PILOT_TEST_KEY"'
    plan.write_text(plan.read_text().replace('name = "here"', named, 1))
    run = project.launch(plan)
    run.ended()
    checked(run)
    assert files_with(run.dir, KEY.encode()) == []
    log = log_of(run)
    for told in (
        "os.write ***",
        "printf ***",
        "a child: ***",
        "Python's first stderr ***",
        "its buffer ***",
        "last words ***",  # of a host that has crashed
        "os.write to 1 with no end",
    ):
        assert told in log, told
    assert not {"\x1b", "\x07"} & set(log)
    assert any(
        "SIGABRT" in text or "signal 6" in text for text in [e.why for e in run.of(ev.HostGone)]
    )


def test_a_token_of_a_command_is_masked_in_raw_output_too(
    project: Project, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PILOT_TEST_KEY", KEY)
    code = """
import os

def run(task, ctx):
    ctx.client.chat.completions.create(model=ctx.model, messages=[{"role": "user", "content": ""}])
    os.write(2, f"the token is {os.environ['PILOT_TEST_KEY']}\\n".encode())
    return True
"""
    plan = project.write(tasks=2, code=code)
    named = 'name = "here"\napi_key_command = ["sh", "-c", "echo $PILOT_TEST_KEY"]'
    plan.write_text(plan.read_text().replace('name = "here"', named, 1))
    run = project.launch(plan)
    assert run.ended().exit_code == 0
    checked(run)
    assert "the token is ***" in log_of(run)
    assert files_with(run.dir, KEY.encode()) == []


def test_a_flood_is_bounded_counted_and_holds_nobody_up(project: Project):
    run = project.launch(project.write(tasks=1, code=FLOOD, workers=1))
    state = run.ended()
    assert state.exit_code == 0
    assert not run.of(ev.HostFroze)
    (path,) = run.dir.glob("host-*.log")
    assert path.stat().st_size < 17_000_000
    log = path.read_text()
    assert "bytes left out" in log
    assert "y" * 1000 not in log
    assert log.rstrip().endswith("after the flood")
    assert path.stat().st_mode & 0o777 == 0o600
