"""A small engine: a real zygote, real hosts, the real wire, and nothing that judges.

One zygote serves the folder (it costs 0.7 s of CPU); each test gets hosts of its own.
"""

import contextlib
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from runner.core import messages as m
from runner.core import zygote_wire as z
from runner.core.plan import (
    Endpoint,
    Limits,
    Loops,
    Model,
    Plan,
    Resources,
    RunSection,
    Stop,
    Tasks,
    Watch,
)

ROOT = Path(__file__).parents[3]
HERE = Path(__file__).parent
ZOO_KEY = "a-key-that-must-not-be-seen"


def zygote_command(theirs: socket.socket) -> list[str]:
    """How an engine starts a zygote that is to speak on this socket."""
    module = [sys.executable, "-m", "runner.host.zygote"]
    return [*module, "--fd", str(theirs.fileno()), "--parent", str(os.getpid())]


class Zygote:
    """A zygote process and what it said."""

    def __init__(self, run_id: str = "test-run") -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket = ours
        self.said: list[z.ZygoteMessage] = []
        environment = os.environ | {"PILOT_RUN": run_id, "ZOO_KEY": ZOO_KEY, "NO_PROXY": "*"}
        self.process = subprocess.Popen(
            zygote_command(theirs),
            pass_fds=(theirs.fileno(),),
            start_new_session=True,
            env=environment,
            cwd=ROOT,
        )
        theirs.close()

    def wait_for(self, kind: type, timeout_s: float = 20.0, **fields: Any) -> Any:
        end = time.monotonic() + timeout_s
        while True:
            for message in self.said:
                if isinstance(message, kind) and all(
                    getattr(message, name) == value for name, value in fields.items()
                ):
                    return message
            self.socket.settimeout(max(0.01, end - time.monotonic()))
            try:
                data = self.socket.recv(z.MAX_PACKET_BYTES)
            except TimeoutError:
                raise AssertionError(f"no {kind.__name__} {fields}: {self.said}") from None
            assert data, f"the zygote is gone: {self.said}"
            self.said.append(z.from_zygote(data))

    def close(self) -> None:
        self.socket.close()
        self.process.wait(5)


class Host:
    """The engine's end of one host."""

    def __init__(self, zygote: Zygote, number: int, plan: Plan, folder: Path) -> None:
        self.number = number
        self.plan = plan
        self.log_path = folder / f"host-{number}.log"
        ours, theirs = socket.socketpair()
        self.socket = ours
        self.zygote = zygote
        self.messages: list[tuple[float, Any]] = []
        self.unframer = m.from_host()
        self.selector = selectors.DefaultSelector()
        self.selector.register(ours, selectors.EVENT_READ)
        self.reading = True
        log = os.open(self.log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        workers = list(range(plan.run.workers))
        with theirs:
            fds = [theirs.fileno(), log, log]  # an engine gives a pipe for output past Python
            socket.send_fds(zygote.socket, [z.packet(z.Fork(number))], fds)
            os.close(log)
            self.pid = zygote.wait_for(z.Forked, host=number).pid
        self.send(m.Setup(number, workers, "test-run", str(folder), str(HERE), plan))

    def send(self, order: Any) -> None:
        self.socket.sendall(m.frame(order))

    def run(self, attempt_id: str, do: str, worker: int = 0, **data: Any) -> str:
        self.send(
            m.Run(
                attempt_id=attempt_id,
                worker=worker,
                task_id=attempt_id,
                attempt=1,
                model="m",
                deployment="m-a",
                endpoint="e",
                seed=1,
                labels=data.get("labels", {}),
                data={"id": attempt_id, "do": do, **data},
            )
        )
        return attempt_id

    def read(self, timeout_s: float) -> bool:
        """Take in what is there, waiting for it; False at the end of the connection."""
        if not self.selector.select(max(0.0, timeout_s)):
            return True
        try:
            data = self.socket.recv(65536)
        except ConnectionError:
            data = b""
        now = time.monotonic()
        self.messages += [(now, message) for message in self.unframer.feed(data)]
        return bool(data)

    def wait(self, kind: type, timeout_s: float = 10.0, **fields: Any) -> Any:
        return self.wait_at(kind, timeout_s, **fields)[1]

    def wait_at(self, kind: type, timeout_s: float = 10.0, **fields: Any) -> tuple[float, Any]:
        """The first message of that kind with those fields, and when it came."""
        return self.wait_until(
            lambda message: (
                isinstance(message, kind)
                and all(getattr(message, name) == value for name, value in fields.items())
            ),
            timeout_s,
            f"{kind.__name__} {fields}",
        )

    def wait_until(
        self, wanted: Callable[[Any], bool], timeout_s: float = 10.0, what: str = "message"
    ) -> tuple[float, Any]:
        end = time.monotonic() + timeout_s
        seen = 0
        while True:
            for at, message in self.messages[seen:]:
                if wanted(message):
                    return at, message
            seen = len(self.messages)
            left = end - time.monotonic()
            if left <= 0 or not self.read(left):
                tail = [message for _, message in self.messages[-12:]]
                log = self.log_path.read_text(errors="replace")[-2000:]
                raise AssertionError(f"no {what} within {timeout_s} s; last: {tail}\n{log}")

    def all(self, kind: type, attempt_id: str = "") -> list[Any]:
        return [
            message
            for _, message in self.messages
            if isinstance(message, kind) and getattr(message, "attempt_id", "") == attempt_id
        ]

    def kill(self, attempt_id: str, cause: str = "killed:user") -> float:
        """Order it; the moment of the order."""
        at = time.monotonic()
        self.send(m.Kill(attempt_id, cause))
        return at

    def threads(self) -> int:
        return psutil.Process(self.pid).num_threads()

    def fds(self) -> int:
        return psutil.Process(self.pid).num_fds()

    def close(self) -> None:
        self.selector.close()
        self.socket.close()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self.zygote.wait_for(z.Died, pid=self.pid)


class SilentServer:
    """Accepts connections and never answers."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/v1"
        self.accepted: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self.accepted.append(self.listener.accept()[0])

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for one in self.accepted:
            one.close()


@pytest.fixture(name="zygote_command")
def _zygote_command() -> Callable[[socket.socket], list[str]]:
    return zygote_command


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    one = Zygote()
    one.wait_for(z.Ready)
    yield one
    one.close()


@pytest.fixture
def silent() -> Iterator[SilentServer]:
    server = SilentServer()
    yield server
    server.close()


@pytest.fixture
def make_plan(silent: SilentServer) -> Callable[..., Plan]:
    def make(
        workers: int = 1, isolation: Any = "thread", executor: Any = "python", **limits: Any
    ) -> Plan:
        bounds = Limits(**limits)
        return Plan(
            run=RunSection(workers=workers),
            limits=bounds,
            watch=Watch(),
            stop=Stop(),
            loops=Loops(done="kill"),
            resources=Resources(isolation=isolation),
            endpoints=(Endpoint(name="e", base_url=silent.url, api_key_env="ZOO_KEY"),),
            models=(Model(name="m", endpoint="e", deployments=("m-a",), limits=bounds),),
            tasks=Tasks(executor=executor, entry="zoo:run"),
        )

    return make


@pytest.fixture
def start(
    zygote: Zygote, make_plan: Callable[..., Plan], tmp_path: Path
) -> Iterator[Callable[..., Host]]:
    hosts: list[Host] = []

    def begin(plan: Plan | None = None, **options: Any) -> Host:
        host = Host(zygote, len(zygote.said), plan or make_plan(**options), tmp_path)
        hosts.append(host)
        host.wait(m.Hello)
        return host

    yield begin
    for host in hosts:
        host.close()
