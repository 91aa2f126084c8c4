"""Chunked transfer coding of the requests that programs send to the proxy.

Apart from the proxy's server because it is a pure rule, tested by every way to cut its input.
"""

import re
from typing import Final

_MAX_LINE_BYTES: Final = 4096
_SIZE: Final = re.compile(rb"[0-9a-fA-F]{1,15}")


class NotChunkedError(Exception):
    """The bytes break the rules of the coding."""


class Chunks:
    """Chunked transfer coding (RFC 9112, 7.1) taken off, in linear time and whatever the cuts.

    ``done`` after the last chunk; ``rest`` then holds what came behind it.
    """

    def __init__(self) -> None:
        self.done = False
        self.rest = b""
        self._left = 0
        self._expects = "size"
        self._line = b""

    def feed(self, data: bytes) -> bytes:
        """The content of ``data``. Raises `NotChunkedError` for what is no chunk."""
        pieces: list[bytes] = []
        at = 0
        while at < len(data) and not self.done:
            if self._left:
                piece = data[at : at + self._left]
                pieces.append(piece)
                self._left -= len(piece)
                at += len(piece)
                continue
            end = data.find(b"\n", at)
            if end < 0:
                self._line += data[at:]
                if len(self._line) > _MAX_LINE_BYTES:
                    raise NotChunkedError("a chunk's size has no end")
                return b"".join(pieces)
            line, self._line = self._line + data[at:end], b""
            at = end + 1
            self._read_line(line.rstrip(b"\r"))
        if self.done:
            self.rest = data[at:]
        return b"".join(pieces)

    def _read_line(self, line: bytes) -> None:
        if self._expects == "size":
            size = line.partition(b";")[0].strip()
            if not _SIZE.fullmatch(size):
                raise NotChunkedError(f"no size of a chunk: {size[:60]!r}")
            self._left = int(size, 16)
            self._expects = "end" if self._left else "trailer"
        elif self._expects == "trailer":
            self.done = not line
        elif line:
            raise NotChunkedError(f"no end of a chunk: {line[:60]!r}")
        else:
            self._expects = "size"
