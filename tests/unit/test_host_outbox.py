"""The host's way out: what leaves when, in which order, and who waits for whom."""

import socket
import threading

import pytest

from runner.core import messages as m
from runner.core.messages import from_host
from runner.host.outbox import FULL_BYTES, Outbox
from runner.host.scope import Scope
from runner.masking import Secrets


@pytest.fixture
def ends():
    ours, theirs = socket.socketpair()
    theirs.settimeout(5)
    with theirs:
        yield ours, theirs  # ours stays open: the outbox ends its process where it breaks


def log(text):
    return m.Log(1.0, "a", text)


def read(theirs, count):
    """The texts of so many messages."""
    unframer, found = from_host(), []
    while len(found) < count:
        found += unframer.feed(theirs.recv(65536))
    return [message.text for message in found]


def is_quiet(theirs):
    theirs.setblocking(False)
    try:
        return not theirs.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    finally:
        theirs.settimeout(5)


def test_a_message_has_left_when_post_returns(ends):
    ours, theirs = ends
    Outbox(ours, Secrets()).post(log("one"))
    assert not is_quiet(theirs)


def test_what_need_not_leave_now_goes_with_the_next_in_order(ends):
    ours, theirs = ends
    outbox = Outbox(ours, Secrets())
    outbox.post(log("one"), now=False)
    assert is_quiet(theirs)
    outbox.post(log("two"))
    assert read(theirs, 2) == ["one", "two"]
    assert outbox.backlog_bytes == 0


def test_a_flush_sends_what_waits(ends):
    ours, theirs = ends
    outbox = Outbox(ours, Secrets())
    outbox.post(log("one"), now=False)
    assert outbox.flush(1.0)
    assert read(theirs, 1) == ["one"]


def test_what_the_kernel_does_not_take_follows_whole_and_in_order(ends):
    """Several threads, an engine that reads late: nothing is lost, torn or out of order."""
    ours, theirs = ends
    outbox, texts = Outbox(ours, Secrets()), 200

    def flood(name):
        for number in range(texts):
            outbox.post(log(f"{name} {number} " + "x" * 3000))

    threads = [threading.Thread(target=flood, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)  # nobody has read yet, and nobody waits for it
    assert not outbox.flush(0.05)
    found = [text.split()[:2] for text in read(theirs, 3 * texts)]
    for name in "abc":
        assert [number for who, number in found if who == name] == [str(n) for n in range(texts)]
    assert outbox.flush(5.0)
    outbox.post(log("again"))
    assert read(theirs, 1) == ["again"]


def test_put_waits_for_room(ends):
    ours, theirs = ends
    outbox, scope = Outbox(ours, Secrets()), Scope()
    sent = 0
    while outbox.backlog_bytes <= FULL_BYTES:
        outbox.post(log("x" * 60_000))
        sent += 1
    done = threading.Event()
    threading.Thread(target=lambda: (outbox.put(scope, log("late")), done.set())).start()
    assert not done.wait(0.1)
    assert read(theirs, sent + 1)[-1] == "late"
    assert done.wait(5)
    assert outbox.flush(5.0)
    scope.close()
