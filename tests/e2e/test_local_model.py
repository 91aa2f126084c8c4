"""The demo on a real model: scored rows, and tokens and latencies that are the server's own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.running import PACKAGE, Watched, checked, wait_for

from runner.core import events as ev
from runner.rehearse import local
from runner.runs import engine_alive
from runner.start.demo_local import TASKS


def run_demo(folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "tui", "demo", "--local-model", "--headless"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(PACKAGE), *filter(None, sys.path)])},
        check=False,
        capture_output=True,
        text=True,
        timeout=400,
    )


@pytest.mark.skipif(not local.missing(), reason="the packages are installed")
def test_what_is_missing_is_said_with_what_helps(tmp_path: Path) -> None:
    done = run_demo(tmp_path)
    assert done.returncode == 3
    assert "make demo-local" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.drill
@pytest.mark.timeout(450)
@pytest.mark.skipif(bool(local.missing()), reason=f"not installed: {local.missing()}")
def test_a_real_model_is_scored(tmp_path: Path) -> None:
    done = run_demo(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    (folder,) = (tmp_path / "runs").glob("local-*")
    run = Watched(folder)
    wait_for(lambda: not engine_alive(folder))
    rows = run.rows()
    assert rows.height == TASKS
    assert set(rows["outcome"]) <= {"passed", "partial", "failed"}
    calls = run.of(ev.CallEnded)
    assert all(call.how == "ok" and call.latency_s > 0.05 for call in calls)
    assert all(call.tokens_in > 100 and 0 < call.tokens_out <= 60 for call in calls)
    assert sum(call.tokens_out for call in calls) == rows["tokens_out"].sum()
    checked(run)
