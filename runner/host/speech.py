"""print and logging: whose they are, and where they go.

Apart because it replaces ``sys.stdout`` and ``sys.stderr`` of the process. A line that executor
code writes goes to the host's log file under the attempt's id, and (rate limited) to the engine. A
logger needs no set-up for this: its handlers write to ``sys.stderr``.
"""

import io
import sys
import threading
from typing import Final

from runner.core.text import block
from runner.host import attempt as attempts
from runner.host import ladder
from runner.host.attempt import Attempt
from runner.host.gate import Interrupted
from runner.logfile import append
from runner.masking import Secrets

_MAX_PARTIAL_CHARS: Final = 64 * 1024
"""A line without an end is cut here, or print(end="") in a loop would fill the memory."""


class HostLog:
    """The host's log file, opened for appending by the engine: at most 16 MB, then it wraps."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._lost_bytes = 0
        self._lock = threading.Lock()

    def write(self, text: str) -> None:
        """Append. A disk that is full loses lines, not the attempt: the next line says how much."""
        data = text.encode("utf-8", "backslashreplace")
        with self._lock:
            if self._lost_bytes:
                data = f"... {self._lost_bytes} bytes could not be written\n".encode() + data
            try:
                append(self._fd, data)
            except OSError:
                self._lost_bytes += len(data)
            else:
                self._lost_bytes = 0


class AttemptStream(io.TextIOBase):
    """A text stream that gives each line to the attempt whose thread writes it."""

    encoding = "utf-8"  # pyright: ignore[reportAssignmentType] - a property there, a fact here
    errors = "backslashreplace"  # pyright: ignore[reportAssignmentType]

    def __init__(self, log: HostLog, secrets: Secrets, fd: int) -> None:
        self._log = log
        self._secrets = secrets
        self._fd = fd
        self._partial = threading.local()
        self.buffer = io.FileIO(fd, "wb", closefd=False)

    def writable(self) -> bool:
        """Always."""
        return True

    def fileno(self) -> int:
        """The real descriptor, for subprocesses and faulthandler."""
        return self._fd

    def write(self, text: str, /) -> int:
        """Take text; whole lines are passed on, the rest waits for its end.

        Raises `Interrupted`, with the text taken, in an attempt that the ladder would interrupt.
        """
        attempt = attempts.current.get()
        if attempt is None:
            self._log.write(block(self._secrets.mask(text)))
            return len(text)
        with attempt.gate.shut_for_block():
            waiting: str = getattr(self._partial, "text", "") + text
            *lines, rest = waiting.split("\n")
            if len(rest) > _MAX_PARTIAL_CHARS:
                lines.append(rest)
                rest = ""
            self._partial.text = rest
            self._pass_on(attempt, lines)
        if attempt.rung in ladder.RAISING and attempt.gate.ident == threading.get_ident():
            raise Interrupted
        return len(text)

    def flush(self) -> None:
        """Nothing is held back but an unfinished line."""

    def end_line(self, attempt: Attempt) -> None:
        """The attempt is over in this thread: pass its unfinished line on."""
        rest: str = getattr(self._partial, "text", "")
        self._partial.text = ""
        if rest:
            self._pass_on(attempt, [rest])

    def _pass_on(self, attempt: Attempt, lines: list[str]) -> None:
        if not lines:
            return
        clean = [block(self._secrets.mask(line)) for line in lines]
        self._log.write("".join(f"{attempt.id} {line}\n" for line in clean))
        for line in clean:
            attempt.say(line)


def take_over(log: HostLog, secrets: Secrets) -> tuple[AttemptStream, AttemptStream]:
    """Replace the process's standard streams; the engine masks what goes past them."""
    streams = AttemptStream(log, secrets, 1), AttemptStream(log, secrets, 2)
    sys.stdout, sys.stderr = streams
    return streams


def give_back() -> None:
    """In a fork: plain streams on the same descriptors, for ours take locks that may be taken."""
    sys.stdout = io.TextIOWrapper(io.FileIO(1, "wb", closefd=False), write_through=True)
    sys.stderr = io.TextIOWrapper(io.FileIO(2, "wb", closefd=False), write_through=True)
