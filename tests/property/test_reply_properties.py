"""An answer in any pieces: the same head and body, and an error for what is none."""

import contextlib
from itertools import pairwise

from httpcore2 import RemoteProtocolError
from hypothesis import given
from hypothesis import strategies as st

from runner.host.reply import Reply

NAMES = st.text("abcXYZ-09", min_size=1, max_size=8).map(lambda name: f"x-{name}".encode())
VALUES = st.binary(max_size=20).map(
    lambda value: bytes(32 + byte % 95 for byte in value).strip() or b"-"
)
HEADERS = st.lists(st.tuples(NAMES, VALUES), max_size=6)
PIECES = st.lists(st.binary(min_size=1, max_size=200), max_size=6)
EARLY = st.sampled_from(
    [b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early\r\na: b\r\n\r\n"]
)
CUTS = st.lists(st.integers(0, 10**6), max_size=20)


def framed(framing: str, pieces: list[bytes]) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """The header that says how long the body is, and the body as it is sent."""
    body = b"".join(pieces)
    if framing == "length":
        return [(b"Content-Length", b"%d" % len(body))], body
    if framing == "chunked":
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
        return [(b"Transfer-Encoding", b"chunked")], chunks + b"0\r\nTrailer: x\r\n\r\n"
    return [], body


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(place % (len(data) + 1) for place in cuts)})
    return [data[at:end] for at, end in pairwise(places)]


@given(EARLY, st.sampled_from(["length", "chunked", "close"]), HEADERS, PIECES, CUTS)
def test_any_cut_gives_the_same_answer(
    early: bytes,
    framing: str,
    headers: list[tuple[bytes, bytes]],
    pieces: list[bytes],
    cuts: list[int],
) -> None:
    more, body = framed(framing, pieces)
    head = b"".join(b"%b: %b \r\n" % header for header in headers + more)
    reply = Reply(has_body=True)
    taken = b""
    for data in cut(early + b"HTTP/1.1 201 So it is\r\n" + head + b"\r\n" + body, cuts):
        reply.feed(data)
        taken += reply.taken()
    assert reply.is_over is (framing != "close")
    if framing == "close":
        reply.feed(b"")
    assert (reply.status, reply.reason, reply.version) == (201, b"So it is", b"HTTP/1.1")
    assert reply.headers == headers + more
    assert taken == b"".join(pieces)
    assert reply.is_over
    assert reply.stays is (framing != "close")


@given(st.lists(st.binary(max_size=60), max_size=8), st.booleans())
def test_what_is_no_answer_is_nothing_worse_than_an_error(
    garbage: list[bytes], after_a_head: bool
) -> None:
    reply = Reply(has_body=True)
    if after_a_head:
        reply.feed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    with contextlib.suppress(RemoteProtocolError):
        for data in [*garbage, b""]:
            if reply.is_over:
                break
            reply.feed(data)
