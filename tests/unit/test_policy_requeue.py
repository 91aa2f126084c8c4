"""What comes after an attempt: the contract's "Life of a task" as a table."""

import pytest

from runner.core.outcomes import is_charged
from runner.core.policy.requeue import after
from runner.core.state import TaskState

FRESH: dict[str, int | bool] = {}
ONCE: dict[str, int | bool] = {"charged": 1}


@pytest.mark.parametrize(
    ("outcome", "cause", "known", "then"),
    [
        # scored: never again
        ("passed", "", FRESH, "final"),
        ("passed", "loop:done", FRESH, "final"),
        ("partial", "", FRESH, "final"),
        ("failed", "", FRESH, "final"),
        # charged: until max_attempts (2 here) is reached
        ("timed_out", "deadline:attempt", FRESH, "requeued"),
        ("timed_out", "deadline:first_byte", FRESH, "requeued"),
        ("timed_out", "deadline:call", ONCE, "final"),
        ("errored", "retries:count", FRESH, "requeued"),
        ("errored", "error:ValueError", FRESH, "requeued"),
        ("errored", "error:ValueError", ONCE, "final"),
        ("killed", "killed:memory", FRESH, "requeued"),
        ("killed", "killed:memory", ONCE, "final"),
        # not charged: again however often
        ("lost", "host_lost", ONCE, "requeued"),
        ("lost", "engine_lost", {"charged": 9}, "requeued"),
        ("killed", "killed:stop", {"charged": 9}, "requeued"),
        ("timed_out", "deadline:run", {"charged": 9}, "requeued"),
        # never again by policy
        ("killed", "killed:user", FRESH, "final"),
        ("looped", "loop:repeat", FRESH, "final"),
        ("looped", "loop:unclosed_tag", FRESH, "final"),
        # a person's order goes before all of that
        ("killed", "killed:retry", {"retry_wanted": True}, "requeued"),
        ("killed", "killed:retry", {"retry_wanted": True, "charged": 9}, "requeued"),
        ("passed", "", {"retry_wanted": True}, "requeued"),
        # the proven culprit of a host's death: once more, alone
        ("errored", "error:FrozeHost", FRESH, "alone"),
        ("errored", "error:HostExit", FRESH, "alone"),
        ("errored", "error:FrozeHost", {"froze": 1}, "final"),
        ("errored", "error:HostExit", ONCE, "final"),
        # a suspect that runs alone keeps to itself
        ("lost", "host_lost", {"alone": True, "deaths": 2}, "alone"),
        ("errored", "error:X", {"alone": True}, "alone"),
    ],
)
def test_after(outcome: str, cause: str, known: dict[str, int | bool], then: str) -> None:
    task = TaskState(status="running", attempts=1, **known)  # pyright: ignore[reportArgumentType]
    assert after(outcome, cause, task, 2) == then


@pytest.mark.parametrize(("deaths", "then"), [(0, "requeued"), (1, "alone"), (2, "alone")])
def test_two_unexplained_deaths_make_a_task_run_alone(deaths: int, then: str) -> None:
    task = TaskState(status="running", deaths=deaths)
    assert after("lost", "host_lost", task, 2, suspect=True) == then


def test_an_innocent_is_queued_again_however_often_its_hosts_die() -> None:
    task = TaskState(status="running", deaths=1)
    assert after("lost", "host_lost", task, 1) == "requeued"


def test_a_task_that_nobody_knows_is_judged_as_fresh() -> None:
    assert after("errored", "error:X", None, 2) == "requeued"
    assert after("errored", "error:X", None, 1) == "final"


@pytest.mark.parametrize(
    ("outcome", "cause", "charged"),
    [
        ("timed_out", "deadline:attempt", True),
        ("timed_out", "deadline:run", False),
        ("errored", "error:X", True),
        ("errored", "error:FrozeHost", True),
        ("killed", "killed:memory", True),
        ("killed", "killed:user", False),
        ("killed", "killed:retry", False),
        ("killed", "killed:stop", False),
        ("lost", "host_lost", False),
        ("looped", "loop:cycle", False),
        ("passed", "", False),
    ],
)
def test_charged(outcome: str, cause: str, charged: bool) -> None:
    assert is_charged(outcome, cause) is charged
