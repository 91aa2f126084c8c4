"""The event log and the transcript: written by the real thread, read back from the real file."""

import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.storing import WAIT_S, line

from runner.core.events import DrainStarted, Unknown, decode_lines, encode
from runner.engine.log import (
    EVENTS,
    TRANSCRIPT,
    EventLog,
    LogReader,
    SealError,
    TranscriptReader,
    read_all,
    seal_transcript,
    unseal_transcript,
)
from runner.engine.log.appender import Appender
from runner.engine.log.transcript import FRAME_BYTES, SEALED


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[], EventLog]]:
    logs: list[EventLog] = []

    def make() -> EventLog:
        log = EventLog(tmp_path)
        logs.append(log)
        log.start()
        return log

    yield make
    for log in logs:
        assert log.close(WAIT_S)


def test_events_come_back_in_order(tmp_path: Path, start: Callable[[], EventLog]) -> None:
    log = start()
    for seq in range(1, 2001):
        assert log.append(line(seq), sync=seq % 500 == 0)
    assert log.close(WAIT_S)
    found = read_all(tmp_path / EVENTS, decode_lines)
    assert [event.seq for event in found.events] == list(range(1, 2001))
    assert (found.undecodable, found.torn_bytes) == (0, 0)
    assert log.status().behind_bytes == 0
    assert (tmp_path / EVENTS).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("torn", [b"", b"x", b'{"type":"Tur', b"\0" * 70_000])
def test_a_torn_tail_is_cut_before_the_next_event(
    tmp_path: Path, start: Callable[[], EventLog], torn: bytes
) -> None:
    (tmp_path / EVENTS).write_bytes(line(1) + torn)
    log = start()
    assert log.torn_bytes == len(torn)
    log.append(line(2))
    log.close(WAIT_S)
    assert (tmp_path / EVENTS).read_bytes() == line(1) + line(2)


def test_a_file_without_a_newline_is_cut_to_nothing(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x" * 200_000)
    appender = Appender(tmp_path / "f")
    appender.close()
    assert appender.torn_bytes == 200_000
    assert (tmp_path / "f").read_bytes() == b""


def test_a_follower_sees_events_within_the_poll_and_only_whole_lines(
    tmp_path: Path, start: Callable[[], EventLog]
) -> None:
    log = start()
    stop = threading.Event()
    seen: list[int] = []
    latencies: list[float] = []
    sent: dict[int, float] = {}
    done = threading.Event()

    def follow() -> None:
        for chunk in LogReader(tmp_path / EVENTS).follow(stop):
            events, bad = decode_lines(chunk.data)
            assert not bad
            for event in events:
                seen.append(event.seq)
                latencies.append(time.monotonic() - sent[event.seq])
            if seen[-1] == 40:
                done.set()

    follower = threading.Thread(target=follow)
    follower.start()
    try:
        for seq in range(1, 41):
            sent[seq] = time.monotonic()
            log.append(line(seq))
            time.sleep(0.01)
        assert done.wait(WAIT_S)
    finally:
        stop.set()
        follower.join(WAIT_S)
    assert seen == list(range(1, 41))
    assert sorted(latencies)[20] < 0.5


def test_a_reader_takes_up_at_an_offset_and_waits_for_the_rest_of_a_line(tmp_path: Path) -> None:
    path = tmp_path / EVENTS
    reader = LogReader(path)
    assert reader.poll() is None
    path.write_bytes(line(1) + line(2)[:10])
    chunk = reader.poll()
    assert chunk is not None
    assert chunk.data == line(1)
    assert reader.poll() is None
    assert reader.torn_bytes() == 10
    path.write_bytes(line(1) + line(2))
    later = LogReader(path, reader.offset).poll()
    assert later is not None
    assert (later.data, later.offset) == (line(2), len(line(1)))
    reader.close()


def test_a_reader_starts_anew_when_the_file_became_shorter(tmp_path: Path) -> None:
    path = tmp_path / EVENTS
    path.write_bytes(line(1) + line(2))
    reader = LogReader(path)
    assert reader.poll()
    path.write_bytes(line(1))
    again = reader.poll()
    assert again is not None
    assert (again.restarted, again.offset, again.data) == (True, 0, line(1))
    assert reader.poll() is None
    reader.close()


def test_a_reader_knows_how_much_it_has_read(tmp_path: Path) -> None:
    path = tmp_path / EVENTS
    reader = LogReader(path)
    assert reader.read_share == 1.0
    path.write_bytes(line(1) + line(2))
    assert reader.read_share == 0.0
    assert reader.poll()
    assert reader.read_share == 1.0
    path.write_bytes(2 * (line(1) + line(2)))
    assert reader.read_share == 0.5
    reader.close()


def test_a_line_longer_than_a_chunk_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / EVENTS
    long = encode(DrainStarted(seq=1, origin="x" * 9_000_000))
    path.write_bytes(long + line(2))
    assert [event.seq for event in read_all(path, decode_lines).events] == [1, 2]


def test_unknown_types_are_kept_and_garbage_is_counted(tmp_path: Path) -> None:
    path = tmp_path / EVENTS
    path.write_bytes(
        line(1)
        + b'{"type":"FromTheFuture","seq":2,"at":5.0,"x":[1]}\n'
        + b'{"type":"TurnStarted","seq":"three"}\n'
        + b"\xff\xfe\n"
        + b"[]\n"
        + line(4)[:-20]
    )
    found = read_all(path, decode_lines)
    assert [event.seq for event in found.events] == [1, 2]
    assert isinstance(found.events[1], Unknown)
    assert found.undecodable == 3
    assert found.torn_bytes == len(line(4)) - 20


@given(st.integers(0, 10_000))
def test_any_flipped_bit_of_the_log_is_survived(seed: int) -> None:
    chance = random.Random(seed)
    data = bytearray(b"".join(line(seq) for seq in range(1, 6)))
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    events, bad = decode_lines(bytes(data))
    assert len(events) + bad >= 4


def test_bodies_are_there_before_the_event_that_points_at_them(
    tmp_path: Path, start: Callable[[], EventLog]
) -> None:
    log = start()
    reader = TranscriptReader(tmp_path)
    events = LogReader(tmp_path / EVENTS)
    places: list[tuple[int, int]] = []
    for seq in range(1, 200):
        places.append(log.place(b'{"n": %d}' % seq))
        log.append(line(seq))
        chunk = events.poll()
        for event in decode_lines(chunk.data)[0] if chunk else []:
            assert reader.read(*places[event.seq - 1]) == b'{"n": %d}' % event.seq
    log.close(WAIT_S)
    assert reader.read(*places[-1]) == b'{"n": 199}'
    assert reader.read(places[-1][0] + 50, 4) is None
    assert reader.read(places[-1][0], 500) is None
    events.close()


def test_offsets_go_on_after_a_restart_and_are_never_given_twice(tmp_path: Path) -> None:
    first = EventLog(tmp_path)
    first.start()
    place = first.place(b"[1]")
    first.append(line(1))
    assert first.close(WAIT_S)
    (tmp_path / TRANSCRIPT).write_bytes(b"")  # what a power cut may leave
    second = EventLog(tmp_path, body_end=sum(place))
    second.start()
    again = second.place(b"[2]")
    second.append(line(2))
    assert second.close(WAIT_S)
    assert again[0] >= sum(place)
    reader = TranscriptReader(tmp_path)
    assert reader.read(*place) is None
    assert reader.read(*again) == b"[2]"


def test_a_sealed_transcript_is_read_by_the_same_offsets(tmp_path: Path) -> None:
    chance = random.Random(1)
    bodies = [b"%d" % n + b"word " * chance.randrange(20_000) for n in range(60)]
    bodies.append(chance.randbytes(3 * FRAME_BYTES).replace(b"\n", b"."))
    log = EventLog(tmp_path)
    log.start()
    places = [log.place(body) for body in bodies]
    log.append(line(1))
    assert log.close(WAIT_S)
    plain = (tmp_path / TRANSCRIPT).read_bytes()
    reader = TranscriptReader(tmp_path)
    assert [reader.read(*place) for place in places] == bodies
    seal_transcript(tmp_path)
    assert not (tmp_path / TRANSCRIPT).exists()
    assert (tmp_path / SEALED).stat().st_size < len(plain) / 2
    assert [reader.read(*place) for place in places] == bodies
    assert reader.read(len(plain), 1) is None
    assert reader.read(len(plain) - 1, 2) is None
    seal_transcript(tmp_path)
    # A resumed run has the plain file again and goes on at the same offset.
    more = EventLog(tmp_path)
    more.start()
    place = more.place(b"more")
    more.append(line(2))
    assert more.close(WAIT_S)
    assert place[0] == len(plain)
    assert not (tmp_path / SEALED).exists()
    seal_transcript(tmp_path)
    assert reader.read(*place) == b"more"


@pytest.mark.parametrize("cut", [0, 5, 30])
def test_a_damaged_sealed_transcript_is_named(tmp_path: Path, cut: int) -> None:
    (tmp_path / TRANSCRIPT).write_bytes(b"body\n" * 1000)
    seal_transcript(tmp_path)
    sealed = tmp_path / SEALED
    sealed.write_bytes(sealed.read_bytes()[:cut])
    with pytest.raises(SealError):
        TranscriptReader(tmp_path).read(0, 4)
    with pytest.raises(SealError):
        unseal_transcript(tmp_path)
    assert sealed.exists()


def test_an_empty_transcript_can_be_sealed(tmp_path: Path) -> None:
    (tmp_path / TRANSCRIPT).write_bytes(b"")
    seal_transcript(tmp_path)
    assert TranscriptReader(tmp_path).read(0, 1) is None
    unseal_transcript(tmp_path)
    assert (tmp_path / TRANSCRIPT).read_bytes() == b""


def test_no_transcript_reads_as_not_written(tmp_path: Path) -> None:
    assert TranscriptReader(tmp_path).read(0, 5) is None


def test_the_log_loads_no_arrow_library() -> None:
    code = (
        "import sys, runner.engine.log;"
        "print([name for name in ('pyarrow', 'polars') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout.strip() == "[]"
