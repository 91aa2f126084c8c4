"""A plan of a million tasks: read once, a first attempt within seconds, a fold that stays small."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
from support.running import PACKAGE, Project, Watched, wait_for

from runner.core import events as ev
from runner.engine.task_file import SourceFile
from runner.errors import PlanError
from runner.runs import engine_alive
from runner.start.launching import HANDED_OVER_TASKS

MILLION = 1_000_000
FIRST_S = 3.0
FOLD_BYTES = 300_000_000
AGENT = """
def run(task, ctx):
    ctx.sleep(0.2)
    return True
"""
FOLD = """
import sys
import psutil
from runner.core import events as ev
from runner.core.state import State, fold

def life(number):
    attempt, task = f"1-{number:05d}", f"t{number:07d}"
    who = dict(task_id=task, attempt=1, attempt_id=attempt, worker=number % 100, host=0, model="m")
    yield ev.AttemptStarted(deployment="m", endpoint="e", **who)
    yield ev.AttemptEnded(outcome="passed", cause="", elapsed_s=1.0, rung="", row=number + 1, **who)
    yield ev.RowsWritten(first=number + 1, last=number + 1, rows=1, bytes=2000, part="", digest="",
                         waited_s=0.01)

before = psutil.Process().memory_info().rss
state, step = State(), 20_000
for start in range(0, int(sys.argv[1]), step):
    lines = b"".join(ev.encode(event) for n in range(start, start + step) for event in life(n))
    fold(ev.decode_lines(lines)[0], state)
print(len(state.done), psutil.Process().memory_info().rss - before)
"""


def big(project: Project, tasks: int) -> Path:
    plan = project.write(tasks=1, code=AGENT)
    with (project.folder / "tasks.jsonl").open("w") as file:
        file.writelines(f'{{"id": "t{number:07d}"}}\n' for number in range(tasks))
    return plan


def stop(run: Watched) -> None:
    os.kill(run.until(lambda state: state.engine_pid).engine_pid, signal.SIGTERM)
    wait_for(lambda: not engine_alive(run.dir), 30)


def test_a_big_source_is_read_once_and_the_engine_knows_its_tasks(project: Project) -> None:
    run = project.launch(big(project, HANDED_OVER_TASKS + 1))
    state = run.until(lambda state: state.running_tasks)
    assert state.tasks_total == HANDED_OVER_TASKS + 1
    stop(run)
    assert {event.task_id for event in run.of(ev.AttemptStarted)} >= {"t0000000", "t0000001"}


def test_what_was_handed_over_is_used_only_for_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "tasks.jsonl"
    path.write_text('{"id": "a"}\n{"id": "b"}\n')
    index = SourceFile(path, "tasks.jsonl").index()
    assert index is not None
    again = SourceFile(path, "tasks.jsonl", index=index)
    assert (len(again), again.find("b"), again.digest) == (2, 1, index.digest)
    assert again.data(1) == {"id": "b"}
    path.write_text('{"id": "a"}\n{"id": "b"}\n{"id": "c"}\n')
    assert len(SourceFile(path, "tasks.jsonl", index=index)) == 3
    path.write_text('{"id": "a"}\n{"id": "a"}\n')
    os.utime(path, ns=(1, 1))
    with pytest.raises(PlanError):
        SourceFile(path, "tasks.jsonl", index=index)


def test_another_process_finds_tasks_by_what_was_handed_over(tmp_path: Path) -> None:
    path, handed = tmp_path / "tasks.jsonl", tmp_path / "index"
    path.write_text("".join(f'{{"id": "t{number}"}}\n' for number in range(500)))
    handed.write_bytes(msgspec.msgpack.encode(SourceFile(path, "tasks.jsonl").index()))
    find = """
import sys
from pathlib import Path
import msgspec
from runner.engine.task_file import SourceFile, SourceIndex
index = msgspec.msgpack.decode(Path(sys.argv[2]).read_bytes(), type=SourceIndex)
source = SourceFile(Path(sys.argv[1]), "tasks.jsonl", index=index)
print(sum(source.find(f"t{number}") == number for number in range(500)), source.find("t500"))
"""
    said = subprocess.run(
        [sys.executable, "-c", find, str(path), str(handed)],
        cwd=PACKAGE,
        env={**os.environ, "PYTHONHASHSEED": "12345"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.split() == ["500", "None"]


@pytest.mark.drill
@pytest.mark.timeout(300)
def test_a_million_tasks_begin_within_three_seconds(project: Project) -> None:
    plan = big(project, MILLION)
    took: list[float] = []
    for _ in range(3):  # the machine may be busy: the best of three is the program's own time
        began = time.time()
        run = project.launch(plan)
        run.until(lambda state: state.running_tasks)
        took.append(run.of(ev.AttemptStarted)[0].at - began)
        stop(run)
    sys.stderr.write(f"first attempt of {MILLION} tasks after {min(took):.2f} s of {took}\n")
    assert min(took) < FIRST_S


@pytest.mark.drill
@pytest.mark.timeout(300)
def test_the_fold_of_a_million_done_tasks_stays_small() -> None:
    said = subprocess.run(
        [sys.executable, "-c", FOLD, str(MILLION)],
        cwd=PACKAGE,
        capture_output=True,
        text=True,
        check=True,
    )
    done, rss = map(int, said.stdout.split())
    sys.stderr.write(f"fold of {done} done tasks: {rss / 1e6:.0f} MB\n")
    assert done == MILLION
    assert rss < FOLD_BYTES
