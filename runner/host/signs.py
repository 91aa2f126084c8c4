"""What in a response body is progress, and what it cost: read in passing, in linear time.

Both readers see each chunk once as it flies by and keep at most a few bytes of it, so a response
of any size, drip or shape costs neither memory nor a second pass. Apart from the transports because
the blocking and the async one share it and because it is pure.
"""

import re
from typing import Final

# A line that carries data: lines end with LF, CR or CRLF (WHATWG HTML, 9.2.5).
_DATA_LINE: Final = re.compile(rb"(?:\A|[\r\n])data:[ \t]*[^\s]")
_DONE_LINE: Final = re.compile(rb"(?:\A|[\r\n])data:[ \t]*\[DONE\]")
_NOT_DATA: Final = b":"  # stands for the beginning of a line that cannot become a data line

_USAGE_KEY: Final = b'"usage"'
_USAGE_WINDOW_BYTES: Final = 1024
# Chat completions name them prompt and completion, the Responses API input and output.
_TOKENS_IN: Final = re.compile(rb'"(?:prompt|input)_tokens"\s*:\s*(\d{1,15})')
_TOKENS_OUT: Final = re.compile(rb'"(?:completion|output)_tokens"\s*:\s*(\d{1,15})')


class ProgressScan:
    """Tells content from mere signs of life: SSE comments, empty events and whitespace.

    `done` is set once an SSE stream has said "[DONE]".
    """

    def __init__(self, sse: bool) -> None:
        self._sse = sse
        self._line = b""  # how the unfinished line begins, in at most 12 bytes
        self.done = False

    def feed(self, chunk: bytes) -> bool:
        """Whether this chunk holds content (or completes a line that does)."""
        if not self._sse:
            return bool(chunk) and not chunk.isspace()
        seen = self._line + chunk if self._line else chunk
        found = _DATA_LINE.search(seen) is not None
        if found and b"[DONE]" in seen and _DONE_LINE.search(seen):
            self.done = True
        self._line = _line_start(seen)
        return found


def _line_start(seen: bytes) -> bytes:
    """The least that must be kept of an unfinished line to judge it when the rest arrives."""
    tail = seen[max(seen.rfind(b"\n"), seen.rfind(b"\r")) + 1 :]
    if b"data:".startswith(tail):  # the empty tail too
        return tail
    if not tail.startswith(b"data:"):
        return _NOT_DATA
    content = tail[5:].lstrip(b" \t")
    if not content:
        return b"data:"
    if b"[DONE]".startswith(content):
        return b"data:" + content
    return _NOT_DATA  # already counted as content


class UsageScan:
    """Finds the token counts of a response, in JSON as in SSE; None where the server said none.

    The last "usage" object counts: streams repeat `"usage": null` until their final chunk. Model
    text cannot forge it, for quotes inside JSON strings are escaped.
    """

    def __init__(self) -> None:
        self.tokens_in: int | None = None
        self.tokens_out: int | None = None
        self._kept = b""

    def feed(self, chunk: bytes) -> None:
        """Read one chunk."""
        seen = self._kept + chunk if self._kept else chunk
        at = seen.rfind(_USAGE_KEY)
        if at < 0:
            self._kept = seen[-(len(_USAGE_KEY) - 1) :]
            return
        window = seen[at : at + _USAGE_WINDOW_BYTES]
        came_in, went_out = _TOKENS_IN.search(window), _TOKENS_OUT.search(window)
        if came_in is not None and _is_whole(window, came_in.end()):
            self.tokens_in = int(came_in[1])
        if went_out is not None and _is_whole(window, went_out.end()):
            self.tokens_out = int(went_out[1])
        if len(window) < _USAGE_WINDOW_BYTES:
            self._kept = window  # the rest of the object may still come
        else:
            self._kept = seen[-(len(_USAGE_KEY) - 1) :]


def _is_whole(window: bytes, end: int) -> bool:
    """Whether a number that ends there is complete: the next byte is known and no digit."""
    return end < len(window)
