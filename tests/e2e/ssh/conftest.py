"""Fixtures of tests in which terminals and connections go away."""

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from support.running import Project, Watched
from support.sshd import Sshd
from support.viewer import Desk

SLOW_TURNS = """
def run(task, ctx):
    for _ in range(3):
        with ctx.turn():
            ctx.client.chat.completions.create(
                model=ctx.model, messages=[{"role": "user", "content": "go"}]
            )
            ctx.sleep(0.2)
    return {"outcome": "passed", "score": 1.0}
"""
TASKS = 4000
"""More than any of these tests lives to see."""


@pytest.fixture
def plan(project: Project) -> Path:
    """A plan that goes on for longer than the test."""
    return project.write(tasks=TASKS, code=SLOW_TURNS, workers=2)


@pytest.fixture
def run(project: Project, plan: Path) -> Watched:
    """That plan under way."""
    return project.launch(plan, run_id="steady")


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    """A server for this test alone."""
    server = Sshd(tmp_path / "ssh")
    try:
        server.wait()
        yield server
    finally:
        server.close()


@pytest.fixture
def desk() -> Iterator[Callable[[Sequence[str]], Desk]]:
    """Starts a program on a terminal of its own; ended by its pid when the test is over."""
    opened: list[Desk] = []

    def begin(command: Sequence[str]) -> Desk:
        opened.append(Desk(command))
        return opened[-1]

    yield begin
    for found in opened:
        found.close()


@pytest.fixture
def pilot_words() -> list[str]:
    """The program's command line."""
    return [sys.executable, "-m", "tui"]
