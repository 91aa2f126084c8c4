"""A call's request and its answer as plain data, whoever makes the call.

Apart from `exchange`, which works on them, because SDKs want httpx2's objects and the proxy none:
to build those for each call, and take them apart again, was a sixth of the CPU of a proxied call.
"""

from collections.abc import AsyncIterable, Iterable
from typing import Any, NamedTuple

import httpcore2
import httpx2

Headers = list[tuple[bytes, bytes]]


class Outgoing(NamedTuple):
    """A request. ``target`` is ``url`` as httpcore2 has it; ``body`` is None for a stream."""

    method: str
    url: httpx2.URL
    target: httpcore2.URL
    headers: Headers
    stream: Iterable[bytes] | AsyncIterable[bytes]
    body: bytes | None
    extensions: dict[str, Any]

    def with_headers(self, headers: Headers) -> httpcore2.Request:
        """The request for a connection, with these headers in place of its own."""
        return _Request(self, headers)


class Answer(NamedTuple):
    """A response whose head is here. ``stream`` is bytes if its body is here too."""

    status: int
    headers: Headers
    stream: Any
    extensions: dict[str, Any]

    def response(self) -> httpx2.Response:
        """The same for an SDK."""
        stream = self.stream
        return httpx2.Response(
            self.status,
            headers=self.headers,
            stream=httpx2.ByteStream(stream) if isinstance(stream, bytes) else stream,
            extensions=self.extensions,
        )


def outgoing(request: httpx2.Request) -> Outgoing:
    """What an SDK wants sent."""
    stream = request.stream
    return Outgoing(
        request.method,
        request.url,
        target_of(request.url),
        request.headers.raw,
        stream,
        b"".join(stream) if isinstance(stream, httpx2.ByteStream) else None,
        request.extensions,
    )


def target_of(url: httpx2.URL) -> httpcore2.URL:
    """The address as httpcore2 has it."""
    return httpcore2.URL(
        scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
    )


def content_type(headers: Headers) -> str:
    """The media type of a body, without parameters; empty if none is named."""
    for name, value in headers:
        if name.lower() == b"content-type":
            return value.partition(b";")[0].strip().decode("latin-1")
    return ""


class _Request(httpcore2.Request):
    """Spares httpcore2's look at the type of each header: ours are bytes."""

    def __init__(self, request: Outgoing, headers: Headers) -> None:
        if "target" in request.extensions:
            super().__init__(
                request.method,
                request.target,
                headers=headers,
                content=request.stream,
                extensions=request.extensions,
            )
            return
        self.method = request.method.encode("ascii")
        self.url = request.target
        self.headers = headers
        self.stream = request.stream
        self.extensions = request.extensions
