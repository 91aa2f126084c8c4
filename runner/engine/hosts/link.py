"""The engine's end of one host: its socket, its process, and when it was last heard.

Non-blocking throughout. What arrives is whole messages or `GarbledFrameError`; what is sent waits
in a buffer while the host does not read, so a stopped host stops nothing here.
"""

import contextlib
import os
import signal
import socket
from collections.abc import Iterable
from typing import Final

from runner.core import messages as m

READ_BYTES: Final = 64 * 1024
"""Read per host and turn of the loop, so that a flooding host starves no other."""

DRAIN_BYTES: Final = 64 * 1024 * 1024


class HostLink:
    """One host. ``heard`` is monotonic seconds of its last message; any decoded message is life."""

    def __init__(self, host: int, workers: list[int], sock: socket.socket, now: float) -> None:
        sock.setblocking(False)
        self.host = host
        self.workers = workers
        self.sock = sock
        self.sock_fd = sock.fileno()
        self.heard = now
        self.started = now
        self.ready = False
        self.alone = False
        self.draining = False
        self.frozen_since = 0.0
        self.pid = 0
        self.pidfd = -1
        self.threads: dict[int, int] = {}
        self.missed: dict[str, int] = {}
        """Attempt id -> consecutive beats that did not name it."""
        self.given: dict[str, float] = {}
        """Attempt id -> when it was handed over, for attempts that this host owns."""
        self.why_killed = ""
        self.died_at = 0.0
        """When its pidfd told of its death; how it died is the zygote's to tell."""
        self.holds = False
        """Whether it was told to let a wrapped script's new requests wait."""
        self.is_spent = False
        """It said that it ends itself with its one attempt, as the last rung of its ladder."""
        self.is_asked = False
        """Whether something was sent to it since it was last read."""
        self._unframer = m.from_host()
        self._out = bytearray()
        self.eof = False

    def known_as(self, pid: int) -> None:
        """The zygote told its pid; from here on its death is seen by a pidfd."""
        self.pid = pid
        with contextlib.suppress(ProcessLookupError):  # already dead: the zygote reports it too
            self.pidfd = os.pidfd_open(pid)

    def send(self, message: m.EngineMessage) -> None:
        """Queue a message and send what the socket takes."""
        self.is_asked = True
        self._out += m.frame(message)
        self.flush()

    def flush(self) -> None:
        """Send what waits, as far as the socket takes it."""
        while self._out and not self.eof:
            try:
                sent = self.sock.send(self._out)
            except (BlockingIOError, InterruptedError):
                return
            except (BrokenPipeError, ConnectionResetError):
                self.eof = True
                return
            del self._out[:sent]

    @property
    def wants_to_write(self) -> bool:
        """Whether messages wait for the socket."""
        return bool(self._out) and not self.eof

    def receive(self, now: float, most_bytes: int = READ_BYTES) -> list[m.HostMessage]:
        """What arrived, `READ_BYTES` at most; a reset connection counts as its end."""
        self.is_asked = False
        found: list[m.HostMessage] = []
        taken = 0
        while taken < most_bytes and not self.eof:
            try:
                data = self.sock.recv(READ_BYTES)
            except (BlockingIOError, InterruptedError):
                break
            except ConnectionResetError:
                data = b""
            if not data:
                self.eof = True
                break
            taken += len(data)
            try:
                found += self._unframer.feed(data)
            except m.GarbledFrameError:
                if not found:
                    raise
                break  # what came before is heard first; the next bytes raise again
        if found:
            self.heard = now
        return found

    def drain(self, now: float) -> list[m.HostMessage]:
        """Everything a dead host still said: those rows are valid; a torn tail is dropped."""
        return self.receive(now, DRAIN_BYTES)

    def kill(self, why: str) -> None:
        """SIGKILL to the host and its process group; the first reason given stays."""
        self.why_killed = self.why_killed or why
        if self.pidfd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
                os.killpg(self.pid, signal.SIGKILL)

    def sweep_group(self) -> None:
        """What the dead host's group still holds, e.g. tools that its executor started."""
        if self.pid == 0:
            return  # never known: group 0 would be the engine's own
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """Give the descriptors back."""
        self.sock.close()
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1

    def busy(self) -> Iterable[str]:
        """Ids of the attempts that it owns."""
        return self.given.keys()
