"""Just enough HTTP/1.1 for a test endpoint: request heads in, response heads and chunks out.

Hand-written because the endpoint shares two cores with the hundred workers it answers: a general
parser costs more than the rest of a call. What it does not understand it refuses with a status.
"""

from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

MAX_HEAD_BYTES = 64 * 1024
MAX_BODY_BYTES = 64 * 1024 * 1024
LAST_CHUNK = b"0\r\n\r\n"


class BadRequestError(Exception):
    """A request that this server does not take, with the status that says so."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Head(NamedTuple):
    """The head of a request; `path` is unquoted and without the query, header names lower-case."""

    method: str
    path: str
    headers: dict[str, str]
    body_bytes: int

    @classmethod
    def parse(cls, data: bytes) -> "Head":
        """The head in `data` (up to the empty line); raises BadRequestError."""
        first, *lines = data.decode("latin-1").split("\r\n")
        words = first.split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            raise BadRequestError(400, "not an HTTP/1.1 request line")
        headers: dict[str, str] = {}
        for line in filter(None, lines):
            name, colon, value = line.partition(":")
            if not colon:
                raise BadRequestError(400, "a header line without a colon")
            headers[name.strip().lower()] = value.strip()
        if "transfer-encoding" in headers:
            raise BadRequestError(411, "request bodies need a Content-Length here")
        return cls(words[0], _path(words[1]), headers, _length(headers))

    @property
    def keep_alive(self) -> bool:
        """Whether the client will send another request on this connection."""
        return self.headers.get("connection", "").lower() != "close"


def response_head(status: int, headers: dict[str, str]) -> bytes:
    """Status line and header lines with the empty line after them."""
    lines = [status_line(status), *(f"{name}: {value}\r\n" for name, value in headers.items())]
    return ("".join(lines) + "\r\n").encode("latin-1")


def status_line(status: int) -> str:
    """The first line of a response, with its line end."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Rehearsed"
    return f"HTTP/1.1 {status} {phrase}\r\n"


def chunk(data: bytes) -> bytes:
    """`data` as one chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def _path(target: str) -> str:
    try:
        return unquote(urlsplit(target).path)
    except ValueError:
        raise BadRequestError(400, "a request target that is no URL") from None


def _length(headers: dict[str, str]) -> int:
    text = headers.get("content-length", "0")
    if not (text.isascii() and text.isdigit()):
        raise BadRequestError(400, "Content-Length is no number")
    length = int(text) if len(text) < 16 else MAX_BODY_BYTES + 1
    if length > MAX_BODY_BYTES:
        raise BadRequestError(413, "the request body is too large")
    return length
