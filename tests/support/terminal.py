"""The real program in a real terminal: tmux draws it, the test types and reads."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from support.running import wait_for

needs_tmux = pytest.mark.skipif(not shutil.which("tmux"), reason="tmux is not installed")


class Terminal:
    """One tmux pane of a size of its own, on a server of its own."""

    def __init__(self, folder: Path, name: str, size: tuple[int, int] = (120, 40)) -> None:
        self._socket = folder / f"{name}.tmux"
        self._folder = folder
        self._size = size

    def _tmux(self, *words: str) -> str:
        command = ["tmux", "-S", str(self._socket), *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def run(self, *command: str, env: Mapping[str, str] | None = None) -> None:
        """Start a program; the pane stays when it has ended, so that its last words are read."""
        columns, lines = self._size
        settings = {**os.environ, "LANG": "C.UTF-8", "TERM": "xterm-256color", **(env or {})}
        pairs = [f"{name}={value}" for name, value in settings.items() if name != "TMUX"]
        size = ("-x", str(columns), "-y", str(lines), "-c", str(self._folder))
        start = ("new-session", "-d", *size, "env", "-i", *pairs, *command)
        server = ("tmux", "-S", str(self._socket), "-f", "/dev/null")
        keep = ("set-option", "-g", "remain-on-exit", "on")
        # tmux tells of the end in a line that it scrolls in, over the first line of the last words
        silent = ("set-option", "-gq", "remain-on-exit-format", "")
        subprocess.run([*server, *start, ";", *silent, ";", *keep], check=True)

    def text(self) -> str:
        """What is on the screen now."""
        return self._tmux("capture-pane", "-p")

    def type(self, *keys: str) -> None:
        """Press keys, by tmux's names."""
        self._tmux("send-keys", *keys)

    def click(self, words: str, nth: int = 0) -> None:
        """Press and release the mouse in the middle of ``words``, the ``nth`` time they stand.

        Waits for them: a frame may be drawn in part.
        """
        shown = self.until(lambda text: text.count(words) > nth)
        places = [
            (line.index(words) + len(words) // 2, y)
            for y, line in enumerate(shown.splitlines())
            if words in line
        ]
        x, y = places[nth]
        for last in ("M", "m"):  # SGR mouse reports: what a terminal sends for a left click
            report = f"\x1b[<0;{x + 1};{y + 1}{last}".encode()
            self._tmux("send-keys", "-H", *(f"{byte:02x}" for byte in report))

    def resize(self, columns: int, lines: int) -> None:
        """Another size, as when a window is dragged."""
        self._tmux("resize-window", "-x", str(columns), "-y", str(lines))

    def until(self, what: str | Callable[[str], object], timeout_s: float = 20.0) -> str:
        """The first screen that shows ``what``."""

        def look() -> str:
            text = self.text()
            return text if (what in text if isinstance(what, str) else what(text)) else ""

        try:
            return wait_for(look, timeout_s)
        except AssertionError:
            raise AssertionError(f"never saw {what!r}; the screen is\n{self.text()}") from None

    def seconds_until(self, what: str | Callable[[str], object], timeout_s: float = 20.0) -> float:
        """How long that took."""
        began = time.monotonic()
        self.until(what, timeout_s)
        return time.monotonic() - began

    @property
    def dead(self) -> bool:
        """Whether the program has ended."""
        return self._tmux("list-panes", "-F", "#{pane_dead}").strip() == "1"

    @property
    def pid(self) -> int:
        """The program's pid."""
        return int(self._tmux("list-panes", "-F", "#{pane_pid}"))

    def close(self) -> None:
        """End the tmux server, and with it whatever still runs there."""
        subprocess.run(
            ["tmux", "-S", str(self._socket), "kill-server"], capture_output=True, check=False
        )
