"""What the dashboard costs: bytes to the terminal, CPU, memory, time from key to screen.

A pty reader stands for the terminal. Bytes are asserted; CPU and times are printed, because they
depend on what else the machine does: `make bench` on a quiet one.
"""

import fcntl
import os
import pty
import select
import struct
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

CHILD = Path(__file__).with_name("screen_child.py")
WARM_S = 5.0
MEASURED_S = 10.0
KEYS = 40
TICKS = os.sysconf("SC_CLK_TCK")

pytestmark = pytest.mark.bench


def report(text: str) -> None:
    """A line of the bench, on stdout."""
    sys.stdout.write(text + "\n")


@dataclass
class Reader:
    """The terminal's side."""

    pid: int
    fd: int
    count: int = 0
    last: bytes = b""
    waits: list[float] = field(default_factory=list)

    def read(self, seconds: float, until: bytes = b"") -> bool:
        """Take what comes for ``seconds``, or until ``until`` was seen; whether it was."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            ready, _, _ = select.select([self.fd], [], [], left)
            if ready:
                self.last = os.read(self.fd, 65536)
                self.count += len(self.last)
                if until and until in self.last:
                    return True
        return False

    def key(self, key: str) -> None:
        """Press a key and wait for the next bytes."""
        self.read(0.12)
        began = time.monotonic()
        os.write(self.fd, key.encode())
        ready, _, _ = select.select([self.fd], [], [], 2.0)
        assert ready, "no answer to a key in 2 s"
        self.waits.append(time.monotonic() - began)
        self.read(0.05)

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def rss_mb(self) -> float:
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024


@contextmanager
def child(workers: int, columns: int, lines: int) -> Iterator[Reader]:
    pid, fd = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        os.environ.update(
            TERM="xterm-256color", COLORTERM="truecolor", LANG="C.UTF-8", LC_ALL="C.UTF-8"
        )
        os.execv(sys.executable, [sys.executable, str(CHILD), str(workers)])
    try:
        yield Reader(pid, fd)
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        os.close(fd)


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("workers", "columns", "lines", "most"),
    [(100, 120, 40, 4096), (100, 200, 60, 8192), (400, 120, 40, 4096), (1000, 120, 40, 4096)],
    ids=["100@120x40", "100@200x60", "400@120x40", "1000@120x40"],
)
def test_cost_of_a_live_screen(workers: int, columns: int, lines: int, most: int) -> None:
    with child(workers, columns, lines) as terminal:
        assert terminal.read(30, until=b"FLEET"), "no first frame"
        terminal.read(WARM_S)
        before, count, began = terminal.cpu_s(), terminal.count, time.monotonic()
        terminal.read(MEASURED_S)
        took = time.monotonic() - began
        per_s = (terminal.count - count) / took
        cpu = 100 * (terminal.cpu_s() - before) / took
        for index in range(KEYS):
            terminal.key("nN"[index % 4 // 2])
        waits = sorted(terminal.waits)
        report(
            f"\n{workers} workers {columns}x{lines}: {per_s:,.0f} B/s, {cpu:.1f} % of a core, "
            f"key to screen p50 {waits[KEYS // 2] * 1e3:.0f} ms p95 "
            f"{waits[KEYS * 95 // 100] * 1e3:.0f} ms, {terminal.rss_mb():.0f} MB"
        )
        assert per_s <= most


@pytest.mark.timeout(120)
def test_first_frame_against_an_empty_app() -> None:
    times: dict[int, list[float]] = {0: [], -1: []}
    for _ in range(3):
        for workers, words in ((0, b"READY"), (-1, b"FLEET")):
            began = time.monotonic()
            with child(workers, 120, 40) as terminal:
                assert terminal.read(30, until=words)
                times[workers].append(time.monotonic() - began)
    report(f"\nfirst frame: empty {min(times[0]):.2f} s, dashboard {min(times[-1]):.2f} s")
