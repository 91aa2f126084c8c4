"""Engine and host on one wire: frames, garbage, and strings that have no bytes."""

import socket

import pytest

from runner.core import messages as m
from runner.core.messages.frames import GarbledFrameError
from runner.core.rows import Record
from runner.engine.hosts import HostLink

BAD_UTF8 = b"\x94\xa3Log\xcb" + bytes(8) + b"\xa1a\xa1\xff"


def framed(body: bytes) -> bytes:
    return len(body).to_bytes(4, "little") + body


def log(text: str) -> m.Log:
    return m.Log(t=1.0, attempt_id="a", text=text)


def test_a_message_comes_back_as_it_was() -> None:
    ended = m.Ended(
        t=2.5,
        attempt_id="1-00001",
        outcome="passed",
        cause="",
        rung="",
        elapsed_s=1.5,
        record=Record(score=0.5, turns=3, messages='[{"role":"user"}]'),
    )
    assert m.from_host().feed(bytes(m.frame(ended))) == [ended]
    kill = m.Kill(attempt_id="a", cause="killed:user")
    assert m.from_engine().feed(bytes(m.frame(kill))) == [kill]


@pytest.mark.parametrize(
    "body",
    [b"", b"\xc1", b"\x91\xa4Nope", b"\x92\xa3Log\x01", BAD_UTF8, b"\x91" * 100_000, b"\xff" * 100],
    ids=["empty", "invalid", "unknown", "wrong type", "no UTF-8", "deep", "0xff"],
)
def test_what_is_no_message_ends_the_connection(body: bytes) -> None:
    with pytest.raises(GarbledFrameError):
        m.from_host().feed(framed(body))


def test_an_absurd_length_is_refused_at_once_instead_of_awaited() -> None:
    reader = m.from_host()
    with pytest.raises(GarbledFrameError, match="4294967295 bytes"):
        reader.feed(b"\xff" * 100)


def test_messages_before_the_garbage_are_returned_and_the_next_call_raises() -> None:
    reader = m.from_host()
    data = bytes(m.frame(log("one")) + m.frame(log("two"))) + framed(BAD_UTF8)
    assert reader.feed(data) == [log("one"), log("two")]
    with pytest.raises(GarbledFrameError):
        reader.feed(b"")


def test_an_order_of_the_wrong_direction_is_garbage() -> None:
    with pytest.raises(GarbledFrameError):
        m.from_host().feed(bytes(m.frame(m.Quit())))


def test_lone_surrogates_of_an_executor_do_not_break_its_host() -> None:
    found = m.from_host().feed(bytes(m.frame(log("a\ud800b"))))
    assert found == [log("a\ufffdb")]


def test_a_message_over_the_limit_is_refused_where_it_is_made() -> None:
    with pytest.raises(GarbledFrameError, match="over the frame limit"):
        m.frame(log("x" * (m.MAX_FRAME_BYTES + 1)))


def test_a_link_hands_over_what_came_before_the_garbage() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with theirs:
        link = HostLink(0, [0], ours, now=1.0)
        large = log("x" * 60_000)
        theirs.sendall(bytes(m.frame(large)))
        theirs.sendall(bytes(m.frame(large)) + b"\xff" * 9000)
        assert link.receive(2.0, 1 << 20) == [large, large]
        theirs.sendall(b"more")
        with pytest.raises(GarbledFrameError):
            link.receive(3.0)
        link.close()
