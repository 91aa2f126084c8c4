"""How one call is carried out, for blocking and asyncio clients alike.

Retries happen here, below the SDK (which runs with max_retries=0), because only here can a wait be
ended and shown. A call is repeated until its first content: so a JSON answer is read whole, and an
event stream up to its first data line, before the SDK gets to see a response.

The flow is a generator of operations to carry out. A blocking driver calls them, an async one
awaits them; results and exceptions come back in.
"""

from collections.abc import Callable, Generator
from typing import Any, Final, TypeAlias, TypeVar, cast

import httpcore2
import httpx2

from runner.host.answers import how_of, is_json, is_sse
from runner.host.calls import Session, Tries
from runner.host.plain import Answer, Outgoing, content_type
from runner.host.recording import Permit

_T = TypeVar("_T")
Flow: TypeAlias = Generator[Callable[[], Any], Any, _T]

MAX_OPEN: Final = 256
"""Responses that an attempt may leave open: more is a leak, and is named as one."""

_MAX_ERROR_BYTES: Final = 1024 * 1024
_MAX_HELD_BYTES: Final = 64 * 1024  # of comments before the first event
_DRAIN_S: Final = 0.05


class Body:
    """The answer to one try while it is on the wire. Owns the connection and the permit.

    `send`, `next`, `close_raw` are the driver's: they block or are awaited. `next` gives None at
    the end of the body.
    """

    def __init__(self, tries: Tries, permit: Permit | None) -> None:
        self.tries = tries
        self.clock = tries.start()
        self.held: list[bytes] = []
        self.status = 0
        self.owner: set[Body] | None = None
        self._permit = permit
        self._at_end = False
        self._content_seen = False

    def send(self, request: httpcore2.Request, url: httpx2.URL) -> Any:
        """Send; gives the httpcore2 response as soon as its headers are here."""
        raise NotImplementedError

    def next(self) -> Any:
        """The next piece of the body, None at its end."""
        raise NotImplementedError

    def close_raw(self) -> Any:
        """Give the connection back."""
        raise NotImplementedError

    def saw(self, chunk: bytes | None) -> bytes | None:
        """Note what `next` is about to give."""
        if chunk is None:
            self._at_end = True
        elif self.tries.saw(chunk):
            self._content_seen = True
        return chunk

    def read(self, limit_bytes: int | None = None) -> Flow[bytes]:
        """The body to its end, or to `limit_bytes` of it."""
        parts: list[bytes] = []
        size = 0
        while (chunk := (yield self.next)) is not None:
            parts.append(chunk)
            size += len(chunk)
            if limit_bytes is not None and size >= limit_bytes:
                break
        return b"".join(parts)

    def read_to_content(self) -> Flow[None]:
        """Hold what comes before the first content of an event stream.

        Raises RemoteProtocolError if the stream ends without any: that is no answer.
        """
        size = 0
        while not self._content_seen and size < _MAX_HELD_BYTES:
            chunk = yield self.next
            if chunk is None:
                raise httpx2.RemoteProtocolError("the stream ended before its first event")
            self.held.append(chunk)
            size += len(chunk)

    def hand_over(self, owner: "set[Body]") -> None:
        """From here on whoever reads the stream closes it, or the end of the attempt does."""
        self.owner = owner
        owner.add(self)

    def release(self) -> Flow[None]:
        """Give back connection and permit; any number of times. Never waits for long."""
        permit, self._permit = self._permit, None
        handed_over = self.owner is not None
        if self.owner is not None:
            self.owner.discard(self)
        try:
            if self.tries.stream_done and not self._at_end:
                yield from self._drain()
        finally:
            try:
                yield self.close_raw
            finally:
                if permit is not None:
                    permit.release()
                if handed_over:
                    self._record_end()

    def _drain(self) -> Flow[None]:
        """Read the last bytes behind "[DONE]", which SDKs leave unread: without them the connection
        could not be used again, and each streamed call would pay for a new one.
        """
        self.clock.draining(_DRAIN_S)
        try:
            while (yield self.next) is not None:
                pass
        except httpx2.TransportError:
            pass  # the answer was complete; only the connection is lost
        self._at_end = True

    def _record_end(self) -> None:
        done = self._at_end or self.tries.stream_done
        self.tries.end("ok" if done else self.clock.scope.reason or "closed", self.status)

    def failed(self, error: BaseException) -> None:
        """Reading a handed-over stream failed: record it, and end the attempt if a limit fired."""
        self.tries.end(how_of(error), self.status)
        if isinstance(error, Exception):
            self.tries.end_attempt_on_limit(error)


class Exchange:
    """The calls of one attempt over one set of connections. `open` are the streams handed over.

    `body` makes a driver's Body; `sleep`, `permit` and `key` are its operations of those names.
    """

    def __init__(
        self,
        session: Session,
        body: Callable[[Tries, Permit | None], Body],
        sleep: Callable[[float], Any],
        permit: Callable[[], Any],
        key: Callable[[], Any],
    ) -> None:
        self.session = session
        self.open: set[Body] = set()
        self._body = body
        self._sleep = sleep
        self._permit = permit
        self._key = key

    def handle(self, request: Outgoing) -> Flow[Answer]:
        """One call, sent until it is answered, refused for good, or out of tries."""
        session = self.session
        scope = session.scope
        scope.check()
        if len(self.open) >= MAX_OPEN:
            raise RuntimeError(f"{MAX_OPEN} responses are open: close them or read them to the end")
        before = scope.phase
        tries = session.begin(request)
        try:
            while True:
                answer = yield from self._try(request, tries)
                if isinstance(answer, Answer):
                    return answer
                wait_s = answer
                tries.back_off(wait_s)  # connection and permit have been given back
                yield lambda: self._sleep(wait_s)  # noqa: B023 - carried out in this turn
                scope.backoff_until = 0.0
        except BaseException as error:
            tries.end(how_of(error))
            raise
        finally:
            scope.next_limit = None
            scope.enter(before)

    def _try(self, request: Outgoing, tries: Tries) -> Flow[Answer | float]:
        """Send once: the answer, or the seconds until the next try."""
        permit: Permit | None = None
        if tries.n:
            session = self.session
            session.scope.enter("wait")
            session.scope.detail = f"waiting for a permit of {session.endpoint.name}"
            tries.key = yield self._key
            permit = yield self._permit
        body = self._body(tries, permit)
        try:
            sent = request.with_headers(self.session.headers(request, tries))
            raw: httpcore2.Response = yield lambda: body.send(sent, request.url)
            body.status = raw.status
            answer = yield from self._answer(tries, body, raw)
            return answer
        except httpx2.TransportError as error:
            return tries.on_error(error)
        finally:
            if body.owner is None:
                yield from body.release()

    def _answer(self, tries: Tries, body: Body, raw: httpcore2.Response) -> Flow[Answer | float]:
        kind = content_type(raw.headers)
        sse = is_sse(kind)
        tries.body_begins(sse)
        extensions: dict[str, Any] = {**cast(Any, raw).extensions}
        if tries.n and raw.status >= 400:
            text = yield from body.read(_MAX_ERROR_BYTES)
            if tries.refused(raw.status):
                return 0.0
            text = tries.redacted_body(text)
            headers = httpx2.Headers(raw.headers)
            wait_s = tries.on_status(raw.status, headers, text, extensions)
            if wait_s is not None:
                return wait_s
            tries.end(f"status:{raw.status}", raw.status)
            return Answer(raw.status, raw.headers, text, extensions)
        if tries.n and is_json(kind):
            text = yield from body.read()
            tries.end("ok", raw.status)
            return Answer(raw.status, raw.headers, text, extensions)
        if tries.n and sse:
            yield from body.read_to_content()
        body.hand_over(self.open)
        return Answer(raw.status, raw.headers, body, extensions)
