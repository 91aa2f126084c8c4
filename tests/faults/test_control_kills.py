"""Kills and other orders over the control socket: one kill, everyone told, no innocent hit."""

import os
import pwd
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.control import WAIT_S, Engine, until

from runner.client import Control, command
from runner.core import events as ev
from runner.core import messages as m
from runner.engine.commands import PENDING_S
from runner.errors import ControlRefused


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    found = Engine(tmp_path)
    yield found
    found.close()


class Asking(threading.Thread):
    """One request in a thread of its own."""

    def __init__(self, engine: Engine, op: str, **fields: Any) -> None:
        super().__init__()
        self._run = lambda: self.answers.append(control_ask(engine, op, **fields))
        self.answers: list[dict[str, Any]] = []
        self.start()

    def run(self) -> None:
        self._run()

    def answer(self) -> dict[str, Any]:
        self.join(WAIT_S)
        return self.answers[0]


def control_ask(engine: Engine, op: str, **fields: Any) -> dict[str, Any]:
    with Control(engine.run_dir) as control:
        return control.ask(op, **fields)


def kills(engine: Engine) -> list[m.Kill]:
    return [message for message in engine.told() if isinstance(message, m.Kill)]


def test_two_kills_of_one_attempt_are_one_kill_and_both_are_told(engine: Engine) -> None:
    attempt = engine.starts(1)
    first = Asking(engine, "kill", worker=1, attempt_id=attempt)
    until(lambda: engine.journal.state.kills == 1)
    second = Asking(engine, "kill", attempt_id=attempt)
    until(lambda: engine.journal.state.kills == 2)
    engine.ends(attempt)
    one, two = first.answer(), second.answer()
    assert (one["ok"], one["attempt_id"], one["outcome"]) == (True, attempt, "killed")
    assert (one["cause"], one["rung"]) == ("killed:user", "abort")
    assert "already" not in one
    assert one["by"].startswith(pwd.getpwuid(os.getuid()).pw_name)
    assert two == {**one, "already": True}
    assert kills(engine) == [m.Kill(attempt_id=attempt, cause="killed:user")]
    assert engine.count(ev.KillOrdered) == 1
    assert control_ask(engine, "kill", attempt_id=attempt) == {**one, "already": True}


def test_a_kill_of_an_attempt_that_has_ended_harms_nobody(engine: Engine) -> None:
    old = engine.starts(1)
    engine.ends(old, "passed", "")
    new = engine.starts(1)
    assert new != old
    answer = control_ask(engine, "kill", worker=1, attempt_id=old)
    assert answer == {
        "ok": False,
        "error": "already ended",
        "attempt_id": old,
        "outcome": "passed",
        "cause": "",
    }
    assert kills(engine) == []
    assert new in engine.attempts.live
    assert not control_ask(engine, "kill", worker=1, attempt_id="7-00001")["ok"]
    with pytest.raises(ControlRefused, match="already ended"):
        command(engine.run_dir, "kill", attempt_id=old)


def test_a_kill_that_takes_long_is_pending_after_ten_seconds(engine: Engine) -> None:
    attempt = engine.starts(1)
    asking = Asking(engine, "kill", attempt_id=attempt)
    until(lambda: engine.journal.state.kills == 1)
    engine.skip += PENDING_S - 1
    engine.goes_on()
    assert not asking.answers
    engine.skip += 1.5
    assert asking.answer() == {"ok": True, "attempt_id": attempt, "pending": True}
    engine.ends(attempt)
    late = control_ask(engine, "kill", attempt_id=attempt)
    assert (late["ok"], late["already"], late["outcome"]) == (True, True, "killed")


def test_a_retry_queues_the_task_first_and_a_running_one_is_ended(engine: Engine) -> None:
    attempt = engine.starts(1)
    asking = Asking(engine, "retry", task="t1")
    until(lambda: engine.journal.state.kills == 1)
    engine.ends(attempt, "killed", "killed:retry")
    assert asking.answer()["then"] == "requeued"
    assert control_ask(engine, "retry", task="t7") == {
        "ok": True,
        "task_id": "t7",
        "queued": True,
    }
    assert engine.run.again == ["t7"]
    assert control_ask(engine, "retry", task="nope")["error"] == "the plan has no such task"


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({}, "want a worker, task or attempt_id"),
        ({"worker": True}, "want a worker, task or attempt_id"),
        ({"worker": 99}, "want a worker, task or attempt_id"),
        ({"worker": 2}, "worker 2 is idle"),
        ({"attempt_id": 5, "worker": 1}, "no such attempt"),
        ({"attempt_id": [], "worker": 1}, "no such attempt"),
        ({"task": "t5"}, "the task is not running"),
    ],
    ids=str,
)
def test_a_kill_that_names_nobody_kills_nobody(
    engine: Engine, fields: dict[str, Any], error: str
) -> None:
    running = engine.starts(1)
    assert control_ask(engine, "kill", **fields) == {"ok": False, "error": error}
    assert kills(engine) == []
    assert running in engine.attempts.live


@pytest.mark.parametrize("number", [0, -1, 4097, True, 2.0, "8", None])
def test_a_silly_number_of_workers_is_refused(engine: Engine, number: Any) -> None:
    assert not control_ask(engine, "workers", n=number)["ok"]
    assert engine.journal.state.target_workers == 4


def test_pause_resume_set_and_stop_say_whether_they_changed_anything(engine: Engine) -> None:
    assert control_ask(engine, "pause") == {"ok": True, "already": False}
    assert control_ask(engine, "pause") == {"ok": True, "already": True}
    assert control_ask(engine, "resume") == {"ok": True, "already": False}
    assert control_ask(engine, "resume") == {"ok": True, "already": True}
    assert control_ask(engine, "set", key="a", value="1")["old"] == "a=1"
    assert not control_ask(engine, "set", key="a", value=1)["ok"]
    assert control_ask(engine, "stop", drain=True) == {"ok": True, "drain": True}
    assert engine.run.stops == [True]


def test_a_host_that_is_killed_for_one_attempt_makes_no_suspects_of_the_others(
    engine: Engine,
) -> None:
    stubborn, innocent, other = engine.starts(0), engine.starts(1), engine.starts(2)
    engine.do(lambda: engine.order_kill(stubborn, "deadline:attempt"))
    engine.do(lambda: engine.attempts.lose(engine.link, "", "error:HostExit", "it did not end"))
    ends = {
        attempt: engine.commands._ended[attempt]  # pyright: ignore[reportPrivateUsage]
        for attempt in (stubborn, innocent, other)
    }
    assert ends[stubborn].cause == "deadline:attempt"
    assert [ends[a].cause for a in (innocent, other)] == ["host_lost"] * 2
    assert not any(event.suspect for event in ends.values())
