"""The asyncio transport under openai.AsyncOpenAI and httpx2.AsyncClient.

The driver of `exchange` for tasks of one event loop; see `transport` for its blocking twin.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Final, TypeVar

import httpcore2
import httpx2

from runner.host import callclock, waits_async
from runner.host.answers import HTTPCORE_ERRORS, as_httpx
from runner.host.calls import Session, Tries
from runner.host.exchange import Body, Exchange, Flow
from runner.host.guard_async import AsyncConnections
from runner.host.plain import outgoing
from runner.host.recording import Permit

_T = TypeVar("_T")
_ASK_AGAIN_S: Final = 0.02  # permits are handed out by threads; a loop asks for its own


async def carry_out(flow: Flow[_T]) -> _T:
    """Await what the flow asks for, one operation after the other."""
    try:
        operation = next(flow)
        while True:
            try:
                result = await operation()
            except BaseException as error:  # noqa: BLE001 - raised again inside the flow
                operation = flow.throw(error)
            else:
                operation = flow.send(result)
    except StopIteration as done:
        return done.value


class AsyncBody(Body, httpx2.AsyncByteStream):
    """A body that is awaited."""

    def __init__(self, connections: AsyncConnections, tries: Tries, permit: Permit | None) -> None:
        super().__init__(tries, permit)
        self._connections = connections
        self._raw: httpcore2.Response | None = None
        self._chunks: AsyncIterator[bytes] | None = None

    async def send(self, request: httpcore2.Request, url: httpx2.URL) -> httpcore2.Response:
        """Send; gives the response as soon as its headers are here."""
        token = callclock.current.set(self.clock)
        try:
            raw = await self._connections.pool(url).handle_async_request(request)
        except HTTPCORE_ERRORS as error:
            raise as_httpx(error) from error
        finally:
            callclock.current.reset(token)
        self._raw = raw
        self._chunks = raw.aiter_stream()
        return raw

    async def next(self) -> bytes | None:
        """The next piece of the body, None at its end."""
        if self._chunks is None:
            return self.saw(None)
        token = callclock.current.set(self.clock)
        try:
            return self.saw(await anext(self._chunks, None))
        except HTTPCORE_ERRORS as error:
            raise as_httpx(error) from error
        finally:
            callclock.current.reset(token)

    async def close_raw(self) -> None:
        """Give the connection back."""
        raw, self._raw = self._raw, None
        if raw is not None:
            await raw.aclose()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        scope = self.clock.scope
        for chunk in self.held:
            yield chunk
        self.held = []
        while True:
            before = scope.phase
            scope.enter("stream", self.clock.first_byte_at)
            try:
                following = await self.next()
            except BaseException as error:
                self.failed(error)
                raise
            finally:
                scope.next_limit = None
                scope.enter(before)
            if following is None:
                return
            yield following

    async def aclose(self) -> None:
        """Give back connection and permit; any number of times. Never waits for long."""
        await carry_out(self.release())


class AsyncGuardTransport(httpx2.AsyncBaseTransport):
    """Sends for one attempt over the connections of its event loop."""

    def __init__(self, session: Session, connections: AsyncConnections) -> None:
        self._session = session
        self._exchange = Exchange(
            session,
            body=lambda tries, permit: AsyncBody(connections, tries, permit),
            sleep=lambda seconds: waits_async.sleep(session.scope, seconds),
            permit=self._permit,
            key=self._key,
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """One call, sent until it is answered, refused for good, or out of tries."""
        answer = await carry_out(self._exchange.handle(outgoing(request)))
        return answer.response()

    async def aclose(self) -> None:
        """End the attempt's open responses (the connections have an owner of their own)."""
        for body in tuple(self._exchange.open):
            assert isinstance(body, AsyncBody)
            await body.aclose()

    async def _permit(self) -> Permit:
        session = self._session
        while (permit := session.permits.try_acquire(session.endpoint.name)) is None:
            await waits_async.sleep(session.scope, _ASK_AGAIN_S)
        return permit

    async def _key(self) -> str:
        key, scope = self._session.key, self._session.scope
        if key.at_hand():
            return key.get(scope)
        return await asyncio.to_thread(key.get, scope)
