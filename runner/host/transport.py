"""The blocking transport under openai.OpenAI and httpx2.Client.

The driver of `exchange` for threads: everything it does here waits under the scope.
"""

from collections.abc import Iterator
from typing import TypeVar

import httpcore2
import httpx2

from runner.host import callclock
from runner.host.answers import HTTPCORE_ERRORS, as_httpx
from runner.host.calls import Session, Tries
from runner.host.exchange import Body, Exchange, Flow
from runner.host.guard import Connections
from runner.host.plain import Answer, Outgoing, outgoing
from runner.host.recording import Permit

_T = TypeVar("_T")


def carry_out(flow: Flow[_T]) -> _T:
    """Do what the flow asks for, one operation after the other."""
    try:
        operation = next(flow)
        while True:
            try:
                result = operation()
            except BaseException as error:  # noqa: BLE001 - raised again inside the flow
                operation = flow.throw(error)
            else:
                operation = flow.send(result)
    except StopIteration as done:
        return done.value


class SyncBody(Body, httpx2.SyncByteStream):
    """A body that blocks."""

    def __init__(self, connections: Connections, tries: Tries, permit: Permit | None) -> None:
        super().__init__(tries, permit)
        self._connections = connections
        self._raw: httpcore2.Response | None = None
        self._chunks: Iterator[bytes] = iter(())

    def send(self, request: httpcore2.Request, url: httpx2.URL) -> httpcore2.Response:
        """Send; gives the response as soon as its headers are here."""
        token = callclock.current.set(self.clock)
        try:
            raw = self._raw = self._connections.pool(url).handle_request(request)
        except HTTPCORE_ERRORS as error:
            raise as_httpx(error) from error
        finally:
            callclock.current.reset(token)
        self._chunks = raw.iter_stream()
        return raw

    def next(self) -> bytes | None:
        """The next piece of the body, None at its end."""
        token = callclock.current.set(self.clock)
        try:
            return self.saw(next(self._chunks, None))
        except HTTPCORE_ERRORS as error:
            raise as_httpx(error) from error
        finally:
            callclock.current.reset(token)

    def close_raw(self) -> None:
        """Give the connection back."""
        raw, self._raw = self._raw, None
        if raw is not None:
            raw.close()

    def __iter__(self) -> Iterator[bytes]:
        scope = self.clock.scope
        yield from self.held
        self.held = []
        while True:
            before = scope.phase
            scope.enter("stream", self.clock.first_byte_at)
            try:
                chunk = self.next()
            except BaseException as error:
                self.failed(error)
                raise
            finally:
                scope.next_limit = None
                scope.enter(before)
            if chunk is None:
                return
            yield chunk

    def close(self) -> None:
        """Give back connection and permit; any number of times. Never waits for long."""
        carry_out(self.release())


class GuardTransport(httpx2.BaseTransport):
    """Sends for one attempt over `connections`, which may be the slot's and outlive it."""

    def __init__(self, session: Session, connections: Connections) -> None:
        scope, endpoint = session.scope, session.endpoint.name
        self._exchange = Exchange(
            session,
            body=lambda tries, permit: SyncBody(connections, tries, permit),
            sleep=scope.sleep,
            permit=lambda: session.permits.acquire(scope, endpoint),
            key=lambda: session.key.get(scope),
        )

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """One call of an SDK; see `ask`."""
        return self.ask(outgoing(request)).response()

    def ask(self, request: Outgoing) -> Answer:
        """One call, sent until it is answered, refused for good, or out of tries.

        The stream of the answer, where it is a `SyncBody`, is the caller's to close.
        """
        return carry_out(self._exchange.handle(request))

    def close(self) -> None:
        """End the attempt's open responses (the connections have an owner of their own)."""
        for body in tuple(self._exchange.open):
            assert isinstance(body, SyncBody)
            body.close()
