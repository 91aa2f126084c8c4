"""The guarded way to a model for programs: a server on loopback that knows attempts by a token.

Apart from the command executor because it serves all slots of a host. What comes in with an
attempt's token leaves by that attempt's guarded client: with the real key, limits, permits, retries
and records. A token is worth nothing once its attempt is over, and the key never leaves the host.
"""

import secrets
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final, cast

import httpx2
import msgspec

from runner.core.plan import Endpoint
from runner.host import attempt as attempts
from runner.host import chat, scope
from runner.host.attempt import Attempt
from runner.host.calls import PLACEHOLDER_KEY
from runner.host.scope import Aborted

MAX_BODY_BYTES: Final = 64 * 1024 * 1024
PREFIX: Final = "/v1"
_KEPT: Final = ("content-type", "retry-after", "x-request-id", "openai-processing-ms")
"""Headers of an answer that are passed on; the rest is about a connection that is not theirs."""


class _Client:
    """An attempt and its guarded HTTP client."""

    def __init__(self, attempt: Attempt) -> None:
        assert attempt.session is not None
        assert attempt.connections is not None
        self.attempt = attempt
        self.http = chat.http_client(attempt.session, attempt.connections)


class Proxy:
    """One per host; listens on a port of its own from the first `open` on."""

    def __init__(self) -> None:
        self._clients: dict[str, _Client] = {}
        self._server: _Server | None = None
        self._lock = threading.Lock()

    @contextmanager
    def open(self, attempt: Attempt) -> Generator[tuple[str, str]]:
        """The address (without a path) and a token, good for the length of the block."""
        with self._lock:
            if self._server is None:
                self._server = _Server(self)
                threading.Thread(
                    target=self._server.serve_forever, name="proxy", daemon=True
                ).start()
            port = self._server.server_port
        token = secrets.token_urlsafe(24)
        client = self._clients[token] = _Client(attempt)
        attempt.clients.append(client.http)
        try:
            yield f"http://127.0.0.1:{port}", token
        finally:
            del self._clients[token]

    def find(self, token: str) -> _Client | None:
        """Whose token it is."""
        return self._clients.get(token)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, proxy: Proxy) -> None:
        super().__init__(("127.0.0.1", 0), _AttemptHandler)
        self.proxy = proxy


class Handler(BaseHTTPRequestHandler):
    """One connection of a program. Subclasses say what becomes of a request."""

    protocol_version = "HTTP/1.1"
    is_answered = False
    """Whether the head of an answer to the request at hand has gone out."""
    wbufsize = -1  # an answer that is there at once leaves in one piece
    disable_nagle_algorithm = True  # else the second small piece of a stream waits for an ACK

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Calls are recorded by the attempt; an access log would be noise."""

    def do_GET(self) -> None:
        """Pass it on."""
        self.pass_on(b"")

    def do_POST(self) -> None:
        """Pass it on."""
        try:
            length = int(self.headers.get("content-length", "0"))
        except ValueError:
            length = -1
        if "transfer-encoding" in self.headers:
            length = -1  # no SDK sends pieces of unknown number
        if not 0 <= length <= MAX_BODY_BYTES:
            self.refuse(413, f"a body needs a length of at most {MAX_BODY_BYTES} bytes")
            return
        self.pass_on(self.rfile.read(length))

    def pass_on(self, body: bytes) -> None:
        """Have the request answered."""
        raise NotImplementedError

    @property
    def token(self) -> str:
        """What the program believes to be its key, in OpenAI's header or Azure's."""
        bearer = self.headers.get("authorization", "").removeprefix("Bearer ")
        return self.headers.get("api-key", bearer)

    def relay(self, http: httpx2.Client, endpoint: Endpoint, body: bytes) -> httpx2.Response:
        """Ask the endpoint and pass its answer on as it comes; the answer, read to its end.

        Raises what the client raises; once part of the answer is out the connection is cut then,
        since nothing else says that the rest will not come.
        """
        url = endpoint.base_url.rstrip("/") + self.path.removeprefix(PREFIX)
        headers = {"content-type": self.headers.get("content-type", "application/json")}
        if endpoint.kind == "azure":
            headers["api-key"] = PLACEHOLDER_KEY
        else:
            headers["authorization"] = f"Bearer {PLACEHOLDER_KEY}"
        with http.stream(self.command, url, headers=headers, content=body) as answer:
            pieces = answer.iter_raw()
            first = next(pieces, b"")
            self.is_answered = True
            try:
                self.send_response(answer.status_code)
                for name in _KEPT:
                    if name in answer.headers:
                        self.send_header(name, answer.headers[name])
                self.send_header("transfer-encoding", "chunked")
                self.end_headers()
                streams = "event-stream" in answer.headers.get("content-type", "")
                self._piece(first, now=streams)
                for piece in pieces:
                    self._piece(piece, now=streams)
                self.wfile.write(b"0\r\n\r\n")
                self.wfile.flush()
            except BaseException:
                self.close_connection = True
                raise
            return answer

    def _piece(self, data: bytes, *, now: bool) -> None:
        if data:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
        if now:
            self.wfile.flush()

    def refuse(self, status: int, text: str, *, again: bool = True) -> None:
        """Answer in the endpoint's stead; ``again`` is whether an SDK may repeat the request."""
        body = msgspec.json.encode({"error": {"message": text, "type": "pilot_tui"}})
        self.close_connection = True
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        if not again:
            self.send_header("x-should-retry", "false")
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()


class _AttemptHandler(Handler):
    """A connection of a program that one attempt has started."""

    def pass_on(self, body: bytes) -> None:
        """By the guarded client of the attempt whose token it carries."""
        client = cast(_Server, self.server).proxy.find(self.token)
        if client is None:
            self.refuse(401, "this token belongs to no running attempt")
            return
        attempt = client.attempt
        token = attempts.current.set(attempt)
        try:
            self.is_answered = False
            with scope.use(attempt.scope):
                self.relay(client.http, attempt.endpoint, body)
        except Aborted:
            self.close_connection = True
        except httpx2.HTTPError as error:
            if not self.is_answered:
                self.refuse(502, f"{type(error).__name__}: {error}")
        except OSError:
            self.close_connection = True  # the program has gone away
        finally:
            attempts.current.reset(token)
