"""Kills in numbers: the thread is free at once, and nothing is left behind."""

import gc
import statistics
import threading
import time
from pathlib import Path
from typing import Any

from support.running import wait_for

from runner.host import chat
from runner.host.scope import Aborted

KILLS = 300


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_300_kills_leave_no_socket_thread_or_descriptor(
    serve: Any, attempt: Any, record_property: Any
) -> None:
    """Attempt by attempt, as slots do it: a new scope and client, killed at a mute server."""
    from runner.host.scope import Scope

    server = serve(lambda peer: (peer.request(), peer.sock.recv(1)))
    first = attempt(server)
    late_s: list[float] = []

    def one_kill() -> None:
        first.scope = first.session.scope = Scope()
        outcome = first.in_thread(lambda: first.ask(stream=True))
        while first.scope.phase != "wait":
            time.sleep(0.0005)
        killed_at = time.monotonic()
        first.scope.cancel("killed:user")
        outcome.wait()
        assert isinstance(outcome.error, Aborted)
        late_s.append(outcome.ended_at - killed_at)
        first.connections.close()
        first.scope.close()

    for _ in range(20):  # caches fill, the collector settles
        one_kill()
    gc.collect()
    settle(server)
    threads, fds = threading.active_count(), descriptors()
    late_s.clear()
    for _ in range(KILLS):
        one_kill()
    gc.collect()
    settle(server)

    wait_for(lambda: threading.active_count() <= threads)  # the last may just be accepted
    wait_for(lambda: descriptors() <= fds)
    assert first.connections.sockets == 0
    assert first.permits.out == 0
    quantiles = statistics.quantiles(late_s, n=100)
    record_property("kill_p50_ms", quantiles[49] * 1e3)
    record_property("kill_p99_ms", quantiles[98] * 1e3)
    assert quantiles[49] < 0.02
    assert quantiles[98] < 0.25


def settle(server: Any) -> None:
    """Wait until the server's side of all connections has ended too."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if not any(thread.is_alive() for thread in server._threads[1:]):
            server._threads[1:] = []
            server._socks.clear()
            return
        time.sleep(0.01)
    raise AssertionError("the server still holds connections")


def test_threads_that_executor_code_starts_end_with_the_attempt(serve: Any, attempt: Any) -> None:
    one = attempt(serve(lambda peer: peer.hold()))
    client = one.client
    outcomes = [
        one.in_thread(client.models.list),
        one.in_thread(lambda: one.ask(stream=True)),
        one.in_thread(one.ask),
    ]
    deadline = time.monotonic() + 5
    while one.connections.sockets < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert one.connections.sockets == 3

    one.scope.cancel("killed:stop")

    for outcome in outcomes:
        outcome.wait()
        assert isinstance(outcome.error, Aborted)
        assert outcome.error.reason == "killed:stop"


def test_a_closed_scope_lets_no_leftover_thread_call(serve: Any, attempt: Any, words: Any) -> None:
    server = serve(lambda peer: (peer.request(), peer.json(words.reply())))
    one = attempt(server)
    http = chat.http_client(one.session, one.connections)
    one.scope.close()

    outcome = one.in_thread(lambda: http.get(f"http://127.0.0.1:{server.port}/v1/models")).wait()

    assert isinstance(outcome.error, Aborted)
    assert outcome.error.reason == "ended"
    assert server.requests == []
