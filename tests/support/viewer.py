"""A program on a terminal of ours: what it draws, what it uses, when it is gone."""

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pyte

from support.running import wait_for

COLUMNS, LINES = 120, 40


class Desk:
    """A pseudo terminal with a person in front of it who reads all that comes."""

    def __init__(self, command: Sequence[str]) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        self.attributes = termios.tcgetattr(slave)
        self._slave = os.dup(slave)
        self._screen = pyte.Screen(COLUMNS, LINES)
        self._stream = pyte.ByteStream(self._screen)
        self._lock = threading.Lock()
        self.raw = bytearray()
        self._away = threading.Event()
        self._over = threading.Event()
        self.process = subprocess.Popen(
            ["setsid", "--ctty", *command],  # the terminal is the program's own, as after a login
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**os.environ, "TERM": "xterm-256color", "LANG": "C.UTF-8"},
        )
        os.close(slave)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while not self._over.is_set():
            if self._away.is_set():
                self._over.wait(0.05)
                continue
            if not select.select([self.master], [], [], 0.05)[0]:
                continue
            try:
                data = os.read(self.master, 65536)
            except OSError:
                return
            with self._lock:
                self.raw += data
                self._stream.feed(data)

    def stop_reading(self) -> None:
        """Leave it: what the program writes piles up from now on."""
        self._away.set()

    def read_again(self) -> None:
        """Come back to it."""
        self._away.clear()

    def press(self, keys: str) -> None:
        """Type."""
        os.write(self.master, keys.encode())

    def resize(self, columns: int, lines: int) -> None:
        """Another size, as when a window is dragged: the program is told by a signal."""
        with self._lock:
            self._screen.resize(lines, columns)
            size = struct.pack("HHHH", lines, columns, 0, 0)
            fcntl.ioctl(self._slave, termios.TIOCSWINSZ, size)

    def cells(self) -> list[list[tuple[object, ...]]]:
        """Character, ground and colours of each cell as it is seen now; of blanks the ground."""
        with self._lock:
            rows = [
                [self._screen.buffer[y][x] for x in range(self._screen.columns)]
                for y in range(self._screen.lines)
            ]
        return [
            [(c.data, c.bg, c.reverse, (c.fg, c.bold) if c.data.strip() else ()) for c in row]
            for row in rows
        ]

    def text(self) -> str:
        """What is on the screen now."""
        with self._lock:
            return "\n".join(self._screen.display)

    def until(self, words: str, timeout_s: float = 25.0) -> str:
        """The first screen with these words on it."""
        try:
            return wait_for(lambda: self.text() if words in self.text() else "", timeout_s)
        except AssertionError:
            raise AssertionError(f"never saw {words!r}; the screen is\n{self.text()}") from None

    def attributes_now(self) -> list[object]:
        """The terminal's settings."""
        return termios.tcgetattr(self._slave)

    def hang_up(self) -> None:
        """The terminal is gone."""
        self._over.set()
        self._thread.join()
        os.close(self._slave)
        os.close(self.master)
        self._slave = self.master = -1

    def close(self) -> None:
        """End the program if it still runs, and give the terminal back."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)
        if self.master >= 0:
            self.hang_up()


def cpu_s(pid: int) -> float | None:
    """CPU seconds used so far; None once the process has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else (int(fields[11]) + int(fields[12])) / 100


def gone_within(pid: int, limit_s: float) -> tuple[float, float]:
    """Seconds until the process had ended, and what it used meanwhile; fails after ``limit_s``."""
    began = time.monotonic()
    before = last = cpu_s(pid) or 0.0

    def look() -> bool:
        nonlocal last
        found = cpu_s(pid)
        last = last if found is None else found
        return found is None

    wait_for(look, limit_s)
    return time.monotonic() - began, last - before


def pids_with(mark: str) -> list[int]:
    """Viewers (``-m tui``) that carry the mark in their environment."""
    found: list[int] = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if b"tui" in words and mark.encode() in (entry / "environ").read_bytes():
                found.append(int(entry.name))
    return found
