"""Runs one program of the user's with JSON on its standard input, and never waits for it for ever.

Apart from the notifier because ``notify --test`` runs it as well, without an engine. The program
and all that it starts are a process group of its own: at the limit the whole group is ended.
"""

import contextlib
import os
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Final, NamedTuple

LIMIT_S: Final = 30.0
MOST_OUTPUT_BYTES: Final = 16 * 1024
"""More is read, so that the program is not held up, and thrown away."""
_LOOK_S: Final = 0.1


class Called(NamedTuple):
    """How it went. ``error`` is empty if the program ended by itself with code 0."""

    took_s: float
    error: str
    output: str


class Hook:
    """One call of a program. `run` blocks; `kill` ends it from another thread."""

    def __init__(self, argv: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
        self._argv = list(argv)
        self._folder = folder
        self._environment = dict(environment)
        self._killed = False

    def kill(self) -> None:
        """Have `run` end the program's group at its next look, a tenth of a second away."""
        self._killed = True

    def run(self, message: bytes, limit_s: float = LIMIT_S) -> Called:
        """Start it with ``message`` to read; wait until it and all that hold its output ended."""
        began = time.monotonic()
        try:
            process = self._start(message)
        except OSError as error:
            words = error.strerror or str(error)
            return Called(time.monotonic() - began, f"cannot be started: {words}", "")
        assert process.stdout is not None
        with process.stdout:
            output = self._read(process.stdout.fileno(), began + limit_s)
            by_itself = self._wait_unreaped(process, began + limit_s)
            # The leader is not reaped yet, so the number of its group cannot be another's.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        code = process.wait()
        if by_itself:
            error = _words(code)
        else:
            error = "ended with the engine" if self._killed else f"ended after {limit_s:g} s"
        return Called(time.monotonic() - began, error, output.decode("utf-8", "replace"))

    def _start(self, message: bytes) -> "subprocess.Popen[bytes]":
        """A file in memory as its input: a program that does not read it holds nobody up."""
        with _message_file(message) as file:
            return subprocess.Popen(
                self._argv,
                stdin=file,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=self._folder if self._folder.is_dir() else "/",
                env=self._environment,
                start_new_session=True,
            )

    def _read(self, pipe: int, until: float) -> bytes:
        """Its output until all who hold it have ended, or until we do not wait any longer."""
        kept = bytearray()
        while self._waits(until):
            if not select.select([pipe], [], [], _LOOK_S)[0]:
                continue
            data = os.read(pipe, 65536)
            if not data:
                break
            kept += data[: MOST_OUTPUT_BYTES - len(kept)]
        return bytes(kept)

    def _wait_unreaped(self, process: "subprocess.Popen[bytes]", until: float) -> bool:
        """Whether the program ended by itself."""
        while not _has_ended(process):
            if not self._waits(until):
                return False
            time.sleep(_LOOK_S / 5)
        return True

    def _waits(self, until: float) -> bool:
        return not self._killed and time.monotonic() < until


def _message_file(message: bytes) -> IO[bytes]:
    """The message as a file to be read: in memory, or unnamed on a disk where that is not there."""
    if hasattr(os, "memfd_create"):
        file: IO[bytes] = os.fdopen(os.memfd_create("message"), "w+b")
    else:
        file = tempfile.TemporaryFile()  # noqa: SIM115  the caller closes it
    file.write(message)
    file.seek(0)
    return file


def _has_ended(process: "subprocess.Popen[bytes]") -> bool:
    """Whether it has ended: without reaping it, but on macOS before Python 3.13."""
    if not hasattr(os, "waitid"):
        return process.poll() is not None
    options = os.WEXITED | os.WNOHANG | os.WNOWAIT
    return os.waitid(os.P_PID, process.pid, options) is not None


def _words(code: int) -> str:
    if code < 0:
        return f"ended by signal {-code}"
    return f"exit code {code}" if code else ""
