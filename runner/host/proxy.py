"""The guarded way to a model for programs: a server on loopback that knows attempts by a token.

Apart from the command executor because it serves all slots of a host, and python executors that
bring another SDK. What comes in with an attempt's token leaves by that attempt's guarded transport:
with the real key, limits, permits, retries and records. A token is worth nothing once its attempt
is over, and the key never leaves the host.
"""

import functools
import os
import secrets
import threading
from typing import Final, NamedTuple

import httpcore2
import httpx2

from runner.core.plan import Endpoint
from runner.host import attempt as attempts
from runner.host import scope
from runner.host.attempt import Attempt
from runner.host.calls import GAVE_UP, PLACEHOLDER_KEY
from runner.host.direct import AT_END
from runner.host.plain import Answer, Outgoing, target_of
from runner.host.proxy_http import SHOULD_RETRY, Program, Request, Server
from runner.host.scope import Aborted
from runner.host.transport import GuardTransport, SyncBody

PREFIX: Final = "/v1"
_LINK: Final = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding"}
    | {b"upgrade", b"content-length"}
)
"""Headers about one connection: theirs is not ours (RFC 9110, 7.6.1)."""
_OURS: Final = _LINK | {b"host", b"authorization", b"api-key", b"accept-encoding", b"expect"}
"""Headers of a request that we set ourselves."""
_KEY: Final = b"authorization", f"Bearer {PLACEHOLDER_KEY}".encode()
_KEYS: Final = {"azure": (b"api-key", PLACEHOLDER_KEY.encode())}
"""The header that holds the key, and those of kinds of endpoints that want another."""
_BODIED: Final = frozenset({"POST", "PUT", "PATCH"})
"""Methods whose requests name the length of an empty body too (RFC 9110, 8.6)."""
_SHOULD_RETRY: Final = SHOULD_RETRY.encode()


def relay(
    program: Program,
    request: Request,
    transport: GuardTransport,
    endpoint: Endpoint,
    *,
    again: bool,
) -> Answer:
    """Ask the endpoint and pass its answer on as it comes; the answer, read to its end.

    ``again`` is whether the SDK may repeat what our own retries gave up on.

    Raises what the transport raises; once part of the answer is out the connection is of no more
    use then, since nothing else says that the rest will not come.
    """
    try:
        answer = transport.ask(_outgoing(request, endpoint))
        try:
            _pass_on(program, answer, final=not again and GAVE_UP in answer.extensions)
        finally:
            if isinstance(answer.stream, SyncBody):
                answer.stream.close()
    except BaseException:
        program.stays = program.stays and not program.is_answered
        raise
    return answer


def _outgoing(request: Request, endpoint: Endpoint) -> Outgoing:
    url, target, host = _address(endpoint.base_url, request.path.removeprefix(PREFIX))
    headers = [(b"host", host)]
    headers += [item for item in request.headers.items() if item[0] not in _OURS]
    headers.append(_KEYS.get(endpoint.kind, _KEY))
    body = request.body
    if body or request.method in _BODIED:
        headers.append((b"content-length", b"%d" % len(body)))
    return Outgoing(request.method.upper(), url, target, headers, (body,), body, {})


@functools.lru_cache(maxsize=256)
def _address(base_url: str, path: str) -> tuple[httpx2.URL, httpcore2.URL, bytes]:
    """Parsed, and its host: programs ask for few addresses, and one costs 0.05 ms."""
    url = httpx2.URL(base_url.rstrip("/") + path)
    return url, target_of(url), url.netloc


def _pass_on(program: Program, answer: Answer, *, final: bool) -> None:
    """Whole if it is here already, else piece by piece; ``final`` says not to ask again.

    A stream is over with its "[DONE]": SDKs read no further, and may hang up at once.
    """
    left_out = _LINK | {_SHOULD_RETRY} if final else _LINK
    headers = [item for item in answer.headers if item[0].lower() not in left_out]
    if final:
        headers.append((_SHOULD_RETRY, b"false"))
    stream = answer.stream
    if isinstance(stream, bytes):
        program.answer(answer.status, headers, stream)
        return
    assert isinstance(stream, SyncBody)
    is_at_end = answer.extensions.get(AT_END, lambda: False)
    program.begin(answer.status, headers)
    for piece in stream:
        program.piece(piece, last=is_at_end() or stream.tries.stream_done)
        if program.is_complete:
            return
    program.piece(b"", last=True)


class Door(NamedTuple):
    """An attempt's way in. ``address`` has no path; ``token`` goes as the key, ``url`` holds it."""

    address: str
    token: str
    url: str


class _Guest:
    """An attempt, its guarded transport, and the programs that hold its token."""

    def __init__(self, attempt: Attempt) -> None:
        assert attempt.session is not None
        assert attempt.connections is not None
        self.attempt = attempt
        self.transport = GuardTransport(attempt.session, attempt.connections)
        self.programs: set[Program] = set()

    def hang_up(self) -> None:
        """End every connection: nobody must wait for an answer that will not come."""
        for program in tuple(self.programs):
            program.hang_up()


class Proxy:
    """One per host; listens on a port of its own once the first attempt wants a door."""

    def __init__(self) -> None:
        self._guests: dict[str, _Guest] = {}
        self._server: _ProxyServer | None = None
        self._lock = threading.Lock()

    def door(self, attempt: Attempt) -> Door:
        """A door for this attempt, until its scope is closed."""
        token = secrets.token_urlsafe(24)
        guest = self._guests[token] = _Guest(attempt)
        attempt.clients.append(guest.transport)
        attempt.scope.at_close(lambda: self._close(token))
        address = f"http://127.0.0.1:{self._port()}"
        prefix = "" if attempt.endpoint.kind == "azure" else PREFIX
        return Door(address, token, f"{address}/{token}{prefix}")

    def find(self, request: Request) -> tuple[_Guest | None, Request]:
        """Whose token it carries, in its path or as its key; and the request without it."""
        first, _, rest = request.path[1:].partition("/")
        guest = self._guests.get(first)
        if guest is not None:
            return guest, request._replace(path=f"/{rest}")
        return self._guests.get(request.token), request

    def _port(self) -> int:
        with self._lock:
            if self._server is None:
                _reach_loopback_directly()
                self._server = _ProxyServer(self)
                threading.Thread(
                    target=self._server.serve_forever, name="proxy", daemon=True
                ).start()
            return self._server.port

    def _close(self, token: str) -> None:
        guest = self._guests.pop(token)
        guest.hang_up()


def _reach_loopback_directly() -> None:
    """Here and in what is started from here, whatever HTTP proxy the environment names."""
    for name in ("NO_PROXY", "no_proxy"):
        known = os.environ.get(name, "")
        if "127.0.0.1" not in known.split(","):
            os.environ[name] = f"{known},127.0.0.1".lstrip(",")


class _ProxyServer(Server):
    """Connections of programs and foreign clients that attempts have started."""

    def __init__(self, proxy: Proxy) -> None:
        super().__init__(0)
        self._proxy = proxy

    def serve_one(self, program: Program, request: Request) -> None:
        """By the guarded transport of the attempt whose token it carries."""
        guest, request = self._proxy.find(request)
        if guest is None:
            program.refuse(401, "this token belongs to no running attempt")
            return
        attempt = guest.attempt
        token = attempts.current.set(attempt)
        guest.programs.add(program)
        try:
            with scope.use(attempt.scope), attempt.scope.on_cancel(program.cut):
                relay(program, request, guest.transport, attempt.endpoint, again=False)
        except Aborted as error:
            if not program.is_answered:
                program.refuse(504, f"ended by pilot-tui: {error.reason}", again=False)
        except httpx2.HTTPError as error:
            if not program.is_answered:
                program.refuse(502, f"{type(error).__name__}: {error}")
        finally:
            guest.programs.discard(program)
            attempts.current.reset(token)
