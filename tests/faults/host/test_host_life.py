"""The life of an attempt in a real host: messages in order, results, errors, who owns what."""

import itertools
import json
import time
from itertools import pairwise

import msgspec
import pytest
from support.running import wait_for

from runner.core import messages as m
from runner.core.rows import ToolCall


def test_attempt_passes_and_says_so_in_order(start):
    host = start()
    host.run("a1", "pass", note="kept")
    ended = host.wait(m.Ended, attempt_id="a1")
    assert (ended.outcome, ended.cause, ended.rung) == ("passed", "", "")
    assert ended.record.score == 1.0
    assert json.loads(ended.record.extra) == {"note": "kept"}
    kinds = [type(one).__name__ for _, one in host.messages if hasattr(one, "attempt_id")]
    said = [kind for kind in kinds if kind != "Sample"]
    assert said == ["Started", "Running", "Scoring", "Ended"]
    assert host.wait(m.Hello).threads[0] == host.all(m.Started, "a1")[0].thread


@pytest.mark.parametrize(
    ("result", "outcome", "cause", "score"),
    [
        (True, "passed", "", 1.0),
        (False, "failed", "", 0.0),
        (0.25, "partial", "", 0.25),
        ({"outcome": "partial", "score": 0.5}, "partial", "", 0.5),
        ({"outcome": "passed", "done": True}, "passed", "loop:done", None),
        ({"outcome": "splendid"}, "errored", "error:BadResult", None),
        ({"outcome": "passed", "score": 7}, "errored", "error:BadResult", None),
        (None, "errored", "error:BadResult", None),
        ("passed", "errored", "error:BadResult", None),
        (7.5, "errored", "error:BadResult", None),
    ],
)
def test_result_becomes_outcome(start, result, outcome, cause, score):
    host = start()
    host.run("a1", "give", result=result)
    ended = host.wait(m.Ended)
    assert (ended.outcome, ended.cause, ended.record.score) == (outcome, cause, score)


def test_error_keeps_its_text_but_no_key_and_no_escape_code(start):
    host = start()
    host.run("a1", "raise")
    ended = host.wait(m.Ended)
    assert (ended.outcome, ended.cause) == ("errored", "error:ValueError")
    assert "do_raise" in ended.record.error
    assert "a-key-that-must-not-be-seen" not in ended.record.error
    assert "sk-abc" not in ended.record.error
    assert "\x1b" not in ended.record.error


def test_sys_exit_ends_the_attempt_only(start):
    host = start()
    host.run("a1", "exit")
    assert host.wait(m.Ended, attempt_id="a1").cause == "error:SystemExit"
    host.run("a2", "pass")
    assert host.wait(m.Ended, attempt_id="a2").outcome == "passed"


def test_slot_is_free_when_ended_arrives(start):
    host = start()
    for number in range(300):
        host.run(f"a{number}", "pass")
        assert host.wait(m.Ended, attempt_id=f"a{number}").outcome == "passed"


def test_order_for_a_busy_slot_is_refused_not_lost(start):
    host = start()
    host.run("a1", "ctx_sleep")
    host.wait(m.Running, attempt_id="a1")
    host.run("a2", "pass")
    assert host.wait(m.Ended, attempt_id="a2").cause == "error:NoSlot"
    assert host.wait_until(lambda one: isinstance(one, m.Beat) and "a1" in one.running)


def test_turns_tools_and_files(start, tmp_path):
    host = start()
    host.run("a1", "turns", turns=3)
    ended = host.wait(m.Ended)
    assert (ended.outcome, ended.record.turns, ended.record.score) == ("partial", 3, 0.5)
    assert [one.turn for one in host.all(m.TurnEnded, "a1")] == [1, 2, 3]
    assert [one.features.signature for one in host.all(m.TurnEnded, "a1")] == ["0", "1", "2"]
    assert host.all(m.ToolStarted, "a1")[0].detail == "command=ls"
    assert [type(one) for one in ended.record.tool_calls] == [ToolCall] * 3
    folder = tmp_path / "work" / "a1"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "out").read_text() == "xxx"


def test_async_executor(start):
    host = start()
    host.run("a1", "async_pass")
    assert host.wait(m.Ended, attempt_id="a1").outcome == "passed"
    host.run("a2", "async")
    host.wait(m.Running, attempt_id="a2")
    killed = host.kill("a2")
    at, ended = host.wait_at(m.Ended, attempt_id="a2")
    assert (ended.outcome, ended.cause, ended.rung) == ("killed", "killed:user", "abort")
    assert at - killed < 0.4


def test_prints_belong_to_their_attempt(start):
    host = start()
    host.run("a1", "thread_prints")
    host.wait(m.Ended)
    assert [one.text for one in host.all(m.Log, "a1")] == ["from a helper", "from the worker"]
    assert "a1 from the worker\n" in host.log_path.read_text()


def test_late_words_of_a_thread_left_behind_are_dropped(start):
    host = start()
    host.run("a1", "leftover")
    host.wait(m.Ended)
    assert host.wait(m.Dropped, attempt_id="a1").what == "Log"
    assert host.all(m.Log, "a1") == []


@pytest.mark.parametrize("do", ["flood", "log_flood"])
def test_flood_of_lines_is_thinned_and_counted(start, do):
    host = start()
    host.run("a1", do, lines=100_000)
    ended = host.wait(m.Ended, 40.0)
    assert ended.outcome == "passed"
    lines = host.all(m.Log, "a1")
    assert 200 <= len(lines) <= 200 + 100 * (ended.elapsed_s + 1)
    assert len([one for one in lines if one.text]) + sum(one.dropped for one in lines) == 100_000
    beats = [one.t for _, one in host.messages if isinstance(one, m.Beat)]
    gaps = [later - earlier for earlier, later in pairwise(beats)]
    assert max(gaps, default=0.0) < 1.5


def test_stacks_name_the_executor_line(start):
    host = start()
    host.run("a1", "ctx_sleep")
    host.wait(m.Running)
    numbers = itertools.count()

    def is_named() -> bool:
        number = next(numbers)
        host.send(m.Stacks(number))
        return "do_ctx_sleep" in host.wait(m.StacksTaken, id=number).text

    wait_for(is_named)  # `Running` is here before the thread has reached executor code


def test_limits_of_a_running_attempt_can_be_changed(start, make_plan):
    host = start(attempt=60)
    host.run("a1", "sleep_in_c", seconds=20)
    host.wait(m.Running)
    at = time.monotonic()
    host.send(m.Set(make_plan(attempt=0.2), True))
    ended = host.wait(m.Ended)
    assert ended.cause == "deadline:attempt"
    assert time.monotonic() - at < 3.0


def test_executor_that_cannot_be_imported_is_the_attempts_error(start, make_plan):
    plan = make_plan()
    tasks = msgspec.structs.replace(plan.tasks, entry="no_such_module:run")
    host = start(msgspec.structs.replace(plan, tasks=tasks))
    host.run("a1", "pass")
    assert host.wait(m.Ended, attempt_id="a1").cause == "error:ModuleNotFoundError"


def test_a_fork_by_executor_code_can_print_and_leave(start):
    host = start()
    host.run("a1", "forked_worker")
    ended = host.wait(m.Ended)
    assert json.loads(ended.record.extra) == {"status": 5}
    assert host.all(m.Log, "a1") == []
    assert "from the fork 19999" in host.log_path.read_text()


def test_threads_started_while_the_host_looks_do_no_harm(start):
    host = start()
    host.run("a1", "many_threads", seconds=3)
    assert host.wait(m.Ended, 15.0).outcome == "passed"
    host.send(m.Stacks(1))
    host.wait(m.StacksTaken)
