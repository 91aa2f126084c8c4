"""A server that does what a test tells it, byte by byte, and an attempt that calls it."""

import contextlib
import json
import random
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from runner.core.plan import Endpoint, Limits
from runner.host import chat, scope
from runner.host.apikey import ApiKey
from runner.host.calls import Session
from runner.host.guard import Connections
from runner.host.recording import BackOff, CallEnd
from runner.host.scope import Scope

Handler = Callable[["Peer"], None]
PATIENCE_S = 10.0


class Peer:
    """The server's end of one connection."""

    def __init__(self, sock: socket.socket, server: "Server", number: int) -> None:
        self.sock = sock
        self.server = server
        self.number = number
        self._buffer = b""

    def request(self) -> tuple[str, bytes] | None:
        """The next request's head and body; None at the end of the connection."""
        while b"\r\n\r\n" not in self._buffer:
            part = self.sock.recv(65536)
            if not part:
                return None
            self._buffer += part
        head, _, rest = self._buffer.partition(b"\r\n\r\n")
        text = head.decode("latin-1")
        length = 0
        for line in text.split("\r\n")[1:]:
            name, _, value = line.partition(":")
            if name.lower() == "content-length":
                length = int(value)
        while len(rest) < length:
            part = self.sock.recv(65536)
            if not part:
                return None
            rest += part
        self._buffer = rest[length:]
        self.server.requests.append(text)
        return text, rest[:length]

    def send(self, text: str | bytes) -> None:
        self.sock.sendall(text if isinstance(text, bytes) else text.encode())

    def json(self, body: object, status: int = 200, extra: str = "") -> None:
        data = json.dumps(body).encode()
        self.send(
            f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(data)}\r\n{extra}\r\n"
        )
        self.send(data)

    def events(self) -> None:
        self.send(
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
            "Transfer-Encoding: chunked\r\n\r\n"
        )

    def event(self, text: str) -> None:
        data = text.encode()
        self.send(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def end(self) -> None:
        self.send("0\r\n\r\n")

    def hold(self) -> None:
        """Do nothing until the client goes away or the test is over."""
        self.server.stopping.wait(PATIENCE_S)


class Server:
    """Runs `handler` in a thread for each connection."""

    def __init__(self, handler: Handler, context: ssl.SSLContext | None = None) -> None:
        self.handler = handler
        self.requests: list[str] = []
        self.connections = 0
        self.accepted = threading.Semaphore(0)
        self.stopping = threading.Event()
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self._threads: list[threading.Thread] = []
        self._socks: list[socket.socket] = []
        self._start(self._accept)

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._socks.append(sock)
            self.accepted.release()
            self._start(self._serve, sock, self.connections)

    def _serve(self, sock: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError), contextlib.closing(sock):
            if self._context is not None:
                sock = self._context.wrap_socket(sock, server_side=True)
                self._socks.append(sock)
            with contextlib.closing(sock):
                self.handler(Peer(sock, self, number))

    def close(self) -> None:
        self.stopping.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in self._socks:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE_S)
            assert not thread.is_alive(), "a thread of the test server hangs"


@dataclass
class Tape:
    """A recorder that keeps everything."""

    said: list[tuple[Any, ...]] = field(default_factory=list)

    def call_started(self, n: int, model: str, stream: bool) -> None:
        self.said.append(("started", n, model, stream))

    def first_byte(self, n: int, wait_s: float) -> None:
        self.said.append(("first_byte", n, wait_s))

    def backed_off(self, n: int, backoff: BackOff) -> None:
        self.said.append(("backed_off", n, backoff))

    def call_ended(self, n: int, end: CallEnd) -> None:
        self.said.append(("ended", n, end))

    def of(self, kind: str) -> list[Any]:
        return [one[-1] for one in self.said if one[0] == kind]


class Permits:
    """Counts what is out."""

    def __init__(self) -> None:
        self.out = 0
        self.taken = 0

    def acquire(self, scope: Scope, endpoint: str) -> "Permits":
        self.out += 1
        self.taken += 1
        return self

    def try_acquire(self, endpoint: str) -> "Permits":
        self.out += 1
        self.taken += 1
        return self

    def release(self) -> None:
        self.out -= 1


class Attempt:
    """One attempt with everything that a slot would give it."""

    def __init__(
        self,
        base_url: str,
        limits: Limits,
        endpoint: Endpoint | None = None,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self.scope = Scope()
        self.tape = Tape()
        self.permits = Permits()
        self.connections = Connections(context)
        self.endpoint = endpoint or Endpoint(name="here", base_url=base_url)
        self.session = Session(
            self.scope,
            self.endpoint,
            limits,
            self.tape,
            self.permits,
            ApiKey(self.endpoint),
            lambda: random.Random(1),
        )

    @property
    def client(self) -> Any:
        return chat.openai_client(self.session, self.connections)

    def ask(self, stream: bool = False, **more: Any) -> Any:
        """One chat completion; of a stream all its text."""
        answer = self.client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "hello"}], stream=stream, **more
        )
        if not stream:
            return answer.choices[0].message.content
        return "".join(one.choices[0].delta.content or "" for one in answer if one.choices)

    def in_thread(self, call: Callable[[], Any]) -> "Outcome":
        return Outcome(self, call)

    def close(self) -> None:
        self.connections.close()
        self.scope.close()


class Outcome:
    """What a call in a thread of its own came to, and when."""

    def __init__(self, attempt: Attempt, call: Callable[[], Any]) -> None:
        self.value: Any = None
        self.error: BaseException | None = None
        self.took_s = 0.0
        self.ended_at = 0.0

        def run() -> None:
            started = time.monotonic()
            with scope.use(attempt.scope):
                try:
                    self.value = call()
                except BaseException as error:  # noqa: BLE001 - the test looks at it
                    self.error = error
            self.ended_at = time.monotonic()
            self.took_s = self.ended_at - started

        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()

    def wait(self, seconds: float = PATIENCE_S) -> "Outcome":
        self.thread.join(seconds)
        assert not self.thread.is_alive(), "the call hangs"
        return self


def reply(text: str = "hi", **more: Any) -> dict[str, Any]:
    """A chat completion."""
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": text},
            }
        ],
        "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
        **more,
    }


def delta(text: str) -> str:
    """An event with a piece of a chat completion."""
    chunk = {
        "id": "1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}],
    }
    return f"data: {json.dumps(chunk)}\n\n"


@pytest.fixture
def words() -> Any:
    """The two shapes of an answer, for tests in other files of this folder."""

    class Words:
        reply = staticmethod(reply)
        delta = staticmethod(delta)

    return Words


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    with contextlib.ExitStack() as stack:

        def start(handler: Handler, context: ssl.SSLContext | None = None) -> Server:
            server = Server(handler, context)
            stack.callback(server.close)
            return server

        yield start


@pytest.fixture
def attempt() -> Iterator[Callable[..., Attempt]]:
    """Makes attempts; at the end all their sockets are closed and all permits given back."""
    made: list[Attempt] = []

    def make(
        server: Server | str,
        *,
        endpoint: Endpoint | None = None,
        context: ssl.SSLContext | None = None,
        **limits: Any,
    ) -> Attempt:
        url = server if isinstance(server, str) else f"http://127.0.0.1:{server.port}/v1"
        made.append(Attempt(url, Limits(**limits), endpoint, context))
        return made[-1]

    yield make
    for one in made:
        one.close()
        assert one.connections.sockets == 0
        assert one.permits.out == 0


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for localhost, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(cert)),
        ],
        check=True,
        capture_output=True,
    )
    return cert, key


@pytest.fixture
def server_tls(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


@pytest.fixture
def client_tls(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate[0]))
