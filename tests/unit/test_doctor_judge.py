"""How a table of processes is judged: the classes, and what must not raise an alarm."""

from typing import Any

import pytest

from runner.doctor.causes import duplicates
from runner.doctor.judge import Judgement, Scene, judge
from runner.doctor.model import Connections, Data, Machine, Process

NOW = 1_000_000.0
MACHINE = Machine(cores=8, memory_bytes=16_000_000_000, available_bytes=8_000_000_000)
WAITS = Connections({"ESTABLISHED": 1}, waits_s=600.0, remote="10.0.0.1:443")
HEARS = Connections({"ESTABLISHED": 1}, waits_s=5.0, heard_s=5.0, remote="10.0.0.1:443")
STALE = Data(folder="data", files=1, newest="a.parquet", newest_age_s=18_000.0)
FRESH = Data(folder="data", files=1, newest="a.parquet", newest_age_s=60.0)


def process(pid: int = 10, **changes: Any) -> Process:
    fields: dict[str, Any] = {"command": f"python agent.py {pid}", "started_at": NOW - 7200}
    fields |= {"rss_bytes": 250_000_000, "threads": 1, "state": "sleeping"}
    return Process(pid=pid, **(fields | changes))


def judged(
    processes: list[Process], data: Data | None = None, machine: Machine = MACHINE
) -> Judgement:
    return judge(Scene(processes, data, machine, 2.0, NOW))


@pytest.mark.parametrize(
    ("processes", "data", "kind"),
    [
        pytest.param([process(connections=WAITS)], None, "idle-hung", id="a call without answer"),
        pytest.param([process()], STALE, "idle-hung", id="nothing saved for hours"),
        pytest.param([process()], FRESH, "progressing", id="saved a minute ago"),
        pytest.param([process(connections=HEARS)], None, "progressing", id="answers arrive"),
        pytest.param([process(cpu_percent=90.0)], STALE, "busy", id="computes"),
        pytest.param(
            [process(number, cpu_percent=30.0 if number == 1 else 0.0) for number in range(1, 26)],
            None,
            "busy",
            id="one of 25 computes",
        ),
        pytest.param([process()], None, "idle", id="nothing says that it should do more"),
        pytest.param(
            [process(connections=Connections({"LISTEN": 1, "ESTABLISHED": 1}, waits_s=900.0))],
            None,
            "idle",
            id="a server that nobody asks",
        ),
        pytest.param([], None, "idle", id="none"),
    ],
)
def test_classes(processes: list[Process], data: Data | None, kind: str):
    found = judged(processes, data)
    assert found.kind == kind
    assert found.hung == (kind == "idle-hung")
    assert bool(found.causes) == found.hung


def test_the_figures_of_the_report():
    """CPU as it was measured there: 0.4, 4.7 and 20.5 % are no work that gets anywhere."""
    used = {1: 0.4, 2: 4.7, 3: 20.5}
    found = judged([process(n, cpu_percent=used.get(n, 0.3)) for n in range(1, 26)], STALE)
    assert found.kind == "idle-hung"
    memory = next(cause.text for cause in found.causes if cause.kind == "memory")
    assert "25 x 250 MB = 6.2 GB of 16.0 GB" in memory


def test_memory_that_is_used_up_comes_before_all_else():
    short = Machine(cores=8, memory_bytes=6_400_000_000, available_bytes=100_000_000)
    found = judged([process(n, cpu_percent=50.0) for n in range(25)], FRESH, short)
    assert (found.kind, found.hung) == ("memory-starved", True)
    assert "memory is short" in found.causes[0].text


def test_workers_of_a_pool_are_no_duplicates_but_second_launches_are():
    pool = [process(1, command="python a.py")]
    pool += [process(number, parent=1, command="python a.py") for number in (2, 3, 4)]
    assert duplicates(pool) == []
    assert duplicates([*pool, process(9, command="python a.py")]) == [("python a.py", 2)]
