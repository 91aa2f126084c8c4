"""One call to a model, however often it is sent: what is recorded, retried, and how it ends.

The blocking and the async transport are thin shells around this module, so that they cannot differ:
it decides and records, they only wait. Nothing here touches a socket.
"""

import functools
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import httpcore2
import httpx2
import msgspec

from runner.core.plan import Endpoint, Limits
from runner.host import retry
from runner.host.answers import kind_of_error
from runner.host.apikey import ApiKey
from runner.host.callclock import CallClock, CallTimeout
from runner.host.plain import Headers, Outgoing, target_of
from runner.host.recording import BackOff, CallEnd, Permits, Recorder
from runner.host.scope import Aborted, Scope
from runner.host.signs import ProgressScan, UsageScan

GAVE_UP: Final = "pilot_tui_gave_up"
"""Where a cause such as retries:count rides on a final response or exception."""

PLACEHOLDER_KEY: Final = "held-by-pilot-tui"
"""What SDK objects get to hold in place of a key."""

_PLACEHOLDER: Final = PLACEHOLDER_KEY.encode()
_MAX_TEXT: Final = 200
_ENDED: Final = (httpx2.RemoteProtocolError, httpx2.ReadError, httpx2.WriteError)
"""What the end of a connection becomes."""


class _Asked(msgspec.Struct):
    """What we read of a request's JSON body."""

    model: str = ""
    stream: bool = False


_asked = msgspec.json.Decoder(_Asked)


@dataclass(slots=True, eq=False)
class Session:
    """What all calls of an attempt share. `limits` may be exchanged while it runs."""

    scope: Scope
    endpoint: Endpoint
    limits: Limits
    recorder: Recorder
    permits: Permits
    key: ApiKey
    new_rng: Callable[[], random.Random] = random.Random
    wall: Callable[[], float] = time.time
    task_id: str = ""
    spent_s: float = 0.0
    calls: int = 0
    _rng: random.Random | None = None
    _base: "_Base" = field(init=False)
    _unfinished: "set[Tries]" = field(init=False)

    def __post_init__(self) -> None:
        self._base = _base_of(self.endpoint.base_url)
        self._unfinished = set()

    def begin(self, request: Outgoing) -> "Tries":
        """A new call; the recorder learns of it when a permit let its first try go."""
        to_model = self.is_endpoint(request.target)
        asked = _read(request.body) if to_model else _Asked()
        self.calls += to_model
        n = self.calls if to_model else 0
        tries = Tries(self, n, asked, request.body is not None)
        self._unfinished.add(tries)
        return tries

    def end_calls(self) -> None:
        """Record the end of what is still open: streams that executor code left unread."""
        for tries in tuple(self._unfinished):
            tries.end(self.scope.reason or "closed")

    def rng(self) -> random.Random:
        """The dice of its back-offs. Most attempts need none, and to seed them takes a while."""
        if self._rng is None:
            self._rng = self.new_rng()
        return self._rng

    def finished(self, tries: "Tries") -> None:
        """A call has ended."""
        self._unfinished.discard(tries)

    def is_endpoint(self, target: httpcore2.URL) -> bool:
        """Whether this address belongs to the endpoint: the key goes nowhere else.

        A path is compared as it is sent: one that writes the endpoint's otherwise gets no key.
        """
        base = self._base
        if (target.scheme, target.host, _port(target)) != base.origin:
            return False
        path = target.target.partition(b"?")[0]
        return path == base.path or path.startswith(base.path + b"/")

    def headers(self, request: Outgoing, tries: "Tries") -> Headers:
        """The headers as they leave: with the key, and without compression.

        Compressed events would hide content from the health of the worker. Only the placeholder is
        replaced: executor code may bring a key of its own.
        """
        if not tries.n:
            return request.headers
        sent: Headers = []
        for name, value in request.headers:
            lower = name.lower()
            if lower == b"accept-encoding":
                continue
            if lower in {b"authorization", b"api-key"} and _PLACEHOLDER in value:
                if tries.key:
                    sent.append((name, value.replace(_PLACEHOLDER, tries.key.encode())))
                continue
            sent.append((name, value))
        sent.append((b"Accept-Encoding", b"identity"))
        if self.endpoint.task_header:
            sent.append((self.endpoint.task_header.encode(), quote(self.task_id).encode()))
        return sent


class Tries:
    """One call: its tries, its back-off, its end. `n` is 0 for requests to other servers, which
    are guarded but neither recorded nor repeated. `clock` is that of the try that `start` began.
    """

    clock: CallClock
    _usage: UsageScan

    def __init__(self, session: Session, n: int, asked: _Asked, replayable: bool) -> None:
        self.session = session
        self.n = n
        self.streamed = asked.stream
        self._model = asked.model
        self.try_no = 0
        self.key = ""
        self._replayable = replayable
        self._progress: ProgressScan | None = None
        self._last_body = b""
        self._same_body = 0
        self._failure: tuple[retry.ErrorKind, int, str] | None = None
        self._key_renewed = False
        self._ended = False

    # -- a try ----------------------------------------------------------------------------------

    def start(self) -> CallClock:
        """Begin the next try: its limits count from here, the wait for a permit is over."""
        self.try_no += 1
        session = self.session
        if self.n:
            session.recorder.call_started(self.n, self._model, self.streamed)
        told = functools.partial(session.recorder.first_byte, self.n) if self.n else None
        self.clock = CallClock(session.scope, session.limits, self.streamed, told)
        self._usage = UsageScan()
        self._progress = None
        return self.clock

    def body_begins(self, sse: bool) -> None:
        """Headers are here; `sse` says how to read what follows."""
        self._progress = ProgressScan(sse)

    def saw(self, chunk: bytes) -> bool:
        """A piece of the body; True if it holds content (progress)."""
        if self.n:
            self._usage.feed(chunk)
        assert self._progress is not None, "the body has begun"
        if self._progress.feed(chunk):
            self.session.scope.progress()
            return True
        return False

    @property
    def stream_done(self) -> bool:
        """Whether an event stream has announced its end."""
        return self._progress is not None and self._progress.done

    # -- failure --------------------------------------------------------------------------------

    def refused(self, status: int) -> bool:
        """Whether to send again at once with a new key (401, once per call)."""
        if status != 401 or self._key_renewed or not (self.n and self._replayable):
            return False
        self._key_renewed = True
        return self.session.key.refused(self.key)

    def on_status(
        self, status: int, headers: httpx2.Headers, body: bytes, extensions: dict[str, Any]
    ) -> float | None:
        """Seconds to wait before the next try, None if this answer is final.

        Marks `extensions` with the cause if retries ran out.
        """
        kind = retry.kind_of_status(status, headers.get("x-should-retry"))
        if b'"insufficient_quota"' in body:  # a 429 that no wait cures
            kind = None
        after = retry.parse_retry_after(
            headers.get("retry-after"), self.session.wall(), headers.get("retry-after-ms")
        )
        text = body[:_MAX_TEXT].decode("utf-8", "replace")
        decision = self._decide(kind, status, after, body, text)
        if isinstance(decision, retry.Wait):
            return decision.seconds
        if decision.cause is not None:
            extensions[GAVE_UP] = decision.cause
        return None

    def on_error(self, error: httpx2.TransportError) -> float:
        """Seconds to wait before the next try; raises if there is none.

        A call that hit its own limit ends the attempt, unless the plan retries timeouts.
        """
        if self._was_parked_in_vain(error):
            self.try_no -= 1
            return 0.0
        kind = kind_of_error(error)
        text = self.redacted(str(error)[:_MAX_TEXT]) or type(error).__name__
        decision = self._decide(kind, 0, None, b"", text)
        if isinstance(decision, retry.Wait):
            return decision.seconds
        if decision.cause is None:
            self.end_attempt_on_limit(error)
        else:
            vars(error)[GAVE_UP] = decision.cause
        raise error

    def _was_parked_in_vain(self, error: httpx2.TransportError) -> bool:
        """Whether the server ended a parked connection as we sent: it has seen no request.

        Other clients (Go's, browsers) send again then too, whatever the method: it is no failure of
        a call. It ends with the last connection that was parked.
        """
        clock = self.clock
        is_unheard = not clock.has_connected and clock.first_byte_at is None
        return isinstance(error, _ENDED) and is_unheard and self._replayable

    def end_attempt_on_limit(self, error: Exception) -> None:
        """Raise Aborted if a limit of ours fired on a model call and timeouts are not retried."""
        session = self.session
        if self.n and isinstance(error, CallTimeout) and "timeout" not in session.limits.retry_on:
            self.end(error.limit)
            reason = f"deadline:{error.limit}"
            session.scope.cancel(reason)
            raise Aborted(session.scope.reason or reason) from error

    def _decide(
        self,
        kind: retry.ErrorKind | None,
        status: int,
        retry_after: float | None,
        body: bytes,
        text: str,
    ) -> retry.Wait | retry.GiveUp:
        session = self.session
        if not self.n or not self._replayable:
            return retry.GiveUp(None)
        self._same_body = self._same_body + 1 if body and body == self._last_body else 1
        self._last_body = body
        decision = retry.next_wait(
            kind,
            self.try_no,
            retry_after,
            session.spent_s,
            session.rng(),
            session.limits,
            self._same_body,
        )
        if isinstance(decision, retry.Wait) and kind is not None:
            self._failure = (kind, status, text)
        return decision

    def back_off(self, wait_s: float) -> None:
        """Say that the wait for the next try begins (not said where a new key is tried at once)."""
        if self._failure is None:
            return
        why, status, text = self._failure
        self._failure = None
        session, scope = self.session, self.session.scope
        session.spent_s += wait_s
        until = scope.clock() + wait_s
        scope.next_limit = None
        scope.enter("backoff")
        scope.detail = f"{why} {status}" if status else why
        scope.backoff_until = until
        backoff = BackOff(self.try_no, session.limits.retries + 1, wait_s, until, why, status, text)
        session.recorder.backed_off(self.n, backoff)

    def redacted(self, text: str) -> str:
        """The text without the key, should a server or proxy have echoed it."""
        return text.replace(self.key, "***") if self.key else text

    def redacted_body(self, body: bytes) -> bytes:
        """The same for the body of an error."""
        return body.replace(self.key.encode(), b"***") if self.key else body

    # -- the end --------------------------------------------------------------------------------

    def end(self, how: str, status: int = 0) -> None:
        """Record the end; only the first one counts."""
        if self._ended:
            return
        self._ended = True
        self.session.finished(self)
        scope = self.session.scope
        scope.next_limit = None
        scope.backoff_until = 0.0
        if how == "ok":
            scope.progress()
        if not self.n or not self.try_no:
            return
        clock = self.clock
        sent = clock.started if clock.sent_at is None else clock.sent_at
        end = CallEnd(
            how,
            status,
            max(0.0, scope.clock() - sent),
            clock.bytes_in,
            self._usage.tokens_in,
            self._usage.tokens_out,
        )
        self.session.recorder.call_ended(self.n, end)


def cause_of(error: BaseException) -> str | None:
    """The contract's cause of an SDK exception that left run(), None if it is an ordinary error.

    "retries:count" or "retries:total" if our retries ran out, "deadline:LIMIT" if a limit of the
    call fired. The exception itself must be the SDK's or httpx's: what executor code makes of it is
    executor code's error.
    """
    step: BaseException | None = error
    limit: str | None = None
    for _ in range(8):
        if step is None:
            break
        if GAVE_UP in vars(step):
            return str(vars(step)[GAVE_UP])
        response = getattr(step, "response", None)
        if isinstance(response, httpx2.Response) and GAVE_UP in response.extensions:
            return str(response.extensions[GAVE_UP])
        if isinstance(step, CallTimeout):
            limit = f"deadline:{step.limit}"
        step = step.__cause__
    return limit


def _read(body: bytes | None) -> _Asked:
    try:
        return _asked.decode(body or b"")
    except msgspec.DecodeError:
        return _Asked()  # not JSON (an upload, a GET): bound by `call`


class _Base(NamedTuple):
    """An endpoint's address: scheme, host and port, and how all of its paths begin."""

    origin: tuple[bytes, bytes, int]
    path: bytes


@functools.lru_cache(maxsize=64)
def _base_of(url: str) -> _Base:
    """Parsed once: for each attempt anew it was a twentieth of a proxied call."""
    target = target_of(httpx2.URL(url))
    path = target.target.partition(b"?")[0].rstrip(b"/")
    return _Base((target.scheme, target.host, _port(target)), path)


def _port(target: httpcore2.URL) -> int:
    return target.port or (443 if target.scheme == b"https" else 80)
