"""A pty reader: the terminal of the screen benches, near or at the far end of a thin line.

Apart from the benches because htop and btop are measured by the same reader as the dashboard.
"""

import fcntl
import os
import pty
import select
import struct
import termios
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
CHUNK = 256
"""What a thin line takes at once: less than 15 ms of 20 KB/s."""


@dataclass
class Line:
    """A line between program and terminal; the default one neither waits nor limits."""

    bytes_per_s: float = 0.0
    one_way_s: float = 0.0
    free_at: float = 0.0
    """When the last byte that was taken will have been sent."""
    under_way: deque[tuple[float, bytes]] = field(default_factory=deque[tuple[float, bytes]])
    """(arrives at, bytes) on their way to the terminal."""


@dataclass
class Reader:
    """The terminal's side of a program."""

    pid: int
    fd: int
    line: Line
    count: int = 0

    def read(self, seconds: float, until: bytes = b"") -> float | None:
        """Take what comes for ``seconds``, or until ``until`` arrived; when that was, else None.

        ``until`` is one character or has not to be cut in two: the last bytes are kept to join.
        """
        end = time.monotonic() + seconds
        before = b""
        while time.monotonic() < end:
            for data in self._arrivals(end):
                self.count += len(data)
                if until and until in before + data:
                    return time.monotonic()
                before = data[-len(until) :] if until else b""
        return None

    def _arrivals(self, end: float) -> Iterator[bytes]:
        line, now = self.line, time.monotonic()
        takes = not line.bytes_per_s or line.free_at <= now
        wakes = [end, *(arrives for arrives, _ in list(line.under_way)[:1])]
        wakes += [] if takes else [line.free_at]
        left = max(0.0, min(wakes) - now)
        if select.select([self.fd] if takes else [], [], [], left)[0]:
            data = os.read(self.fd, CHUNK if line.bytes_per_s else 65536)
            now = time.monotonic()
            sent_s = len(data) / line.bytes_per_s if line.bytes_per_s else 0.0
            line.free_at = max(now, line.free_at) + sent_s
            line.under_way.append((line.free_at + line.one_way_s, data))
        while line.under_way and line.under_way[0][0] <= time.monotonic():
            yield line.under_way.popleft()[1]

    def press(self, key: str, answer: bytes, limit_s: float = 5.0) -> float:
        """Press a key; seconds until its answer is on the screen."""
        began = time.monotonic()
        self.read(self.line.one_way_s)
        os.write(self.fd, key.encode())
        seen = self.read(limit_s, until=answer)
        assert seen is not None, f"no answer to {key!r} in {limit_s} s"
        return seen - began

    def drain(self, quiet_s: float = 0.1, limit_s: float = 10.0) -> int:
        """Take all that is under way, until nothing came for a while; its bytes."""
        before, end = self.count, time.monotonic() + limit_s
        while time.monotonic() < end:
            count = self.count
            self.read(quiet_s)
            if self.count == count and not self.line.under_way:
                break
        return self.count - before

    def resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def cpu_s(self) -> float:
        """User and system seconds of the program so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def rss_mb(self) -> float:
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024


@contextmanager
def on_a_pty(
    command: Sequence[str],
    size: tuple[int, int] = (120, 40),
    line: Line | None = None,
    environ: Mapping[str, str] | None = None,
) -> Iterator[Reader]:
    """A program on a terminal of (columns, lines), ended with the block."""
    columns, lines = size
    pid, fd = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        os.environ.update(
            TERM="xterm-256color", COLORTERM="truecolor", LANG="C.UTF-8", LC_ALL="C.UTF-8"
        )
        os.environ.update(environ or {})
        os.execvp(command[0], list(command))
    try:
        yield Reader(pid, fd, line or Line())
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        os.close(fd)
