"""What a person has when something is wrong: how soon a hang can be seen, what a SIGKILL leaves.

The pool stands for what most harnesses are: a counter of finished tasks, results saved at the end.
The peer shows its own full screen and keeps its own log.
"""

import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import psutil
import pytest
from bench.figures import LONG, Follower, tell, tell_row
from bench.peers import POOL, answer_of, ends, peer_program, started
from support.running import Project, wait_for
from support.viewer import Desk

from runner import State, health, watch_of
from runner.core import events as ev
from runner.rehearse import Rehearsal, Script

pytestmark = [pytest.mark.bench, pytest.mark.timeout(600)]

# ------------------------------------------------------------------------------- a hang, seen when

TASKS = 20
HANGS = "t005"
WATCHED_S = 30.0
STUCK_AFTER_S = 2.0
"""What `Project.write` sets."""
A_WORD = re.compile(
    r"stuck|stall|hang|silent|frozen|no (byte|answer|response)|timed out", re.IGNORECASE
)


def hanging() -> Rehearsal:
    """An endpoint that answers all tasks but one."""
    return Rehearsal.start(Script(default="ok,latency=0.3", tasks={HANGS: "silent"}))


def first_word_s(desk: Desk, is_down_to_one: Callable[[], bool]) -> float | None:
    """Seconds from the moment that only the hanging task is left to the first word of it."""
    try:
        wait_for(is_down_to_one, 60.0)
        since = time.monotonic()
        while time.monotonic() - since < WATCHED_S:
            if A_WORD.search(desk.text()):
                return time.monotonic() - since
            time.sleep(0.05)
    finally:
        desk.close()
    return None


def in_words(seen_s: float | None) -> str:
    return f"after {seen_s:.1f} s" if seen_s is not None else f"never within {WATCHED_S:.0f} s"


def test_how_soon_a_person_can_see_a_hang(project: Project, peer: Path | None) -> None:
    tell(f"one call of {TASKS} is never answered; a word of it is on the screen")
    with hanging() as server:
        desk = Desk([*POOL, "hang", str(TASKS), server.base_url])
        seen = first_word_s(desk, lambda: f"{TASKS - 1}/{TASKS}" in desk.text())
        tell_row(f"  plain pool     {in_words(seen)}")
    if peer is not None:
        with hanging() as server:
            told, logs = project.folder / "told", str(project.folder / "logs")
            job = ("hang", str(TASKS), server.base_url, str(told), logs)
            desk = Desk([*peer_program(peer), *job])
            seen = first_word_s(desk, lambda: len(ends(told)) == TASKS - 1)
            tell_row(f"  inspect-ai     {in_words(seen)} (its full screen)")
    script = f'default = "ok,latency=0.3"\n[tasks]\n{HANGS} = "silent"'
    run = project.launch(project.write(tasks=TASKS, workers=TASKS, script=script, limits=LONG))
    desk = Desk([sys.executable, "-m", "tui", "attach", str(run.dir)])
    log = Follower(run)
    try:
        log.until(lambda state: len(state.done) == TASKS - 1)
        (silent,) = {w.attempt_id for w in log.state.workers if w.task_id == HANGS}
        stalled = next(
            e.at for e in log.events if isinstance(e, ev.CallStarted) and e.attempt_id == silent
        )
        log.until(is_stuck, 20.0)
        status_s = time.time() - stalled
        desk.until("1 STUCK")
        screen_s = time.time() - stalled
    finally:
        desk.close()
    tell_row(
        f"  pilot-tui      {screen_s:.1f} s after the stall's first moment (in status after"
        f" {status_s:.1f} s); stuck_after = {STUCK_AFTER_S:.0f} s"
    )
    assert screen_s < STUCK_AFTER_S + 3.0
    run.ask("stop")
    run.ended()


def is_stuck(state: State) -> bool:
    busy = [worker for worker in state.workers if worker.busy]
    now = time.time()
    return any(
        health(worker, watch_of(state.plan, worker.model), now) == "stuck" for worker in busy
    )


# ---------------------------------------------------------------------------- rows after a SIGKILL

SAVED = 200
CALLS = 2
WORKERS = 10
SAVING = """
def run(task, ctx):
    for _ in range({calls}):
        stream = ctx.client.chat.completions.create(
            model=ctx.model, messages=[{{"role": "user", "content": "go"}}], stream=True
        )
        for _chunk in stream:
            pass
    return {{"outcome": "passed", "score": 1.0}}
"""


def killed_half_way(command: tuple[str, ...], told: Path) -> int:
    """How many tasks had ended when the program was killed."""
    with started(*command) as process:
        wait_for(lambda: len(ends(told)) >= SAVED // 2, 120.0)
        process.kill()
        process.wait()
    return len(ends(told))


def test_what_a_sigkill_half_way_leaves(project: Project, peer: Path | None) -> None:
    folder = project.folder
    size = (str(SAVED), str(CALLS))
    tell(f"SIGKILL half way through {SAVED} tasks: tasks that had ended -> results to be read")
    with Rehearsal.start(Script(default="ok,latency=0.15")) as server:
        result, told = folder / "result.json", folder / "pool.told"
        done = killed_half_way(
            (*POOL, "save", *size, server.base_url, str(result), str(told)), told
        )
        left = len(result.read_bytes()) if result.exists() else 0
        tell_row(f"  plain pool     {done:4} -> {left:4}   (it saves at the end)")
        if peer is not None:
            logs, told = str(folder / "logs"), folder / "peer.told"
            program = peer_program(peer)
            done = killed_half_way(
                (*program, "save", *size, server.base_url, str(told), logs), told
            )
            found = answer_of(*program, "count", logs)
            tell_row(
                f"  inspect-ai     {done:4} -> {found['logged']:4}   (in its log; after its own"
                f" recovery: {found['recovered']})"
            )
        plan = project.write(
            tasks=SAVED,
            workers=WORKERS,
            code=SAVING.format(calls=CALLS),
            limits=LONG,
            base_url=server.base_url,
        )
        run = project.launch(plan)
        log = Follower(run)
        log.until(lambda state: len(state.done) >= SAVED // 2, 120.0)
        psutil.Process(log.state.engine_pid).kill()
        wait_for(lambda: not run.pids(), 5.0)
        log.look()
        kept = pl.read_parquet(str(run.dir / "results" / "*.parquet"))
        ended = sum(1 for event in log.events if isinstance(event, ev.AttemptEnded))
        tell_row(f"  pilot-tui      {ended:4} -> {kept.height:4}   (Parquet, no recovery)")
    assert kept.height >= len(log.state.done)
