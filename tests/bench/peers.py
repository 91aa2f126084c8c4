"""The pool and the peer as programs: how they are started, and what is heard of them."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
POOL = (sys.executable, str(HERE / "pool_child.py"))


def peer_program(peer: Path) -> tuple[str, str]:
    """The peer's program."""
    return (str(peer), str(HERE / "inspect_child.py"))


def clean_environment() -> dict[str, str]:
    """Ours, without what would lead another environment to our packages."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def answer_of(*command: str) -> Any:
    """The JSON that a program says."""
    done = subprocess.run(
        command, capture_output=True, check=False, text=True, env=clean_environment()
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


@contextlib.contextmanager
def started(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    """A program at work, ended with the block."""
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=clean_environment(),
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def ends(told: Path) -> dict[int, float]:
    """Seconds that each task took that has said that it ended."""
    text = told.read_text() if told.exists() else ""
    lines = (line.split() for line in text[: text.rfind("\n") + 1].splitlines())
    return {int(number): float(took) for number, took in lines}
