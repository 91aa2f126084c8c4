"""A whole run on a disk that fills up: it waits in words, loses nothing, and goes on by itself."""

import contextlib
import errno
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.running import PACKAGE, Project, Watched, checked, wait_for

from runner import results, verify
from runner.core import events as ev
from runner.runs import engine_alive

DISK_BYTES = 24 * 1024 * 1024
STEADY = """
def run(task, ctx):
    ctx.sleep(0.05)
    return {"outcome": "passed", "score": 1.0, "text": task.id * 500}
"""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A tmpfs of 24 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "none", str(folder)],
        capture_output=True,
        check=False,
    )
    if made.returncode:
        pytest.skip(f"no small disk can be mounted here: {made.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def project(disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """Plan and tasks on a healthy disk, runs on the small one, emergencies in ``elsewhere``."""
    monkeypatch.setenv("PYTHONPATH", str(PACKAGE))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "elsewhere"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    found = Project(tmp_path)
    found.runs = disk / "runs"
    try:
        yield found
    finally:
        found.close()


def fill(disk: Path) -> Path:
    """A file that takes all the room there is."""
    ballast = disk / "ballast"
    block = bytes(64 * 1024)
    with ballast.open("wb", buffering=0) as file:
        while block:
            try:
                file.write(block)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                block = block[: len(block) // 2]
    return ballast


def in_trouble(run: Watched) -> dict:
    """The first ping that tells of rows that wait for the disk."""

    def look() -> dict | None:
        answer = run.ask("ping")
        return answer if answer["rows"]["error"] and answer["state"] == "paused" else None

    return wait_for(look)


def test_a_run_waits_for_room_and_goes_on_by_itself(project: Project, disk: Path) -> None:
    run = project.launch(project.write(tasks=120, workers=4, code=STEADY))
    run.until(lambda state: len(state.done) >= 5)
    ballast = fill(disk)
    said = in_trouble(run)
    assert "the disk is full" in said["rows"]["error"]
    assert said["rows"]["waiting"] >= 1
    before = run.ask("ping")["rows"]["waiting"]
    wait_for(lambda: run.ask("ping")["at"] > said["at"] + 1.0)
    # What was under way may have ended; nothing new was started.
    assert run.ask("ping")["rows"]["waiting"] <= before + 4
    acknowledged = set(run.rows()["attempt_id"])
    ballast.unlink()
    state = run.ended()
    assert (state.status, len(state.done), state.exit_code) == ("finished", 120, 0)
    assert acknowledged <= set(run.rows()["attempt_id"])
    paused = [event for event in run.of(ev.RunPaused) if event.cause == "disk"]
    assert paused
    assert any("disk" in event.text and "wait" in event.text for event in paused)
    assert [event.cause for event in run.of(ev.RunUnpaused)].count("disk") == len(paused)
    assert run.of(ev.RowsRecovered) or run.of(ev.LogFailed)
    checked(run)


def test_a_stop_with_rows_that_cannot_be_written_saves_them_elsewhere(
    project: Project, disk: Path, tmp_path: Path
) -> None:
    run = project.launch(project.write(tasks=60, workers=4, code=STEADY))
    run.until(lambda state: len(state.done) >= 5)
    ballast = fill(disk)
    in_trouble(run)
    with contextlib.suppress(Exception):
        run.ask("stop")
    wait_for(lambda: not engine_alive(run.dir), 40)
    saved = list((tmp_path / "elsewhere").glob("pilot-tui-*.parquet"))
    assert len(saved) == 1
    assert str(saved[0]) in (run.dir / "engine.log").read_text()
    assert "Traceback" not in (run.dir / "engine.log").read_text()
    ballast.unlink()
    again = project.resume(run)
    state = again.ended()
    assert (state.status, len(state.done)) == ("finished", 60)
    assert not saved[0].exists()
    assert os.listdir(tmp_path / "elsewhere") == []  # noqa: PTH208
    # The last lines of the log found no room either, so a row may be all that is known of an
    # attempt; but no attempt that the log knows is without its row, and none has two.
    report = verify(again.dir)
    assert report.ok, report
    rows = again.rows()["attempt_id"].to_list()
    assert len(rows) == len(set(rows))
    assert {event.attempt_id for event in again.of(ev.AttemptStarted)} <= set(rows)
    assert results(again.dir)["task_id"].n_unique() == 60
