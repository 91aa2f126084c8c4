"""One answer of a server as its bytes come in, read by llhttp (the parser of Node.js, in C).

Apart from the connection because nothing here waits: bytes in, a head and pieces of a body out.
"""

from typing import Final

import httptools
from httpcore2 import RemoteProtocolError

from runner.host.plain import Headers

_MAX_HEAD_BYTES: Final = 128 * 1024
_FIRST_FINAL_STATUS: Final = 200
_LENIENCIES: Final = {
    "lenient_chunked_length": True,  # both framings: chunked holds (RFC 9112, 6.3)
    "lenient_optional_cr_before_lf": True,
    "lenient_spaces_after_chunk_size": True,
    "lenient_data_after_close": True,
}
"""What servers get wrong and harms nobody: who reads an answer passes no requests on."""


class Reply:
    """Feed it what comes, from the first byte on; the methods `on_...` are httptools'.

    ``has_head``: status, reason and headers are here. ``is_over``: the whole body is.
    ``stays``: nothing speaks against another request on this connection.
    """

    def __init__(self, *, has_body: bool) -> None:
        """``has_body`` is False for the answer to HEAD, which only says what it would be."""
        self.status = 0
        self.reason = b""
        self.version = b""
        self.headers: Headers = []
        self.has_head = self.is_over = False
        self.stays = True
        self._has_body = has_body
        self._head_bytes = 0
        self._pieces: list[bytes] = []
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        """It knows us in turn, so it goes once it has done its work."""
        self._parser.set_dangerous_leniencies(**_LENIENCIES)

    def feed(self, data: bytes) -> None:
        """Take bytes; b"" is the end of the connection.

        Raises `RemoteProtocolError` for what is no answer, or none to its end.
        """
        if not data:
            self._closed()
            return
        assert self._parser is not None, "nothing is read behind the end of an answer"
        if not self.has_head:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self.stays = False
            if not self.is_over:  # else it is of what follows the answer
                raise RemoteProtocolError(f"illegal HTTP: {error}") from error
        except httptools.HttpParserUpgrade as error:
            raise RemoteProtocolError("the server changed the protocol unasked") from error
        if self.is_over:
            self._parser = None
        elif not self.has_head and self._head_bytes > _MAX_HEAD_BYTES:
            raise RemoteProtocolError("the headers are too long")

    def taken(self) -> bytes:
        """What is here of the body and was not taken yet."""
        pieces, self._pieces = self._pieces, []
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _closed(self) -> None:
        """The end of the connection ends a body that nothing else frames (RFC 9112, 6.3)."""
        if not self.has_head:
            raise RemoteProtocolError("Server disconnected without sending a response.")
        framing = {name.lower(): value.lower() for name, value in self.headers}
        coding = framing.get(b"transfer-encoding")
        if b"content-length" in framing if coding is None else coding.endswith(b"chunked"):
            raise RemoteProtocolError("peer closed connection before the end of the body")
        self.stays = False
        self.is_over = True

    def on_message_begin(self) -> None:
        """An answer begins: this one, unless it is over."""
        if self.is_over:
            self.stays = False

    def on_status(self, reason: bytes) -> None:
        """The words of the status line, or some of them."""
        if not self.has_head:
            self.reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or behind the body a trailer, which nobody reads."""
        if not self.has_head:
            self.headers.append((name, value.rstrip()))

    def on_headers_complete(self) -> None:
        """The head is here. One that only announces an answer (1xx) is not it."""
        parser = self._parser
        assert parser is not None
        if self.has_head:
            return
        self.status = parser.get_status_code()
        if self.status < _FIRST_FINAL_STATUS:
            self.headers, self.reason = [], b""
            return
        self.version = b"HTTP/" + parser.get_http_version().encode()
        self.stays = parser.should_keep_alive()
        self.has_head = True
        if not self._has_body:
            self.on_message_complete()

    def on_body(self, piece: bytes) -> None:
        """A piece of the body."""
        if self.is_over:
            self.stays = False
        else:
            self._pieces.append(piece)

    def on_message_complete(self) -> None:
        """The answer is here to its end; what announces one ends too, and is not it."""
        if self.has_head and not self.is_over:
            self.is_over = True
