"""A whole run on a disk that fills up: it waits in words, loses nothing, and goes on by itself."""

import contextlib
import os
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.running import PACKAGE, Project, Watched, checked, held, wait_for
from support.storing import block_disk, fill, small_disk

from runner import History, Tail, end_of, read_run, results, run_state, state_word, verdict, verify
from runner.client import Control
from runner.core import events as ev
from runner.runs import engine_alive

DISK_BYTES = 24 * 1024 * 1024
STALL_S = float(os.environ.get("PILOT_STALL_S", "5"))
"""How long the frozen disk does not answer; 30 s was tried too."""
STEADY = """
def run(task, ctx):
    ctx.sleep(0.05)
    return {"outcome": "passed", "score": 1.0, "text": task.id * 500}
"""


def steady(tasks: int, first: int = 5, code: str = STEADY) -> str:
    """All but the first tasks wait for the trouble: without rows there would be none."""
    return held(*(f"t{number:03d}" for number in range(first, tasks)), code=code)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A tmpfs of 24 MB."""
    with small_disk(tmp_path / "small", DISK_BYTES) as folder:
        yield folder


@pytest.fixture
def project(
    disk: Path, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Project:
    """Plan and tasks on a healthy disk, runs on the small one, emergencies in ``elsewhere``."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "elsewhere"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    project.runs = disk / "runs"
    return project


def in_trouble(ping: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The first ping that tells of rows that wait for the disk."""

    def look() -> dict[str, Any] | None:
        answer = ping()
        return answer if answer["rows"]["error"] and answer["state"] == "paused" else None

    return wait_for(look)


def test_a_run_waits_for_room_and_goes_on_by_itself(project: Project, disk: Path) -> None:
    run = project.launch(project.write(tasks=120, workers=4, code=steady(120)))
    run.until(lambda state: len(state.done) >= 5)
    ballast = fill(disk)
    project.go()
    said = in_trouble(lambda: run.ask("ping"))
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
    run = project.launch(project.write(tasks=60, workers=4, code=steady(60)))
    run.until(lambda state: len(state.done) >= 5)
    ballast = fill(disk)
    project.go()
    in_trouble(lambda: run.ask("ping"))
    with contextlib.suppress(Exception):
        run.ask("stop")
    wait_for(lambda: not engine_alive(run.dir), 40)
    saved = list((tmp_path / "elsewhere").iterdir())
    assert sorted(path.suffix for path in saved) == [".jsonl", ".parquet"]
    said = (run.dir / "engine.log").read_text()
    assert all(str(path) in said for path in saved)
    assert "Traceback" not in said
    told_as_stopped(run)
    tail, history = Tail(run.dir), History(run.dir).refresh()
    before = [event for batch in iter(tail.poll, None) for event in batch.events]
    ballast.unlink()
    again = project.resume(run)
    state = again.ended()
    assert (state.status, len(state.done)) == ("finished", 60)
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert again.events()[: len(before)] == before
    # Who had read the end elsewhere begins anew, now that it stands in the log.
    anew = tail.poll()
    assert anew is not None
    assert anew.restarted
    assert anew.events[: len(before)] == before
    assert history.refresh().events == len(again.events())
    tail.close()
    history.close()
    checked(again)
    assert results(again.dir)["task_id"].n_unique() == 60


def told_as_stopped(run: Watched) -> None:
    """Every reader of the folder knows that the run was stopped, and that rows lie elsewhere."""
    state, now, engine = read_run(run.dir)
    assert run_state(state, engine) == "stopped"
    assert "not in the run folder yet: resume" in verdict(state, now, engine).text
    assert [worker for worker in state.workers if worker.busy] == []
    assert state_word(run.dir, live=False) == "stopped"
    end = end_of(run.dir)
    assert end is not None
    assert (end.status, end.exit_code) == ("stopped", 3)
    assert any("lie elsewhere: resume" in text for text in verify(run.dir).findings)
    history = History(run.dir).refresh()
    assert history.state_at(history.last_at) == state
    history.close()


@contextlib.contextmanager
def limited(run: Watched, which: int, most: int) -> Iterator[None]:
    """The running engine with a lower resource limit."""
    pid = run.state().engine_pid
    before = resource.prlimit(pid, which)
    resource.prlimit(pid, which, (most, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, which, before)


@contextlib.contextmanager
def away(folder: Path) -> Iterator[None]:
    """The folder is gone for a while."""
    elsewhere = folder.rename(folder.with_name("away"))
    try:
        yield
    finally:
        elsewhere.rename(folder)


TROUBLES = {
    "EFBIG": lambda run: limited(run, resource.RLIMIT_FSIZE, 1),
    "EMFILE": lambda run: limited(run, resource.RLIMIT_NOFILE, 3),
    "ENOENT": lambda run: away(run.dir / "results"),
}


@pytest.mark.parametrize("kind", TROUBLES)
def test_a_limit_or_a_folder_that_is_gone_makes_the_run_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(PACKAGE))
    project = Project(tmp_path)
    try:
        run = project.launch(project.write(tasks=80, workers=4, code=steady(80)))
        run.until(lambda state: len(state.done) >= 5)
        # Held open, as by a screen: an engine without descriptors takes no new connection.
        with Control(run.dir) as control:
            assert control.ask("ping")["ok"]
            with TROUBLES[kind](run):
                project.go()
                said = in_trouble(lambda: control.ask("ping"))
                assert kind in said["rows"]["error"]
                assert said["rows"]["waiting"] >= 1
            state = run.ended()
        assert (state.status, len(state.done), state.exit_code) == ("finished", 80, 0)
        assert [event.cause for event in run.of(ev.RunUnpaused)].count("disk") >= 1
        checked(run)
    finally:
        project.close()


HANGS = """
def run(task, ctx):
    ctx.sleep(0.05 if task.id > "t003" else 3600)
    return {"outcome": "passed", "score": 1.0}
"""


@contextlib.contextmanager
def frozen(disk: Path) -> Iterator[None]:
    """Whoever writes to the disk waits until it is over."""
    subprocess.run(["fsfreeze", "--freeze", str(disk)], check=True)
    try:
        yield
    finally:
        subprocess.run(["fsfreeze", "--unfreeze", str(disk)], check=True)


@pytest.mark.timeout(120)
def test_a_disk_that_does_not_answer_stops_no_kill_and_no_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(PACKAGE))
    with block_disk(tmp_path / "disk", tmp_path / "image", 64 * 1024 * 1024) as disk:
        project = Project(tmp_path)
        project.runs = disk / "runs"
        try:
            code = steady(60, first=9, code=HANGS)
            plan = project.write(tasks=60, workers=6, code=code, limits=f"attempt = {STALL_S}")
            run = project.launch(plan)
            state = run.until(lambda state: len(state.done) >= 5 and len(state.owner) >= 4)
            hangs = [worker for worker in state.workers if worker.task_id <= "t003"]
            with Control(run.dir) as control, frozen(disk):
                until = time.monotonic() + STALL_S
                project.go()
                said = in_trouble(lambda: control.ask("ping"))
                assert "has not answered for" in said["rows"]["error"] + said["log"]["error"]
                killed = control.ask("kill", worker=hangs[0].worker)
                assert (killed["ok"], killed["outcome"]) == (True, "killed")
                assert killed["took_s"] < 1.0
                # The other three hang until their limit, which is over before the disk answers.
                wait_for(lambda: time.monotonic() > until, STALL_S + 5)
                assert control.ask("ping")["rows"]["waiting"] >= 4
            state = run.ended()
            assert (state.status, len(state.done)) == ("finished", 60)
            ends = [e for e in run.of(ev.AttemptEnded) if e.cause == "deadline:attempt"]
            assert len(ends) >= 3
            assert all(event.elapsed_s < STALL_S + 2 for event in ends)
            checked(run)
        finally:
            project.close()
