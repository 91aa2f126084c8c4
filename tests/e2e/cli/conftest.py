"""The real program as a child process, and run folders to point it at."""

import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.commands import BEGAN, COMMAND, Pilot, Said, ended, started, write_run
from support.running import PACKAGE, Project

from runner.core import events as ev


@pytest.fixture
def pilot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pilot:
    """Runs a command to its end: ``pilot("ls", "--json")``. Never leaves a traceback unseen."""
    monkeypatch.setenv("PYTHONPATH", str(PACKAGE))
    monkeypatch.setenv("PILOT_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("TZ", "UTC")

    def call(*arguments: str | Path, timeout_s: float = 30) -> Said:
        done = subprocess.run(
            [*COMMAND, *map(str, arguments)],
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Said(done)

    return call


@pytest.fixture
def project(pilot: Pilot, project: Project) -> Project:
    """In the environment of the commands."""
    return project


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a command and leaves it running; ended by its pid when the test is over."""
    started: list[subprocess.Popen[str]] = []

    def begin(*arguments: str | Path) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*COMMAND, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.communicate(timeout=10)


@pytest.fixture
def past(tmp_path: Path) -> Path:
    """A run of two tasks, one of them hung, that stopped after a minute and 40 seconds."""
    return write_run(
        tmp_path / "runs" / "past-1",
        [
            started(1, 0),
            started(1, 1),
            ev.CallStarted(at=BEGAN + 2, attempt_id="a1", worker=1, n=1, stream=True),
            ended(4, 0, "passed"),
            ended(31, 1, "timed_out", "deadline:first_byte"),
            ev.RunEnded(at=BEGAN + 100, status="stopped", why="stopped by a test", exit_code=3),
        ],
    )
