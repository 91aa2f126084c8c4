"""The control socket against everyone: hostile bytes, slow clients, many clients, odd paths."""

import contextlib
import json
import os
import pwd
import random
import resource
import select
import selectors
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.control import WAIT_S, Engine, until

from runner.client import Control, command, socket_path
from runner.core import events as ev
from runner.engine import control as control_module
from runner.engine.control import MAX_CLIENTS, MAX_LINE_BYTES, SILENT_S, ControlServer
from runner.errors import EngineGone


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    found = Engine(tmp_path)
    yield found
    found.close()


def raw(engine: Engine) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.connect(str(engine.server.path))  # waits while the backlog is full
    client.settimeout(WAIT_S)
    return client


def said(client: socket.socket) -> bytes:
    """Everything until the engine hangs up."""
    found = b""
    with contextlib.suppress(ConnectionResetError):
        while data := client.recv(1 << 16):
            found += data
    return found


@contextlib.contextmanager
def no_free_descriptor() -> Iterator[None]:
    """Take all descriptors that this process may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = [os.open(os.devnull, os.O_RDONLY)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (taken[0] + 20, hard))
    try:
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.dup(taken[0]))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for fd in taken:
            os.close(fd)


def fds() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


# ------------------------------------------------------------------------------------- hostile


REFUSED = {
    "no JSON": (b"hello\n", "bad JSON"),
    "no object": (b"[1, 2]\n", "bad JSON"),
    "no UTF-8": (b'{"op": "\xff\xfe"}\n', "bad JSON"),
    "no UTF-8 in a name": (b'{"\xff": 1}\n', "bad JSON"),
    "lone surrogate": (b'{"op": "\\ud800"}\n', "bad JSON"),
    "deep": (b'{"a":' * 10_000 + b"\n", "bad JSON"),
    "huge number": (b'{"op": 1' + b"0" * 5000 + b"}\n", "bad JSON"),
    "NULs": (b"\0" * 100 + b"\n", "bad JSON"),
    "no op": (b"{}\n", "want an op"),
    "op is no text": (b'{"op": 7}\n', "want an op"),
    "unknown op": (b'{"op": "format-disk"}\n', "unknown op"),
    "one byte over": (b'{"op":"ping"}' + b" " * (MAX_LINE_BYTES - 12) + b"\n", "a line of over"),
    "never a line end": (b"x" * (2 * MAX_LINE_BYTES), "a line of over"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_hostile_lines_get_an_error_and_the_connection_closed(engine: Engine, name: str) -> None:
    line, error = REFUSED[name]
    with raw(engine) as client:
        client.sendall(line)
        (answer,) = said(client).splitlines()
    found = json.loads(answer)
    assert found["ok"] is False
    assert error in found["error"]
    assert command(engine.run_dir, "ping")["ok"]


def test_a_line_of_just_the_limit_is_taken(engine: Engine) -> None:
    with raw(engine) as client:
        client.sendall(b'{"op":"ping"}' + b" " * (MAX_LINE_BYTES - 13) + b"\n")
        assert json.loads(client.recv(1 << 16))["ok"]


def test_requests_before_a_bad_line_are_answered(engine: Engine) -> None:
    with raw(engine) as client:
        client.sendall(b'{"op":"ping"}\n\n{"op":"ping"}\nnope\n{"op":"stop"}\n')
        answers = [json.loads(line)["ok"] for line in said(client).splitlines()]
    assert answers == [True, True, False]
    assert engine.run.stops == []


def hostile(rng: random.Random) -> bytes:
    """Some line that nobody should send."""
    ops = ["kill", "retry", "pause", "resume", "workers", "set", "ping", "no", "", "a" * 99]
    values: list[Any] = [None, True, -1, 0, 1, 2.5, 10**18, "", "t1", "1-00001", [], {}, [[]], "\0"]
    kind = rng.randrange(8)
    if kind == 0:
        return rng.randbytes(rng.randrange(1, 300)) + b"\n"
    if kind == 1:
        return b"[" * rng.randrange(1, 3000) + b"\n"
    if kind == 2:
        return b"y" * rng.randrange(MAX_LINE_BYTES, MAX_LINE_BYTES + 40_000) + b"\n"
    if kind == 3:
        return b'{"op": "ki'  # and never more
    names = ["worker", "task", "attempt_id", "n", "key", "value", "drain", "now", "extra"]
    request = {name: rng.choice(values) for name in rng.sample(names, rng.randrange(5))}
    if kind > 4:
        request["op"] = rng.choice([*ops, *values]) if kind == 5 else rng.choice(ops)
    line = json.dumps(request).encode()
    if kind == 7:
        place = rng.randrange(len(line))
        line = line[:place] + rng.randbytes(1) + line[place + 1 :]
    return line + b"\n"


def test_two_thousand_hostile_clients_leave_the_engine_as_it_was(engine: Engine) -> None:
    rng = random.Random(7)
    running = engine.starts(3)
    before = fds()
    open_ones: list[socket.socket] = []
    slowest = 0.0
    for number in range(2000):
        client = raw(engine)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            client.sendall(hostile(rng))
        open_ones.append(client)
        if len(open_ones) > 20:
            open_ones.pop(rng.randrange(len(open_ones))).close()
        if number % 50 == 0:
            began = time.monotonic()
            assert command(engine.run_dir, "ping")["ok"]
            slowest = max(slowest, time.monotonic() - began)
    for client in open_ones:
        client.close()
    until(lambda: not engine.server.clients and fds() <= before)
    assert slowest < 1.0
    assert engine.failed is None
    assert running in engine.attempts.live or engine.count(ev.KillRequested)
    assert engine.count(ev.RunPaused) <= engine.count(ev.RunUnpaused) + 1


# ---------------------------------------------------------------------------- slow and many


def test_more_clients_than_there_is_room_for_are_told_so(engine: Engine) -> None:
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(raw(engine)) for _ in range(MAX_CLIENTS)]
        until(lambda: len(engine.server.clients) == MAX_CLIENTS)
        extra = stack.enter_context(raw(engine))
        assert b"too many connections" in said(extra)
        clients[0].sendall(b'{"op":"ping"}\n')
        assert json.loads(clients[0].recv(4096))["ok"]
    until(lambda: not engine.server.clients)
    assert command(engine.run_dir, "ping")["ok"]


def test_a_client_that_says_nothing_is_hung_up_on(engine: Engine) -> None:
    with raw(engine) as client:
        until(lambda: bool(engine.server.clients))
        engine.skip += SILENT_S - 1
        engine.goes_on()
        assert engine.server.clients
        engine.skip += 2
        assert b"silent for too long" in said(client)


def test_a_client_that_does_not_read_costs_a_bounded_amount_and_no_cpu(engine: Engine) -> None:
    with raw(engine) as client:
        client.sendall(b'{"op":"stacks"}\n')
        until(lambda: any(c.wants_to_write for c in engine.server.clients))
        turns = engine.turns
        time.sleep(0.3)  # how often it turns in a time has no event
        assert engine.turns - turns < 100
        assert command(engine.run_dir, "ping")["ok"]
        client.sendall(b'{"op":"stacks"}\n' * 3)
        until(lambda: not engine.server.clients)


def test_a_large_answer_arrives_whole_as_the_client_reads(engine: Engine) -> None:
    with Control(engine.run_dir) as control:
        for _ in range(3):
            assert len(control.ask("stacks")["text"]) == 700_000


def test_a_request_in_single_bytes_is_a_request(engine: Engine) -> None:
    with raw(engine) as client:
        for byte in b'{"op":"ping"}\n':
            client.send(bytes([byte]))
        assert json.loads(client.recv(4096))["ok"]


def test_who_asks_again_and_again_is_a_viewer(engine: Engine) -> None:
    with Control(engine.run_dir) as control:
        control.ask("ping")
        assert engine.server.viewers == 0
        control.ask("ping")
        assert engine.server.viewers == 1
    until(lambda: engine.server.viewers == 0)


# ----------------------------------------------------------------------------------- the socket


def test_a_stale_socket_file_is_replaced(tmp_path: Path) -> None:
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(tmp_path / "control.sock"))
    stale.close()
    engine = Engine(tmp_path)
    assert command(tmp_path, "ping")["ok"]
    engine.close()
    assert not (tmp_path / "control.sock").exists()
    with pytest.raises(EngineGone, match="no engine answers"):
        command(tmp_path, "ping")


def test_only_the_user_may_open_it(engine: Engine) -> None:
    assert engine.server.path.stat().st_mode & 0o777 == 0o600


def test_a_path_too_long_goes_to_the_runtime_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = tmp_path / "rt"
    runtime.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    monkeypatch.setattr(control_module, "_PATH_MOST", 100)
    engines: list[Engine] = []
    for name in ("one", "two"):
        run_dir = tmp_path / (name * 40) / "nightly"
        run_dir.mkdir(parents=True)
        engines.append(Engine(run_dir))
        (run_dir / "run.json").write_text(json.dumps({"control": str(engines[-1].server.path)}))
    try:
        paths = {engine.server.path for engine in engines}
        assert {path.parent for path in paths} == {runtime}
        assert len(paths) == 2, "runs of one id in two folders share no socket"
        for engine in engines:
            assert socket_path(engine.run_dir) == engine.server.path
            assert command(engine.run_dir, "ping")["ok"]
    finally:
        for engine in engines:
            engine.close()


def test_without_a_note_a_path_too_long_is_an_engine_that_is_gone(tmp_path: Path) -> None:
    run_dir = tmp_path / ("x" * 150)
    run_dir.mkdir()
    with pytest.raises(EngineGone, match="too long"):
        command(run_dir, "ping")


def test_who_is_turned_away_at_the_door_hears_why(engine: Engine) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(MAX_CLIENTS):
            stack.enter_context(raw(engine))
        until(lambda: len(engine.server.clients) == MAX_CLIENTS)
        with Control(engine.run_dir) as control:
            until(lambda: bool(select.select([control._socket], [], [], 0)[0]))
            engine.goes_on()  # it has hung up by now, so that asking breaks the pipe
            assert control.ask("ping")["error"] == "too many connections"


def test_an_engine_that_hangs_up_or_answers_nonsense_is_gone(tmp_path: Path) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "control.sock"))
    listener.listen()
    answers = [b"", b"no json\n", b"[1]\n"]

    def serve() -> None:
        for answer in answers:
            client, _ = listener.accept()
            client.recv(4096)
            client.sendall(answer)
            client.close()

    thread = threading.Thread(target=serve)
    thread.start()
    for _ in answers:
        with pytest.raises(EngineGone):
            command(tmp_path, "ping")
    thread.join(WAIT_S)
    listener.close()


def test_the_origin_is_asked_of_the_kernel(engine: Engine) -> None:
    command(engine.run_dir, "pause")
    assert engine.journal.state.pause_origin.startswith(pwd.getpwuid(os.getuid()).pw_name)


def test_without_a_free_descriptor_who_waits_costs_nothing_and_is_let_in_later(
    tmp_path: Path,
) -> None:
    heard: list[dict[str, Any]] = []
    selector = selectors.DefaultSelector()
    server = ControlServer(tmp_path, selector, lambda _client, request: heard.append(request))

    def turn(wait_s: float) -> bool:
        ready = selector.select(wait_s)
        for key, _ in ready:
            key.data(time.monotonic())
        return bool(ready)

    client = socket.socket(socket.AF_UNIX)
    with client, selector:
        with no_free_descriptor():
            client.connect(str(server.path))
            client.sendall(b'{"op": "ping"}\n')
            assert turn(WAIT_S), "somebody knocks"
            assert not turn(0), "and waits without being looked at again and again"
        server.step(time.monotonic())
        assert turn(WAIT_S), "let in"
        assert turn(WAIT_S), "heard"
        server.close()
    assert heard == [{"op": "ping"}]
