"""No alarm without a silent engine: here a machine that has no core free for it.

The other side, an engine that is really stopped, is in tests/e2e/terminal/test_silence.py.
"""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.running import Project
from support.viewer import Desk

STEADY = """
def run(task, ctx):
    for _ in range(200):
        with ctx.turn():
            ctx.sleep(0.3)
    return True
"""
STARVED_S = 20.0
BUSY = "import time\nuntil = time.monotonic() + 60\nwhile time.monotonic() < until: pass"

pytestmark = [pytest.mark.drill, pytest.mark.timeout(120)]


@contextlib.contextmanager
def starved(pid: int) -> Iterator[None]:
    """That process gets what others leave of the cores, and they leave nothing."""
    hogs = [
        subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(4 * (os.cpu_count() or 1))
    ]
    threads = [int(entry.name) for entry in Path(f"/proc/{pid}/task").iterdir()]
    try:
        for thread in threads:
            os.sched_setscheduler(thread, os.SCHED_IDLE, os.sched_param(0))
        yield
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()


def test_an_engine_that_gets_no_core_is_not_called_silent(project: Project) -> None:
    run = project.launch(project.write(tasks=4, workers=4, code=STEADY))
    engine = run.until(lambda state: len(state.owner) == 4).engine_pid
    desk = Desk([sys.executable, "-m", "tui", "attach", str(run.dir)])
    looks: list[str] = []
    try:
        desk.until("all well")
        with starved(engine):
            until = time.monotonic() + STARVED_S
            while time.monotonic() < until:
                looks.append(desk.text())
                time.sleep(0.05)
        desk.until("all well")
    finally:
        desk.process.kill()
        desk.process.wait()
    assert len(looks) > STARVED_S, "nobody looked"
    assert not [text for text in looks if "SILENT" in text]
