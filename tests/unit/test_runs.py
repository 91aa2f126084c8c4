"""Which runs there are and which one a name means, whatever lies beside them."""

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from runner.engine.lock import Holder, acquire
from runner.errors import RunAmbiguous, RunNotFound
from runner.runs import LOCK, LOG, engine_pid, find_run, known_list, list_runs, runs_folder


def make(folder: Path, run_id: str, created: float = 1.0) -> Path:
    run_dir = folder / run_id
    run_dir.mkdir(parents=True)
    (run_dir / "run.json").write_text(json.dumps({"run_id": run_id, "created": created}))
    (run_dir / LOCK).touch()
    return run_dir


def test_live_runs_come_first_then_the_newest(tmp_path: Path) -> None:
    old, *_ = (make(tmp_path, name, at) for name, at in (("old", 1), ("mid", 2), ("new", 3)))
    handle = os.open(old / LOCK, os.O_RDWR)
    fcntl.flock(handle, fcntl.LOCK_EX)
    assert [(info.run_id, info.live) for info in list_runs(tmp_path)] == [
        ("old", True),
        ("new", False),
        ("mid", False),
    ]
    assert find_run(None, tmp_path).run_id == "old"
    os.close(handle)
    assert [info.run_id for info in list_runs(tmp_path)] == ["new", "mid", "old"]


def test_a_run_is_named_by_id_unique_prefix_path_or_latest(tmp_path: Path) -> None:
    for name, at in (("abc", 1.0), ("abd", 3.0), ("xyz", 2.0)):
        make(tmp_path, name, at)
    assert find_run("abc", tmp_path).run_id == "abc"
    assert find_run("x", tmp_path).run_id == "xyz"
    assert find_run(str(tmp_path / "abd"), tmp_path / "elsewhere").run_id == "abd"
    assert find_run("latest", tmp_path).run_id == "abd"
    with pytest.raises(RunAmbiguous, match="2 runs"):
        find_run("ab", tmp_path)
    for name in ("nope", None, str(tmp_path)):
        with pytest.raises(RunNotFound):
            find_run(name, tmp_path)


def test_an_exact_id_is_no_prefix_of_another(tmp_path: Path) -> None:
    make(tmp_path, "a")
    make(tmp_path, "ab")
    assert find_run("a", tmp_path).run_id == "a"


@pytest.mark.parametrize(
    "about", [b"", b"{}", b"\xff\xfe", b'{"run_id": "\xff"}', b'{"run_id": 7}', b"[" * 9000]
)
def test_a_run_with_a_broken_note_is_known_by_its_log(tmp_path: Path, about: bytes) -> None:
    run_dir = make(tmp_path, "hurt")
    (run_dir / "run.json").write_bytes(about)
    assert list_runs(tmp_path) == []
    (run_dir / LOG).touch()
    assert [info.run_id for info in list_runs(tmp_path)] == ["hurt"]


def test_the_list_of_runs_may_hold_anything(tmp_path: Path) -> None:
    elsewhere = make(tmp_path / "elsewhere", "far")
    known = known_list()
    known.parent.mkdir(parents=True)
    known.write_bytes(
        b"\xff\xfe\n" + b"x" * 9000 + b"\n/nowhere\na\0b\n\n" + bytes(elsewhere) + b"\n"
    )
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "a file").touch()
    assert [info.run_id for info in list_runs(tmp_path / "runs")] == ["far"]
    assert [info.run_id for info in list_runs(tmp_path / "no such folder")] == ["far"]


def test_the_runs_folder_is_the_option_else_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert runs_folder() == tmp_path / "runs"
    monkeypatch.setenv("PILOT_RUNS", "/elsewhere")
    assert runs_folder() == Path("/elsewhere")
    assert runs_folder("mine") == tmp_path / "mine"


def test_the_pid_of_an_engine_is_that_of_who_signed_the_lock(tmp_path: Path) -> None:
    assert engine_pid(tmp_path) == 0
    holder = Holder(pid=4711, boot_id="b", started=1.0)
    held = acquire(tmp_path / "run.lock", holder)
    assert engine_pid(tmp_path) == 4711
    os.ftruncate(held, 0)
    assert engine_pid(tmp_path) == 0, "held, not signed yet"
    os.pwrite(held, b'{"pid": "', 0)
    assert engine_pid(tmp_path) == 0
    os.close(held)
    (tmp_path / "run.lock").write_text('{"pid": 4711}')
    assert engine_pid(tmp_path) == 0, "signed, and gone"


IMPATIENT = """
import os, signal, sys
from pathlib import Path
from tui.headless import Headless

headless = Headless(Path(sys.argv[1]), sys.stdout, owner=True)
for _ in range(3):
    headless._stop("SIGINT")
print("unharmed")
"""


def test_a_second_ctrl_c_before_the_engine_has_signed_ends_nobody_else(tmp_path: Path) -> None:
    held = acquire(tmp_path / "run.lock", Holder(pid=1, boot_id="b", started=1.0))
    os.ftruncate(held, 0)
    done = subprocess.run(
        [sys.executable, "-c", IMPATIENT, tmp_path],
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
        cwd=Path(__file__).parents[2],
    )
    os.close(held)
    assert (done.returncode, done.stdout) == (0, "unharmed\n"), done.stderr
