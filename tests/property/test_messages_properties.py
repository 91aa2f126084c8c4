"""Frames in any pieces: all messages arrive, garbage raises, nothing whole is swallowed."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from runner.core import messages as m
from runner.core.messages.frames import GarbledFrameError

TEXT = st.text(max_size=40)
MESSAGES = st.lists(
    st.builds(m.Log, t=st.floats(0, 1e9), attempt_id=TEXT, text=TEXT, dropped=st.integers(0, 9))
    | st.builds(m.Beat, t=st.floats(0, 1e9), running=st.lists(TEXT), changed=st.just([]),
                zombies=st.just([]))
    | st.builds(m.Hello, host=st.integers(0, 99), pid=st.integers(1, 99),
                threads=st.dictionaries(st.integers(0, 9), st.integers(1, 10**6), max_size=3)),
    max_size=12,
)  # fmt: skip
GARBAGE = st.one_of(
    st.just(b"\xff" * 64),
    st.binary(min_size=1, max_size=200).map(
        lambda body: (len(body) + 1).to_bytes(4, "little") + b"\xc1" + body
    ),
    st.just((0).to_bytes(4, "little")),
)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[begin:end] for begin, end in pairwise(places)] or [data]


CUTS = st.lists(st.integers(0, 10**6), max_size=20)


@given(MESSAGES, CUTS)
def test_any_chunking_gives_the_same_messages(sent: list[m.HostMessage], cuts: list[int]) -> None:
    data = b"".join(bytes(m.frame(message)) for message in sent)
    reader = m.from_host()
    found = [message for piece in pieces(data, cuts) for message in reader.feed(piece)]
    assert found == sent
    assert reader.torn_bytes == 0


@given(MESSAGES, st.integers(1, 10**6))
def test_a_torn_tail_waits(sent: list[m.HostMessage], cut: int) -> None:
    last = bytes(m.frame(m.Log(t=1.0, attempt_id="a", text="tail")))
    kept = 1 + cut % (len(last) - 1)
    data = b"".join(bytes(m.frame(message)) for message in sent) + last[:kept]
    reader = m.from_host()
    assert reader.feed(data) == sent
    assert reader.torn_bytes == kept
    assert reader.feed(last[kept:]) == [m.Log(t=1.0, attempt_id="a", text="tail")]


@given(MESSAGES, GARBAGE, CUTS)
def test_garbage_raises_after_everything_before_it(
    sent: list[m.HostMessage], garbage: bytes, cuts: list[int]
) -> None:
    data = b"".join(bytes(m.frame(message)) for message in sent) + garbage
    reader = m.from_host()
    found: list[m.HostMessage] = []
    raised = False
    for piece in [*pieces(data, cuts), b""]:
        try:
            found += reader.feed(piece)
        except GarbledFrameError:
            raised = True
            break
    assert raised
    assert found == sent


@given(st.binary(max_size=2000))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    reader = m.from_host()
    try:
        reader.feed(data)
        reader.feed(data)
    except GarbledFrameError:
        pass


@given(st.binary(max_size=300))
def test_no_frame_raises_anything_else(body: bytes) -> None:
    try:
        m.from_engine().feed(len(body).to_bytes(4, "little") + body)
    except GarbledFrameError:
        pass


@given(st.text(st.characters(), max_size=50))
def test_any_text_of_an_executor_can_be_sent(text: str) -> None:
    message = m.Log(t=1.0, attempt_id="a", text=text)
    (found,) = m.from_host().feed(bytes(m.frame(message)))
    assert isinstance(found, m.Log)
    assert len(found.text) <= len(text)
    found.text.encode()
