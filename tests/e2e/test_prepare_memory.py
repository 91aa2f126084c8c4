"""Preparation is shared: what a hundred workers cost beyond one worker in each host."""

from pathlib import Path

import pytest
from support.running import Project, Watched

from runner.rehearse import Rehearsal, Script

HOSTS = 10
ALLOWED_MB = 150
"""Of issue and design: in the seeds each worker kept 250 MB of its own."""
PLAN = """
[run]
workers = {workers}
start_interval = 0
[limits]
first_byte = 40
[watch]
slow_after = 10
stuck_after = 20
[resources]
hosts = {hosts}
[[endpoints]]
name = "here"
base_url = "{base_url}"
[[models]]
name = "m"
endpoint = "here"
[tasks]
executor = "interactive"
[tasks.matrix]
prompt_type = ["flawed_missing_step", "flawed_tool_misuse"]
"""


def proportional_mb(pid: int) -> float:
    """Memory of a process, shared pages divided by those who share them."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    line = next(line for line in text.splitlines() if line.startswith("Pss:"))
    return int(line.split()[1]) / 1024


def cost_mb(project: Project, workers: int, base_url: str) -> float:
    """All hosts of a run together, at a moment when every worker has prepared and waits."""
    plan = project.folder / f"plan-{workers}.toml"
    plan.write_text(PLAN.format(workers=workers, hosts=HOSTS, base_url=base_url))
    run: Watched = project.launch(plan)
    state = run.until(
        lambda state: (
            len(state.workers) == workers
            and all(worker.phase == "wait" for worker in state.workers)
        ),
        40.0,
    )
    assert len(state.hosts) == HOSTS
    total = sum(proportional_mb(host.pid) for host in state.hosts.values())
    run.ask("stop")
    run.ended()
    return total


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="needs Linux's PSS")
@pytest.mark.timeout(150)
def test_a_hundred_workers_cost_little_over_one_in_each_host(project: Project) -> None:
    silent = Script.decode(b'default = "silent"', toml=True)
    with Rehearsal.start(silent) as server:
        few = cost_mb(project, HOSTS, server.base_url)
        many = cost_mb(project, 100, server.base_url)
    assert few > 10, "the hosts were really measured"
    assert many - few <= ALLOWED_MB
