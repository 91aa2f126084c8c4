"""HTTP/1.1 as the proxy speaks it to programs: requests in, answers out, one send for each piece.

Apart from the proxy because nothing here knows an attempt. The standard library's server parses
headers as e-mail, which alone costs more than a proxied call may; llhttp leaves the body of a
request that offers another protocol unread, and Java's client offers HTTP/2 with each.
"""

import http
import socket
import socketserver
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import msgspec

from runner.host.chunked import Chunks, NotChunkedError

MAX_BODY_BYTES: Final = 512 * 1024 * 1024
"""What OpenAI takes as one upload."""
_MAX_HEAD_BYTES: Final = 128 * 1024
SHOULD_RETRY: Final = "x-should-retry"
"""Header by which OpenAI's servers tell its SDKs whether to repeat a request."""
_READ_BYTES: Final = 256 * 1024
_REASONS: Final = {status.value: status.phrase.encode() for status in http.HTTPStatus}


class Request(NamedTuple):
    """A request as it came. Header names are in lower case; of two equal ones the last counts."""

    method: str
    path: str
    headers: dict[bytes, bytes]
    body: bytes

    @property
    def token(self) -> str:
        """What the program believes to be its key, in OpenAI's header or Azure's."""
        bearer = self.headers.get(b"authorization", b"").removeprefix(b"Bearer ")
        return self.headers.get(b"api-key", bearer).decode("latin-1")


class BadRequest(Exception):
    """The program sent what cannot be passed on; answered with ``status``."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Program:
    """One connection of a program: its requests in turn, and the answers to them."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.is_answered = False
        self.is_complete = False
        """Whether the head of an answer to the request at hand has gone out, and all of it."""
        self.stays = True
        """Whether another request may follow."""
        self._rest = b""
        self._head = b""
        self._is_chunked = False

    # -- requests -------------------------------------------------------------------------------

    def read(self) -> Request | None:
        """The next request, None if the program has hung up.

        Raises `BadRequest`, after which the connection is of no more use, and OSError.
        """
        self.is_answered = self.is_complete = False
        data = self._rest
        while (end := data.find(b"\r\n\r\n")) < 0:
            if len(data) > _MAX_HEAD_BYTES:
                raise BadRequest(431, "the headers are too long")
            more = self.connection.recv(_READ_BYTES)
            if not more:
                return None
            data += more
        self._rest = data[end + 4 :]
        method, path, headers = _parse_head(data[:end])
        self.stays = b"close" not in headers.get(b"connection", b"").lower()
        return Request(method, path, headers, self._body(headers))

    def _body(self, headers: dict[bytes, bytes]) -> bytes:
        is_chunked = b"transfer-encoding" in headers
        length = headers.get(b"content-length", b"0")
        if not length.isdigit():
            raise BadRequest(400, "content-length is no number")
        if int(length) > MAX_BODY_BYTES:
            raise BadRequest(413, f"a body may have {MAX_BODY_BYTES} bytes")
        if headers.get(b"expect", b"").lower() == b"100-continue" and not self._rest:
            self.connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        return self._chunked_body() if is_chunked else self._sized_body(int(length))

    def _sized_body(self, length: int) -> bytes:
        if len(self._rest) >= length:
            body, self._rest = self._rest[:length], self._rest[length:]
            return body
        whole = bytearray(self._rest)
        self._rest = b""
        while len(whole) < length:
            whole += self._more(length - len(whole))
        return bytes(whole)

    def _chunked_body(self) -> bytes:
        chunks = Chunks()
        whole = bytearray()
        data = self._rest
        try:
            while True:
                whole += chunks.feed(data)
                if chunks.done:
                    break
                if len(whole) > MAX_BODY_BYTES:
                    raise BadRequest(413, f"a body may have {MAX_BODY_BYTES} bytes")
                data = self._more(_READ_BYTES)
        except NotChunkedError as error:
            raise BadRequest(400, str(error)) from error
        self._rest = chunks.rest
        return bytes(whole)

    def _more(self, most: int) -> bytes:
        data = self.connection.recv(min(most, _READ_BYTES))
        if not data:
            raise BadRequest(400, "the body ended early")
        return data

    def cut(self) -> None:
        """Wake whoever writes an answer that was ended half-way; a request not yet answered stays.

        From any thread.
        """
        if self.is_answered:
            self.hang_up()

    def hang_up(self) -> None:
        """End the connection. From any thread."""
        self.stays = False
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # gone already

    # -- answers --------------------------------------------------------------------------------

    def answer(self, status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> None:
        """Answer whole."""
        length = (b"content-length", b"%d" % len(body))
        self.is_answered = self.is_complete = True
        self.connection.sendall(self._answer_head(status, [*headers, length]) + body)

    def begin(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Begin an answer of unknown length; the head goes with its first piece."""
        self.is_answered = True
        self._head = self._answer_head(status, [*headers, (b"transfer-encoding", b"chunked")])

    def piece(self, data: bytes, *, last: bool) -> None:
        """A piece of the answer, at once; b"" only as the last one."""
        head, self._head = self._head, b""
        chunk = b"%x\r\n%b\r\n" % (len(data), data) if data else b""
        self.is_complete = last  # before it goes out: who has it all may hang up at once
        self.connection.sendall(head + chunk + (b"0\r\n\r\n" if last else b""))

    def _answer_head(self, status: int, headers: list[tuple[bytes, bytes]]) -> bytes:
        if not self.stays:
            headers.append((b"connection", b"close"))
        lines = [b"HTTP/1.1 %d %b" % (status, _REASONS.get(status, b""))]
        lines += [b"%b: %b" % header for header in headers]
        return b"\r\n".join([*lines, b"", b""])

    def refuse(self, status: int, text: str, *, again: bool = True) -> None:
        """Answer in the endpoint's stead; ``again`` is whether an SDK may repeat the request."""
        self.stays = False
        headers = [(b"content-type", b"application/json")]
        if not again:
            headers.append((SHOULD_RETRY.encode(), b"false"))
        error = {"error": {"message": text, "type": "pilot_tui"}}
        self.answer(status, headers, msgspec.json.encode(error))


def _parse_head(head: bytes) -> tuple[str, str, dict[bytes, bytes]]:
    """Method, path and headers."""
    first, *lines = head.split(b"\r\n")
    words = first.decode("latin-1").split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1.") or not words[1].startswith("/"):
        raise BadRequest(400, "no request line of HTTP/1.1")
    headers: dict[bytes, bytes] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        # A lone line end inside a value would be two headers to the endpoint.
        if not colon or not name or b"\n" in line or b"\r" in line or b"\0" in line:
            raise BadRequest(400, "no header line")
        headers[name.lower()] = value.strip()
    if words[2] == "HTTP/1.0":
        headers.setdefault(b"connection", b"close")
    return words[0], words[1], headers


class Server(socketserver.ThreadingTCPServer):
    """Listens on a port of loopback, 0 for any free one; a thread for each connection."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 1024

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Connection)

    def serve_one(self, program: Program, request: Request) -> None:
        """Have the request answered. Subclasses say how."""
        raise NotImplementedError

    @property
    def port(self) -> int:
        """Where it listens."""
        address: Any = self.server_address
        return int(address[1])


class _Connection(socketserver.BaseRequestHandler):
    """Requests of one connection, one after the other."""

    def handle(self) -> None:
        connection: socket.socket = self.request
        server = self.server
        assert isinstance(server, Server)
        # Else the second small piece of a stream waits for an ACK.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        program = Program(connection)
        try:
            while program.stays and (request := program.read()) is not None:
                server.serve_one(program, request)
        except BadRequest as error:
            program.refuse(error.status, str(error))
        except OSError:
            return  # the program has gone away
