"""Transport errors and answers: their classes, their names, their kinds.

Apart from the calls because both drivers and the flow need them, and they need nothing of a call.
"""

import ssl
from typing import Final

import httpcore2
import httpx2

from runner.host import retry
from runner.host.callclock import CallTimeout
from runner.host.scope import Aborted


def how_of(error: BaseException) -> str:
    """The `how` of a call that this ended."""
    if isinstance(error, CallTimeout):
        return error.limit
    return error.reason if isinstance(error, Aborted) else type(error).__name__


def kind_of_error(error: Exception) -> retry.ErrorKind | None:
    """The class of a transport error; None if sending the same again cannot help."""
    if isinstance(error, httpx2.TimeoutException):
        return "timeout"
    if isinstance(_root(error), ssl.SSLCertVerificationError):
        return None
    if isinstance(error, httpx2.NetworkError | httpx2.RemoteProtocolError | httpx2.ProxyError):
        return "connection"
    return None


def _root(error: BaseException) -> BaseException:
    """The first error of the chain. By context: httpcore's pools raise `from None`."""
    for _ in range(8):
        before = error.__cause__ or error.__context__
        if before is None:
            break
        error = before
    return error


HTTPCORE_ERRORS: Final = (
    httpcore2.TimeoutException,
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.ProxyError,
    httpcore2.UnsupportedProtocol,
)


def as_httpx(error: Exception) -> httpx2.TransportError:
    """The httpx2 exception of the same name, for SDKs know no others."""
    same: type[httpx2.TransportError] = getattr(httpx2, type(error).__name__, httpx2.TransportError)
    mapped = same(str(error))
    mapped.__cause__ = error
    return mapped


def is_sse(kind: str) -> bool:
    """Whether a body of this media type is an event stream."""
    return kind == "text/event-stream"


def is_json(kind: str) -> bool:
    """Whether a body of this media type is one JSON document, which SDKs read whole."""
    return kind == "application/json" or kind.endswith("+json")
