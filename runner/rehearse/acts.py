"""The misbehaviours themselves: what goes over the wire, and when.

One coroutine per kind, chosen by table. Each is cancelled when the client leaves, so that
"for ever" is a plain endless wait and costs nothing.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Protocol

import msgspec

from runner.rehearse.behaviour import Behaviour
from runner.rehearse.http1 import LAST_CHUNK, chunk, response_head, status_line
from runner.rehearse.wire import Envelope, Reply, error_body

_JSON = {"content-type": "application/json"}
_SSE = {"content-type": "text/event-stream", "cache-control": "no-cache"}
_HUGE_PIECE_BYTES = 16 * 1024
_DEFAULT_CHUNKS = 3
_MARK = "@here@"

_ERRORS = {
    401: ("invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    403: ("invalid_request_error", "access_denied", "This key has no access to the model."),
    404: ("invalid_request_error", "model_not_found", "The model does not exist."),
    429: ("requests", "rate_limit_exceeded", "Rate limit reached, please slow down."),
    500: ("server_error", None, "The server had an error while processing your request."),
    503: ("server_error", None, "The engine is currently overloaded, please try again later."),
}


class Stage(Protocol):
    """The connection as an act sees it."""

    def write(self, data: bytes) -> None:
        """Send without waiting."""
        ...

    async def drain(self) -> None:
        """Wait until the client has taken most of what was written."""
        ...

    def stop_reading(self) -> None:
        """Leave what the client still sends in the kernel's buffers, for good."""
        ...

    def close(self) -> None:
        """End the connection in order (FIN)."""
        ...

    def reset(self) -> None:
        """End the connection with a TCP RST."""
        ...


class Answer(msgspec.Struct, frozen=True):
    """The answer that a well-behaved server would give, in the pieces that acts need.

    frames: (pause before it in seconds, payload); streamed: as server-sent events.
    """

    envelope: Envelope
    reply: Reply
    frames: list[tuple[float, bytes]]
    streamed: bool
    eof: bool

    def head(self, body_bytes: int | None = None) -> bytes:
        """Status line and headers; a plain body has its length unless `eof` takes its place."""
        headers = dict(_SSE if self.streamed else _JSON)
        if self.eof:
            headers["connection"] = "close"
        elif self.streamed:
            headers["transfer-encoding"] = "chunked"
        else:
            total = sum(len(data) for _, data in self.frames)
            headers["content-length"] = str(total if body_bytes is None else body_bytes)
        return response_head(200, headers)

    def part(self, data: bytes) -> bytes:
        """`data` as it goes over the wire in the body."""
        return chunk(data) if self.streamed and not self.eof else data

    @property
    def tail(self) -> bytes:
        """What ends the body."""
        return LAST_CHUNK if self.streamed and not self.eof else b""

    def cut(self, chunks: int) -> int:
        """How many frames to send before a fault, so that the answer is begun, never complete."""
        return min(1 + (chunks or _DEFAULT_CHUNKS), max(1, len(self.frames) - 2))


async def perform(stage: Stage, behaviour: Behaviour, answer: Answer, latency_s: float) -> None:
    """Wait for `latency_s`, then do to the client what `behaviour` says."""
    await asyncio.sleep(latency_s)
    await _ACTS[behaviour.kind](stage, behaviour, answer)


def refusal(status: int, message: str, code: str | None, headers: dict[str, str]) -> bytes:
    """A whole response with an OpenAI error body."""
    body = error_body(message, _ERRORS.get(status, _ERRORS[500])[0], code)
    return response_head(status, {**_JSON, **headers, "content-length": str(len(body))}) + body


async def _ok(stage: Stage, _: Behaviour, answer: Answer) -> None:
    stage.write(answer.head())
    await _send(stage, answer, 0)


async def _silent(stage: Stage, behaviour: Behaviour, answer: Answer) -> None:
    await _hold(behaviour)
    await _ok(stage, behaviour, answer)


async def _headers_stall(stage: Stage, behaviour: Behaviour, answer: Answer) -> None:
    stage.write(answer.head())
    await _hold(behaviour)
    await _send(stage, answer, 0)


async def _drip_headers(stage: Stage, behaviour: Behaviour, answer: Answer) -> None:
    line = status_line(200)
    stage.write(line.encode())
    await _drip(stage, behaviour, lambda number: b"x-drip-%d: .\r\n" % number)
    stage.write(answer.head()[len(line) :])
    await _send(stage, answer, 0)


async def _drip_sse(stage: Stage, behaviour: Behaviour, answer: Answer) -> None:
    if not answer.streamed:
        await _drip_json(stage, behaviour, answer)
        return
    stage.write(answer.head())
    await _drip(stage, behaviour, lambda _: answer.part(b": keep-alive\n\n"))
    await _send(stage, answer, 0)


async def _drip_json(stage: Stage, behaviour: Behaviour, answer: Answer) -> None:
    """White space before the JSON, as some gateways send it to keep a connection open."""
    plain = answer.envelope.completion(answer.reply)
    stage.write(response_head(200, {**_JSON, "transfer-encoding": "chunked"}))
    await _drip(stage, behaviour, lambda _: chunk(b" "))
    stage.write(chunk(plain) + LAST_CHUNK)


async def _stream_stall(stage: Stage, behaviour: Behaviour, answer: Answer) -> None:
    sent = answer.cut(behaviour.chunks)
    stage.write(answer.head())
    await _send(stage, answer, 0, sent)
    await _hold(behaviour)
    await _send(stage, answer, sent)


async def _reset(stage: Stage, behaviour: Behaviour, answer: Answer) -> None:
    if behaviour.chunks:
        stage.write(answer.head())
        await _send(stage, answer, 0, answer.cut(behaviour.chunks))
        await asyncio.sleep(behaviour.interval_s)  # a RST overtakes what was sent just before it
    stage.reset()


async def _truncate(stage: Stage, behaviour: Behaviour, answer: Answer) -> None:
    stage.write(answer.head())
    await _send(stage, answer, 0, answer.cut(behaviour.chunks))
    stage.close()


async def _close(stage: Stage, _: Behaviour, __: Answer) -> None:
    stage.close()


async def _no_read(stage: Stage, behaviour: Behaviour, _: Answer) -> None:
    stage.stop_reading()
    await _hold(behaviour)
    stage.close()


async def _status(stage: Stage, behaviour: Behaviour, _: Answer) -> None:
    code, message = _ERRORS.get(behaviour.status, _ERRORS[500])[1:]
    headers: dict[str, str] = {}
    if behaviour.retry_after_s is not None:
        headers["retry-after"] = f"{behaviour.retry_after_s:g}"
    stage.write(refusal(behaviour.status, message, code, headers))


async def _garbage(stage: Stage, _: Behaviour, __: Answer) -> None:
    body = b'<html>\xff\xfe{"choices": [{"message": '
    stage.write(response_head(200, {**_JSON, "content-length": str(len(body))}) + body)


async def _huge(stage: Stage, behaviour: Behaviour, answer: Answer) -> None:
    filler = "x" * _HUGE_PIECE_BYTES
    if answer.streamed:
        first, last = b"", answer.frames[-1][1]
        piece = answer.envelope.chunk({"content": filler})
    else:
        whole = answer.envelope.completion(Reply(_MARK))
        first, last = whole.split(_MARK.encode(), 1)
        piece = filler.encode()
    pieces = -(-behaviour.size_bytes // _HUGE_PIECE_BYTES)
    stage.write(answer.head(len(first) + pieces * len(piece) + len(last)) + first)
    for _ in range(pieces):
        stage.write(answer.part(piece))
        await stage.drain()
        await asyncio.sleep(behaviour.interval_s)
    stage.write(answer.part(last) + answer.tail)


async def _content_filter(stage: Stage, _: Behaviour, __: Answer) -> None:
    message = "The response was filtered due to the prompt triggering the content policy."
    stage.write(refusal(400, message, "content_filter", {}))


async def _send(stage: Stage, answer: Answer, start: int, end: int | None = None) -> None:
    """The frames from `start` on; with the end of the body unless they stop at `end`."""
    for pause_s, data in answer.frames[start:end]:
        if pause_s:
            await asyncio.sleep(pause_s)
        stage.write(answer.part(data))
    if end is None:
        stage.write(answer.tail)
        if answer.eof:
            stage.close()


async def _hold(behaviour: Behaviour) -> None:
    """Do nothing for the length of the hang."""
    await asyncio.sleep(behaviour.for_s or math.inf)


async def _drip(stage: Stage, behaviour: Behaviour, piece: Callable[[int], bytes]) -> None:
    """`piece(number)` every interval, for the length of the drip."""
    times = count(1)
    if behaviour.for_s:
        times = range(1, 1 + max(1, round(behaviour.for_s / behaviour.interval_s)))
    for number in times:
        stage.write(piece(number))
        await asyncio.sleep(behaviour.interval_s)


_ACTS: dict[str, Callable[[Stage, Behaviour, Answer], Awaitable[None]]] = {
    "ok": _ok,
    "silent": _silent,
    "headers_stall": _headers_stall,
    "drip_headers": _drip_headers,
    "drip_sse": _drip_sse,
    "drip_json": _drip_json,
    "stream_stall": _stream_stall,
    "reset": _reset,
    "truncate": _truncate,
    "close": _close,
    "no_read": _no_read,
    "status": _status,
    "garbage": _garbage,
    "huge": _huge,
    "content_filter": _content_filter,
    "filter_finish": _ok,
}
