"""What processes of a run write past Python: read from pipes, made harmless, put into log files.

A C library, a child process or ``os.write(2, ...)`` reaches the descriptor itself, where no stream
of the host masks a key. Apart from the hosts because this end outlives them: the last words of one
that crashed are still in its pipe. A thread does it, for a log's disk may stall; a pipe that is
full then holds up its writers and nobody else, as the file itself would have done.
"""

import contextlib
import fcntl
import os
import select
import threading
import time
from pathlib import Path
from typing import Final

from runner.core.text import block
from runner.logfile import FLAGS, append
from runner.masking import Secrets

_PIPE_BYTES: Final = 256 * 1024
"""Four times the usual, so that few writers ever wait for a round."""
_ROUND_S: Final = 0.02
_ROUND_BYTES: Final = 1024 * 1024
"""Read from one pipe in one round: a flood is slowed to 50 MB/s and costs the engine little."""
_PER_S_BYTES: Final = 256 * 1024
_BURST_BYTES: Final = 1024 * 1024
_MAX_LINE_BYTES: Final = 64 * 1024
_CLOSE_S: Final = 2.0


class Scribe:
    """One thread for all pipes. It ends with `close`, which takes in what still waits."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._poll = select.epoll()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._poll.register(self._wake, select.EPOLLIN)
        self._pipes: dict[int, _Pipe] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, name="scribe", daemon=True)
        self._thread.start()

    def pipe_to(self, path: Path) -> int:
        """A descriptor for a process's output, which ends up in ``path``; the caller closes it."""
        ours, theirs = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(ours, False)
        with contextlib.suppress(OSError):  # the user's share of pipe memory is used up
            fcntl.fcntl(ours, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        self._pipes[ours] = _Pipe(path, time.monotonic())
        self._poll.register(ours, select.EPOLLIN)
        return theirs

    def close(self) -> None:
        """Take in what is in the pipes, whoever still holds the other end, and let go of them."""
        self._over.set()
        os.eventfd_write(self._wake, 1)
        self._thread.join(_CLOSE_S)
        if not self._thread.is_alive():  # else it hangs on a disk, and dies with the process
            for fd in (*self._pipes, self._wake):
                os.close(fd)
            self._pipes.clear()
            self._poll.close()

    def _work(self) -> None:
        while not self._over.is_set():
            for fd, _ in self._poll.poll():
                if fd in self._pipes:
                    self._read(fd)
            self._over.wait(_ROUND_S)
        for fd in list(self._pipes):
            self._read(fd)
            if fd in self._pipes:
                self._write(self._pipes[fd], last=True)

    def _read(self, fd: int) -> None:
        """Take in what is there; at its end the pipe is forgotten."""
        pipe = self._pipes[fd]
        taken = 0
        while taken < _ROUND_BYTES:
            try:
                data = os.read(fd, _PIPE_BYTES)
            except BlockingIOError:
                break
            if not data:
                self._write(pipe, last=True)
                self._poll.unregister(fd)
                del self._pipes[fd]
                os.close(fd)
                return
            taken += len(data)
            pipe.take(data)
        self._write(pipe, last=False)

    def _write(self, pipe: "_Pipe", *, last: bool) -> None:
        raw, left_out = pipe.ready(time.monotonic(), last=last)
        text = block(self._secrets.mask(raw.decode("utf-8", "backslashreplace")))
        if left_out:
            text = f"... {left_out} bytes left out\n{text}"
        if not text:
            return
        data = text.encode("utf-8", "backslashreplace")
        try:
            fd = os.open(pipe.path, FLAGS, 0o600)
            try:
                append(fd, data)
            finally:
                os.close(fd)
        except OSError:
            pipe.left_out += left_out + len(raw)  # told when the disk takes something again


class _Pipe:
    """Bytes of one process on their way to whole lines: a key is never cut in two."""

    def __init__(self, path: Path, now: float) -> None:
        self.path = path
        self.left_out = 0
        self._rest = bytearray()
        self._in_long_line = False
        self._room = float(_BURST_BYTES)
        self._at = now

    def take(self, data: bytes) -> None:
        """Add what was read. A line over `_MAX_LINE_BYTES` is left out as a whole."""
        if self._in_long_line:
            end = data.find(b"\n") + 1
            self.left_out += end or len(data)
            if not end:
                return
            self._in_long_line = False
            data = data[end:]
        self._rest += data
        began = self._rest.rfind(b"\n") + 1
        if len(self._rest) - began > _MAX_LINE_BYTES:
            self.left_out += len(self._rest) - began
            del self._rest[began:]
            self._in_long_line = True

    def ready(self, now: float, *, last: bool) -> tuple[bytes, int]:
        """Whole lines, the latest that the rate allows, and how many bytes were left out before.

        ``last``: nothing will follow, so that an unfinished line is finished.
        """
        self._room = min(float(_BURST_BYTES), self._room + (now - self._at) * _PER_S_BYTES)
        self._at = now
        if last and self._rest and not self._rest.endswith(b"\n"):
            self._rest += b"\n"
        whole = self._rest.rfind(b"\n") + 1
        begin = 0
        if whole > self._room:
            begin = self._rest.find(b"\n", max(0, whole - 1 - int(self._room))) + 1
        found = bytes(self._rest[begin:whole])
        del self._rest[:whole]
        self._room -= len(found)
        left_out, self.left_out = self.left_out + begin, 0
        return found, left_out
