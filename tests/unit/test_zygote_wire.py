"""What engine and zygote say survives the packet, and fits into it."""

import msgspec
import pytest

from runner.core import zygote_wire as z


@pytest.mark.parametrize(
    "message",
    [
        z.Ready(12, "3.11.7", 0.5),
        z.Forked(3, 77),
        z.Died(77, -9),
        z.Failed("no such module"),
        z.Failed("cannot fork", host=3),
    ],
    ids=["ready", "forked", "died", "failed", "failed to fork"],
)
def test_what_the_zygote_says_arrives(message):
    assert z.from_zygote(z.packet(message)) == message


def test_a_request_arrives():
    assert z.to_fork(z.packet(z.Fork(3, 700))) == z.Fork(3, 700)


def test_the_end_of_a_long_text_is_kept():
    data = z.packet(z.Failed("x" * 100_000 + "ImportError: the point"))
    assert len(data) <= z.MAX_PACKET_BYTES
    found = z.from_zygote(data)
    assert isinstance(found, z.Failed)
    assert found.text.endswith("ImportError: the point")


@pytest.mark.parametrize("data", [b"", b"\xff" * 20, b"\x91\xa4Fork", z.packet(z.Forked(1, 2))])
def test_anything_else_is_no_request(data):
    with pytest.raises(msgspec.DecodeError):
        z.to_fork(data)
