"""One executor blocks among twenty: what becomes of the nineteen others, here and elsewhere.

Harmed is who did not pass within the time that each task has. The pool has no limits of its own, so
there it is who took longer.
"""

import time
from pathlib import Path

import pytest
from bench.figures import endpoint, quantile, tell, tell_row
from bench.peers import POOL, ends, peer_program, started
from support.running import Project

from runner.core import events as ev

pytestmark = [pytest.mark.bench, pytest.mark.timeout(1200)]

BLOCKED_S = 15
LIMIT_S = 10
TURNS = 5
LATENCY_S = 0.05
PATIENCE_S = 25.0
"""From the first end that is told: what has not ended by then is waiting for the blocked one."""
START_S = 60.0
BLOCKS = {
    "nothing (control)": "pass",
    "time.sleep": f"import time; time.sleep({BLOCKED_S})",
    "a busy loop": (
        f"import time; until = time.monotonic() + {BLOCKED_S}\nwhile time.monotonic() < until: pass"
    ),
    "a regex, GIL held": 'import re; re.match(r"(a+)+$", "a" * 60 + "b")',
}
BESIDE = """
BLOCK = {block!r}

def run(task, ctx):
    if task.id == "t000":
        exec(BLOCK)
    for _ in range({turns}):
        stream = ctx.client.chat.completions.create(
            model=ctx.model, messages=[{{"role": "user", "content": "go"}}], stream=True
        )
        for _chunk in stream:
            pass
    return {{"outcome": "passed", "score": 1.0}}
"""


def row(name: str, took: dict[int, float], requeued: int = 0) -> None:
    """One line of the table; ``took`` by task, without those that never ended."""
    fine = [s for number, s in took.items() if number and s <= LIMIT_S]
    times = f"{quantile(fine, 0.5):.2f}, {max(fine):.2f}" if fine else "-"
    tell_row(f"    {name:18} {19 - len(fine):8} {requeued:12} {times:>20}")


def ends_elsewhere(command: tuple[str, ...], told: Path) -> dict[int, float]:
    """What a program's tasks took. It is ended when nothing more is to be expected."""
    with started(*command) as process:
        until = time.monotonic() + START_S + PATIENCE_S
        seen = 0
        while process.poll() is None and time.monotonic() < until:
            time.sleep(0.1)
            if not seen and (seen := len(ends(told))):
                until = time.monotonic() + PATIENCE_S
    return ends(told)


def ours(project: Project, block: str, hosts: str) -> tuple[dict[int, float], int]:
    """What the innocents took, and how many of their attempts were requeued."""
    plan = project.write(
        tasks=20,
        workers=20,
        code=BESIDE.format(block=block, turns=TURNS),
        script=f'default = "ok,latency={LATENCY_S}"',
        limits=f"attempt = {LIMIT_S}",
        more=f"[resources]\nhosts = {hosts}",
    )
    run = project.launch(plan)
    state = run.ended(120.0)
    innocent = [end for end in run.of(ev.AttemptEnded) if end.task_id != "t000"]
    lost = [end for end in innocent if end.outcome != "passed"]
    harmed = [task for task, o in state.done.items() if task != "t000" and o != "passed"]
    assert not harmed, [(end.cause, end.error) for end in lost]
    assert len(state.done) == 20
    return {int(e.task_id[1:]): e.elapsed_s for e in innocent if e.outcome == "passed"}, len(lost)


@pytest.mark.parametrize("name", BLOCKS)
def test_one_executor_blocks_among_twenty(project: Project, peer: Path | None, name: str) -> None:
    block, folder = BLOCKS[name], project.folder
    tell(
        f"one executor among 20: {name}, for {BLOCKED_S} s; each task has {LIMIT_S} s"
        " (target: 0 harmed)\n"
        "                         harmed of 19   requeued   elapsed p50, longest s"
    )
    with endpoint(LATENCY_S) as server:
        job = ("beside", block, str(TURNS), server.base_url)
        told = folder / "pool.told"
        row("plain pool", ends_elsewhere((*POOL, *job, str(told)), told))
        if peer is not None:
            told = folder / "peer.told"
            rest = (str(told), str(LIMIT_S), str(folder / "logs"))
            row("inspect-ai", ends_elsewhere((*peer_program(peer), *job, *rest), told))
    for hosts in ('"auto"', "1"):
        row(f"hosts = {hosts}", *ours(project, block, hosts))
