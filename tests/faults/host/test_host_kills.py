"""Kills and deadlines in a real host: which rung ends what, how soon, and what is left behind."""

import time

import psutil
import pytest
from support.running import wait_for

from runner.core import messages as m
from runner.core import zygote_wire as z
from runner.core.why import IDLE_CPU


def kill_and_time(host, attempt_id, cause="killed:user", timeout_s=6.0):
    """Kill, wait for `Ended`; the message and how long it took."""
    ordered = host.kill(attempt_id, cause)
    at, ended = host.wait_at(m.Ended, timeout_s, attempt_id=attempt_id)
    assert (ended.outcome, ended.cause) == ("killed", cause)
    return ended, at - ordered


def test_kill_of_a_silent_call_is_immediate(start, silent):
    host = start()
    host.run("a1", "call")
    host.wait(m.CallStarted, attempt_id="a1")
    host.wait_until(lambda one: isinstance(one, m.Beat) and _phase(one) == "wait")
    ended, took = kill_and_time(host, "a1")
    assert ended.rung == "abort"
    assert ended.record.calls == 1
    assert took < 0.1
    assert host.all(m.CallEnded, "a1")[0].how == "killed:user"


def _phase(beat):
    return beat.changed[0].phase if beat.changed else ""


@pytest.mark.parametrize("do", ["ctx_sleep", "async"])
def test_kill_of_a_cooperative_wait(start, do):
    host = start()
    host.run("a1", do)
    host.wait(m.Running)
    ended, took = kill_and_time(host, "a1")
    assert ended.rung == "abort"
    assert took < 0.2


def test_kill_of_a_busy_loop_takes_the_second_rung(start):
    host = start()
    host.run("a1", "busy")
    host.wait(m.Running)
    ended, took = kill_and_time(host, "a1")
    assert ended.rung == "exception"
    assert 0.5 <= took < 0.8
    host.run("a2", "pass")
    assert host.wait(m.Ended, attempt_id="a2").outcome == "passed"


@pytest.mark.parametrize("do", ["sleep_in_c", "lock", "bare_except", "blocking_finally"])
def test_what_does_not_obey_is_abandoned(start, do):
    host = start()
    before = host.wait(m.Hello).threads[0]
    host.run("a1", do, seconds=2.5)
    host.wait(m.Running)
    ended, took = kill_and_time(host, "a1")
    assert ended.rung == "abandon"
    assert 1.5 <= took < 1.9
    host.run("a2", "pass")
    at, second = host.wait_at(m.Ended, 1.0, attempt_id="a2")
    assert second.outcome == "passed"
    assert host.all(m.Started, "a2")[0].thread != before
    zombie = host.wait_until(lambda one: isinstance(one, m.Beat) and one.zombies)[1].zombies[0]
    assert (zombie.attempt_id, zombie.worker, zombie.thread) == ("a1", 0, before)
    assert "zoo.py" in zombie.frame
    # It comes back in the end: what it says then is dropped, and the zombie is gone.
    host.wait(m.Dropped, attempt_id="a1")
    host.wait_until(
        lambda one: isinstance(one, m.Beat) and one.t > at + 0.5 and not one.zombies, 8.0
    )
    assert host.all(m.Log, "a1") == []
    assert len(host.all(m.Ended, "a1")) == 1


def test_deadline_ends_what_is_blocked_in_c(start):
    host = start(attempt=0.5)
    host.run("a1", "sleep_in_c")
    running = host.wait_at(m.Running)[0]
    at, ended = host.wait_at(m.Ended)
    assert (ended.outcome, ended.cause, ended.rung) == ("timed_out", "deadline:attempt", "abandon")
    assert 1.9 <= at - running < 2.5  # as seen from here: `Running` may have waited to be read


def test_deadline_ends_a_busy_loop(start):
    host = start(attempt=0.3)
    host.run("a1", "busy")
    running = host.wait_at(m.Running)[0]
    at, ended = host.wait_at(m.Ended)
    assert (ended.cause, ended.rung) == ("deadline:attempt", "exception")
    assert at - running < 0.3 + 1.0


@pytest.mark.parametrize(
    ("do", "limits", "cause"),
    [
        ("slow_prepare", {"prepare": 0.3}, "deadline:prepare"),
        ("slow_score", {"score": 0.3}, "deadline:score"),
        ("call", {"call": 0.3}, "deadline:call"),
        ("call", {"attempt": 0.3}, "deadline:attempt"),
    ],
)
def test_the_limit_that_fired_is_named(start, do, limits, cause):
    host = start(**limits)
    host.run("a1", do)
    ended = host.wait(m.Ended)
    assert (ended.outcome, ended.cause) == ("timed_out", cause)


def test_stream_that_never_begins_hits_first_byte(start):
    host = start(first_byte=0.3)
    host.run("a1", "call", stream=True)
    assert host.wait(m.Ended).cause == "deadline:first_byte"


def test_kill_before_the_thread_has_taken_the_attempt_up(start):
    host = start()
    for number in range(50):
        attempt = host.run(f"a{number}", "pass")
        host.kill(attempt)
        ended = host.wait(m.Ended, attempt_id=attempt)
        assert ended.outcome in ("passed", "killed")


def test_loop_verdict_of_the_engine(start):
    host = start()
    host.run("a1", "ctx_sleep")
    host.wait(m.Running)
    host.kill("a1", "loop:repeat")
    ended = host.wait(m.Ended)
    assert (ended.outcome, ended.cause) == ("looped", "loop:repeat")


def test_children_of_a_killed_attempt_end_as_trees(start):
    host = start()
    host.run("a1", "child")
    shell = host.wait(m.Child, attempt_id="a1", running=True)
    grandchild = host.wait_until(
        lambda one: isinstance(one, m.Child) and one.running and "sleep" in one.command
    )[1]
    host.kill("a1")
    assert host.wait(m.Ended).cause == "killed:user"
    for pid in (shell.pid, grandchild.pid):
        host.wait(m.Child, 3.0, pid=pid, running=False)
        assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie"


def test_children_left_by_a_finished_attempt_are_ended(start):
    host = start()
    host.run("a1", "left_child")
    assert host.wait(m.Ended).outcome == "passed"
    child = host.wait(m.Child, attempt_id="a1", running=True)
    host.wait(m.Child, pid=child.pid, running=False)
    assert not psutil.pid_exists(child.pid)


def test_samples_say_what_is_waited_for(start):
    host = start(workers=4)
    host.run("busy", "busy", worker=0)
    host.run("sleep", "sleep_in_c", worker=1)
    host.run("child", "child", worker=2)
    host.run("lock", "lock", worker=3)
    wanted = {
        "busy": lambda one: one.cpu > IDLE_CPU and one.state == "R" and "do_busy" in one.frame,
        "sleep": lambda one: one.waits_for == "sleep" and "do_sleep_in_c" in one.frame,
        "child": lambda one: one.waits_for.startswith("pid ") and "do_child" in one.frame,
        "lock": lambda one: one.waits_for == "lock" and "do_lock" in one.frame,
    }
    for attempt_id, test in wanted.items():
        host.wait_until(
            lambda one, whose=attempt_id, test=test: (
                isinstance(one, m.Sample) and one.attempt_id == whose and test(one)
            ),
            what=f"sample of {attempt_id}",
        )


def test_no_thread_descriptor_or_process_is_left_by_200_kills(start):
    host = start(workers=4)
    took = []

    def kills(count, first):
        for number in range(first, first + count):
            attempt = host.run(f"k{number}", "call", worker=number % 4)
            host.wait(m.CallStarted, attempt_id=attempt)
            took.append(kill_and_time(host, attempt)[1])
            host.messages.clear()

    kills(20, 0)
    threads, fds = host.threads(), host.fds()
    kills(200, 20)
    wait_for(lambda: host.threads() <= threads and host.fds() <= fds)  # the last one's go yet
    took.sort()
    p50, p99 = took[110], took[-3]
    assert p50 < 0.01, (p50, p99)
    assert p99 < 0.1, (p50, p99)


def test_twenty_kills_at_once_leave_no_thread(start):
    host = start(workers=20)
    host.wait(m.Beat)  # its watch, the last thread to start, is there
    threads = host.threads()
    for round_ in range(3):
        names = [host.run(f"b{round_}-{worker}", "ctx_sleep", worker) for worker in range(20)]
        for name in names:
            host.wait(m.Running, attempt_id=name)
        for name in names:
            host.kill(name)
        for name in names:
            assert host.wait(m.Ended, attempt_id=name).cause == "killed:user"
    # A worker says that its attempt has ended a moment before it waits for the next one.
    wait_for(lambda: host.threads() <= threads)


def test_process_isolation_kills(start):
    host = start(isolation="process")
    for name, do in (("a1", "busy"), ("a2", "sleep_in_c"), ("a3", "call"), ("a4", "lock")):
        host.run(name, do)
        host.wait(m.Running, attempt_id=name)
        time.sleep(0.05)
        ended, took = kill_and_time(host, name)
        assert ended.rung in ("abort", "signal")
        assert took < 0.2


def test_process_isolation_ends_the_host_when_nothing_helps(start, zygote):
    host = start(isolation="process")
    host.run("a1", "bare_except")
    host.wait(m.Running)
    ended, took = kill_and_time(host, "a1")
    assert ended.rung == "end"
    assert 0.5 <= took < 0.9
    assert zygote.wait_for(z.Died, pid=host.pid).status == -9


def test_fork_of_executor_code_does_not_hide_the_hosts_end(start):
    """The fork lives on for a moment, until the zygote ends what the host has left behind."""
    host = start()
    host.run("a1", "fork")
    end = time.monotonic() + 5.0
    while host.read(end - time.monotonic()):
        assert time.monotonic() < end, "no end of file although the host is gone"
