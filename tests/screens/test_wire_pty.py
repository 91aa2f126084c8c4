"""What goes down the wire of a real terminal: no frame of a screen that nobody sees, and a call for
a person that neither holds up the screen nor is lost when the terminal takes nothing."""

import json
import socket
import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.running import wait_for
from support.viewer import Desk
from textual.drivers._writer_thread import MAX_QUEUED_WRITES as QUEUED

CHILD = Path(__file__).with_name("wire_child.py")
BLUR = "\x1b[O"
REDRAW = "\x0c"
FRAMES = 20
WAITING = 2
"""The last codes of a kind wait; others may have been on their way when the terminal stopped."""
BELL = b"\a\x1b]9;"
COPIED = b"\x1b]52;c;Y29waWVk\a"
MOUSE_OFF, MOUSE_ON = b"\x1b[?1000l", b"\x1b[?1000h"

pytestmark = pytest.mark.timeout(90)


class Led:
    """A dashboard on a terminal, and the line on which it is told what happens."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.desk = Desk([sys.executable, str(CHILD), str(self._server.getsockname()[1])])
        self._server.settimeout(30)
        self._line, _ = self._server.accept()
        self._line.settimeout(20)
        self._file = self._line.makefile("rw")

    def ask(self, word: str) -> dict[str, int]:
        """Let it happen; its counters, see `wire_child`. `TimeoutError` if its loop stands."""
        self._file.write(word + "\n")
        self._file.flush()
        return json.loads(self._file.readline())

    def close(self) -> None:
        self.desk.close()
        self._file.close()
        self._line.close()
        self._server.close()


@pytest.fixture
def led() -> Iterator[Led]:
    """A dashboard on the fleet."""
    found = Led()
    try:
        found.desk.until("q leave")
        yield found
    finally:
        found.close()


@pytest.mark.parametrize(("key", "words"), [("2", "ENDPOINTS"), ("5", "ERRORS"), ("6", "REPORT")])
def test_a_hidden_run_screen_writes_no_frames(led: Led, key: str, words: str) -> None:
    led.desk.press(key)
    led.desk.until(words)
    before = led.ask("count")["composed"]
    for _ in range(FRAMES):
        led.ask("frame")
    few = FRAMES // 4  # the new screen's own: what it reads may come meanwhile
    assert led.ask("count")["composed"] - before <= few
    led.desk.press("\x1b")
    led.desk.until("FLEET 100")


def stopped(led: Led) -> None:
    """The terminal takes no more: what is written from now on waits in the output queue."""
    led.desk.press(BLUR)
    led.desk.stop_reading()
    drawn: deque[int] = deque(maxlen=10)

    def full() -> bool:
        led.desk.press(REDRAW)
        drawn.append(led.ask("frame")["composed"])
        return drawn.count(drawn[0]) == drawn.maxlen

    wait_for(full)


def test_a_call_for_a_person_waits_for_a_terminal_that_takes_nothing(led: Led) -> None:
    stopped(led)
    stuck = max(led.ask("stuck")["stuck"] for _ in range(2 * QUEUED))
    assert stuck > QUEUED
    led.desk.read_again()
    led.desk.until(f"{stuck} STUCK")
    wait_for(lambda: f"{stuck} STUCK".encode() in bytes(led.desk.raw).rpartition(BELL)[2][:20])
    assert led.desk.raw.count(BELL) <= WAITING


@pytest.mark.parametrize(
    ("word", "times", "codes"),
    [("copy", 2 * QUEUED, COPIED), ("mouse", QUEUED + 1, MOUSE_OFF)],
    ids=["copy", "mouse"],
)
def test_codes_beside_the_frames_wait_for_it_too(
    led: Led, word: str, times: int, codes: bytes
) -> None:
    stopped(led)
    before = led.desk.raw.count(codes)
    for _ in range(times):
        led.ask(word)
    led.desk.read_again()
    wait_for(lambda: led.desk.raw.count(codes) > before)
    wait_for(lambda: led.desk.raw.rfind(MOUSE_ON) < led.desk.raw.rfind(codes), 5.0)
    assert led.desk.raw.count(codes) - before <= WAITING
