"""The scope: waits that end, limits that name themselves, reasons that are set once."""

import os
import queue
import select
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runner.host.scope import Aborted, Scope


class Clock:
    """Jumps on demand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def scope() -> Iterator[Scope]:
    one = Scope()
    yield one
    one.close()


def test_the_reason_is_set_once(scope: Scope) -> None:
    assert scope.cancel("killed:user")
    assert not scope.cancel("deadline:attempt")
    assert scope.reason == "killed:user"
    with pytest.raises(Aborted, match="killed:user"):
        scope.check()


def test_only_one_of_many_threads_is_first(scope: Scope) -> None:
    barrier = threading.Barrier(8)
    firsts: list[str] = []

    def cancel(name: str) -> None:
        barrier.wait(5)
        if scope.cancel(name):
            firsts.append(name)

    threads = [threading.Thread(target=cancel, args=(f"killed:{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)

    assert firsts == [scope.reason] or len(firsts) == 1


def test_aborted_is_not_caught_by_except_exception() -> None:
    assert not issubclass(Aborted, Exception)


def test_a_limit_fires_by_the_scopes_clock(clock: Clock) -> None:
    scope = Scope(clock)
    with scope.limit("attempt", 300):
        clock.now += 299
        scope.check()
        assert scope.remaining() == 1
        clock.now += 1
        with pytest.raises(Aborted, match="deadline:attempt"):
            scope.check()
    scope.close()


@pytest.mark.parametrize(
    ("outer", "inner", "reason"),
    [(300, 60, "deadline:score"), (50, 60, "deadline:attempt")],
    ids=["inner-first", "outer-first"],
)
def test_of_two_limits_the_earlier_is_named(
    clock: Clock, outer: float, inner: float, reason: str
) -> None:
    scope = Scope(clock)
    with scope.limit("attempt", outer), scope.limit("score", inner):
        clock.now += 1000  # paused for long: both have passed
        with pytest.raises(Aborted, match=reason):
            scope.check()
    scope.close()


def test_a_limit_ends_with_its_block(clock: Clock) -> None:
    scope = Scope(clock)
    with scope.limit("prepare", 10):
        pass
    clock.now += 1000
    scope.check()
    assert scope.deadline == float("inf")
    scope.close()


def test_a_running_limit_can_be_changed(clock: Clock) -> None:
    scope = Scope(clock)
    with scope.limit("attempt", 10):
        scope.set_limit("attempt", 100)
        clock.now += 50
        scope.check()
        scope.set_limit("attempt", 20)
        assert scope.expire(clock.now) == "deadline:attempt"
    scope.close()


def test_the_beat_thread_can_expire_a_worker_that_never_checks(clock: Clock) -> None:
    scope = Scope(clock)
    with scope.limit("attempt", 10):
        assert scope.expire(1009.9) is None
        assert scope.expire(1010.0) == "deadline:attempt"
        assert scope.cancelled
    scope.close()


def test_phases_return_and_keep_their_times(clock: Clock) -> None:
    scope = Scope(clock)
    scope.enter("code")
    clock.now += 5
    with scope.phase_of("tool"):
        assert (scope.phase, scope.phase_since) == ("tool", 1005.0)
        clock.now += 5
    assert (scope.phase, scope.phase_since, scope.last_sign) == ("code", 1010.0, 1010.0)
    assert scope.progress_at == 1000.0
    scope.progress()
    assert scope.progress_at == 1010.0
    scope.close()


def _sleep(scope: Scope) -> None:
    scope.sleep(30)


def _event(scope: Scope) -> None:
    scope.wait_event(threading.Event())


def _condition(scope: Scope) -> None:
    scope.wait_for(threading.Condition(), lambda: False)


def _queue(scope: Scope) -> None:
    scope.queue_get(queue.Queue[int]())


def _pipe(scope: Scope) -> None:
    readable, writable = os.pipe()
    try:
        scope.wait_fd(readable, select.POLLIN)
    finally:
        os.close(readable)
        os.close(writable)


def _process(scope: Scope) -> None:
    process = subprocess.Popen(["sleep", "30"])
    try:
        scope.popen_wait(process)
    finally:
        process.kill()
        process.wait()


WAITS: list[Callable[[Scope], None]] = [_sleep, _event, _condition, _queue, _pipe, _process]


@pytest.mark.parametrize("wait", WAITS, ids=lambda one: one.__name__.strip("_"))
@pytest.mark.parametrize("how", ["kill", "limit", "close"])
def test_every_wait_ends_with_the_scope(wait: Callable[[Scope], None], how: str) -> None:
    scope = Scope()
    reasons: list[str] = []

    def worker() -> None:
        try:
            with scope.limit("attempt", 0.1 if how == "limit" else 60):
                wait(scope)
        except Aborted as error:
            reasons.append(error.reason)

    thread = threading.Thread(target=worker, daemon=True)
    thread.start()
    if how != "limit":
        time.sleep(0.05)  # let it begin to wait; if it has not, the test is only easier
        _ = scope.cancel("killed:user") if how == "kill" else scope.close()
    thread.join(5)

    assert not thread.is_alive()
    assert reasons == [{"kill": "killed:user", "limit": "deadline:attempt", "close": "ended"}[how]]
    scope.close()


def test_waits_return_what_they_waited_for(scope: Scope) -> None:
    readable, writable = os.pipe()
    condition, event, items = threading.Condition(), threading.Event(), queue.Queue[int]()
    assert scope.wait_fd(readable, select.POLLIN, 0.01) == 0
    assert not scope.wait_event(event, 0.01)
    assert not scope.wait_for(condition, lambda: False, 0.01)
    with pytest.raises(queue.Empty):
        scope.queue_get(items, 0.01)

    def answer() -> None:
        os.write(writable, b"x")
        event.set()
        items.put(7)

    thread = threading.Timer(0.05, answer)
    thread.start()
    assert scope.wait_fd(readable, select.POLLIN, 5) & select.POLLIN
    assert scope.wait_event(event, 5)
    assert scope.queue_get(items, 5) == 7
    assert scope.wait_for(condition, lambda: True, 5)
    thread.join(5)
    os.close(readable)
    os.close(writable)


def test_popen_wait_gives_the_code_or_times_out(scope: Scope) -> None:
    with subprocess.Popen(["sh", "-c", "exit 3"]) as process:
        assert scope.popen_wait(process, 5) == 3
    with subprocess.Popen(["sleep", "30"]) as process:
        with pytest.raises(subprocess.TimeoutExpired):
            scope.popen_wait(process, 0.05)
        process.kill()


def test_callbacks_run_once_and_only_inside_their_block(scope: Scope) -> None:
    called: list[str] = []
    with scope.on_cancel(lambda: called.append("gone")):
        pass
    with scope.on_cancel(lambda: called.append("here")):
        scope.cancel("killed:user")
    with scope.on_cancel(lambda: called.append("late")):
        pass
    assert called == ["here", "late"]


def test_close_frees_descriptors_and_may_be_repeated() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    closed: list[Any] = []
    scopes = [Scope() for _ in range(50)]
    for one in scopes:
        one.at_close(lambda one=one: closed.append(one))
        one.close()
        one.close()
        assert not one.cancel("killed:user")
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert closed == scopes
