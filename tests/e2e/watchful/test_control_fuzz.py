"""Ten thousand hostile inputs on a real engine's control socket: nothing happens to the run."""

import contextlib
import json
import random
import select
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from support.running import Project, Watched, wait_for

from runner.core import events as ev
from runner.engine.control import MAX_LINE_BYTES

pytestmark = [pytest.mark.drill, pytest.mark.timeout(300)]
INPUTS = 10_000
WARM_UP = 1_000
OPEN = 100
"""Connections held at once: more than the engine takes."""
GROWTH_BYTES = 8 * 1024 * 1024
VALUES: list[Any] = [
    None,
    True,
    -1,
    2.5,
    10**30,
    "",
    "no-such",
    [],
    {},
    [[]],
    "\0",
    "\x1b[2J",
    "\u202e",
]
ODD = "\x00\x07\x1b\x7f\x85\u202e\u2066\ufeff\ud800é漢😀\\"
HARMLESS = ["kill", "retry", "set", "workers", "no", "", "KILL", "a" * 999, "ping\n", "\u202eping"]
"""What a well-formed request would do is no matter of this test, so none is well-formed."""


def random_bytes(rng: random.Random) -> bytes:
    return rng.randbytes(rng.randrange(1, 2000))


def random_line(rng: random.Random) -> bytes:
    return rng.randbytes(rng.randrange(1, 500)).replace(b"\n", b"") + b"\n"


def huge_line(rng: random.Random) -> bytes:
    return rng.choice([b"x", b" ", b'"', b"[", "語".encode()]) * (MAX_LINE_BYTES + 1)


def half_line(rng: random.Random) -> bytes:
    line = b'{"op": "kill", "worker": 0, "attempt_id": "x"}'
    return line[: rng.randrange(1, len(line))]


def deep_line(rng: random.Random) -> bytes:
    return rng.choice([b"[", b'{"op":', b'[{"a":']) * rng.randrange(100, 9000) + b"\n"


def wrong_types(rng: random.Random) -> bytes:
    names = ["worker", "task", "attempt_id", "n", "key", "value", "now", "op2"]
    request = {name: rng.choice(VALUES) for name in rng.sample(names, rng.randrange(6))}
    return json.dumps({"op": rng.choice([*VALUES, *HARMLESS]), **request}).encode() + b"\n"


def controls(rng: random.Random) -> bytes:
    text = "".join(
        rng.choice("\x00\x07\x1b\x7f\x85\u202e\u2066\ufeff\ud800é漢😀\\u0000") for _ in range(200)
    )
    return ('{"op": "' + text + '"}\n').encode("utf-8", "surrogatepass")


def no_utf8(rng: random.Random) -> bytes:
    return b'{"op": "ping", "x": "' + bytes([rng.randrange(0x80, 0x100)]) + b'"}\n'


def many_lines(rng: random.Random) -> bytes:
    """Pings by the hundred whose answers nobody reads."""
    return b'{"op": "ping"}\n' * rng.randrange(100, 400)


def nothing(_rng: random.Random) -> bytes:
    return b""


KINDS: list[Callable[[random.Random], bytes]] = [
    *(random_bytes, random_line, huge_line, half_line, deep_line, wrong_types, wrong_types),
    *(controls, no_utf8, many_lines, nothing),
]


class Attackers:
    """Many connections at once: some send all, some a byte now and then, some just go."""

    def __init__(self, path: Path, rng: random.Random) -> None:
        self._path = path
        self._rng = rng
        self._open: list[tuple[socket.socket, bytearray]] = []

    def one_more(self) -> None:
        """A new one sends; old ones drip on; one of them goes, in the middle of what it says."""
        client = socket.socket(socket.AF_UNIX)
        client.connect(str(self._path))
        client.setblocking(False)
        data = bytearray(self._rng.choice(KINDS)(self._rng))
        slow = len(data) < 3000 and self._rng.random() < 0.2
        self._open.append((client, data))
        self._send(client, data, 1 if slow else len(data))
        for dripping, rest in self._rng.sample(self._open, min(5, len(self._open))):
            self._send(dripping, rest, 1)
        if len(self._open) > OPEN:
            client, _ = self._open.pop(self._rng.randrange(len(self._open)))
            client.close()

    def _send(self, client: socket.socket, data: bytearray, most: int) -> None:
        with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
            while data and most > 0:
                sent = client.send(data[:most])
                del data[:sent]
                most -= sent

    def close(self) -> None:
        for client, _ in self._open:
            client.close()
        self._open.clear()


@pytest.fixture
def run(project: Project) -> Watched:
    """Two workers that wait for answers which never come."""
    limits = "first_byte = 250\nidle = 250\ncall = 270\nattempt = 280"
    plan = project.write(tasks=2, workers=2, script='default = "silent"', limits=limits)
    found = project.launch(plan)
    found.until(lambda state: len(state.owner) == 2)
    return found


def attack(run: Watched, attackers: Attackers, inputs: int) -> float:
    """The slowest answer that an honest client got in the meantime, seconds."""
    slowest = 0.0
    for number in range(inputs):
        attackers.one_more()
        if number % 200 == 0:
            slowest = max(slowest, honest(run))
    attackers.close()
    wait_for(lambda: run.ask("ping")["ok"])
    return slowest


def honest(run: Watched) -> float:
    """Seconds until the engine answered; with all places taken it says so, and that counts."""
    began = time.monotonic()
    run.ask("ping")
    return time.monotonic() - began


def test_ten_thousand_hostile_inputs_leave_the_run_as_it_was(project: Project, run: Watched):
    rng = random.Random(11)
    engine = psutil.Process(run.state().engine_pid)
    attack(run, Attackers(run.dir / "control.sock", rng), WARM_UP)
    before = (settled(engine), engine.num_threads(), engine.memory_info().rss)
    slowest = attack(run, Attackers(run.dir / "control.sock", rng), INPUTS)
    handles, threads, rss = settled(engine), engine.num_threads(), engine.memory_info().rss
    assert handles <= before[0]
    assert threads <= before[1]
    assert rss < before[2] + GROWTH_BYTES
    assert slowest < 1.0
    state = run.state()
    assert (state.status, state.target_workers, len(state.owner), state.kills) == (
        "running",
        2,
        2,
        0,
    )
    assert not run.of(ev.PlanChanged) + run.of(ev.AttemptEnded) + run.of(ev.EngineLagged)
    assert "Traceback" not in (run.dir / "engine.log").read_text()


def settled(engine: psutil.Process) -> int:
    """Open descriptors once all clients are gone."""
    last = -1
    while (now := engine.num_fds()) != last:
        last = now
        select.select([], [], [], 0.5)
    return now
