"""The host's one way out: a queue that every thread may fill, sent by whoever fills it.

Apart because it is the only place where a worker can wait for the engine. A message is handed to
the kernel by the thread that has it, without waiting: to wake another one for that cost an eighth
of a streamed call's CPU. Only what the kernel does not take is left to a writer, which may block.
"""

import os
import socket
import threading
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

import msgspec

from runner.core.messages import Message, frame
from runner.host.scope import Scope
from runner.masking import Secrets

SEND_BYTES: Final = 64 * 1024
FULL_BYTES: Final = 1024 * 1024
"""Above this backlog `put` waits: an executor that floods is slowed down, not the host's memory."""


class Outbox:
    """Frames for the engine, in order. The process ends when the engine's end is closed."""

    def __init__(self, connection: socket.socket, secrets: Secrets) -> None:
        self._connection = connection
        self._secrets = secrets
        self._frames: deque[bytes | bytearray] = deque()
        self._backlog_bytes = 0
        # Re-entrant: a stream that is collected as garbage in here tells of its end.
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._is_sending = False
        """Whether a thread sends; what others add meanwhile goes by it, and none waits for it."""
        self._is_blocked = False
        """Whether that is the writer, because the kernel took no more."""
        self._waiting = 0
        """How many wait for the backlog to shrink."""
        self._is_cut = False
        threading.Thread(target=self._write, name="outbox", daemon=True).start()

    @property
    def backlog_bytes(self) -> int:
        """What is queued or being sent."""
        return self._backlog_bytes

    def put(self, scope: Scope, *messages: Message, now: bool = True) -> None:
        """Send messages of a running attempt; waits, as long as its scope lets it, for room.

        Those that need not leave now go with the next that does, at the latest with a beat.
        """
        if self._backlog_bytes > FULL_BYTES:
            with self._one_more_waits():
                scope.wait_for(self._changed, lambda: self._backlog_bytes <= FULL_BYTES)
        self.post(*messages, now=now)

    def post(self, *messages: Message, now: bool = True) -> None:
        """Send messages without waiting: for what is few by nature and must not be held up."""
        if self._is_cut:
            return
        data = frame(*messages)
        if self._secrets.inside(data):
            data = frame(*map(self._masked, messages))
        with self._lock:
            if data:
                self._frames.append(data)
                self._backlog_bytes += len(data)
            if self._is_sending or not (now or self._backlog_bytes > SEND_BYTES):
                return
            self._is_sending = True
            chunk = self._next()
        self._send(chunk)

    def flush(self, timeout_s: float) -> bool:
        """Wait until everything was handed to the kernel; False if ``timeout_s`` was too short."""
        with self._one_more_waits():
            self.post()
            with self._changed:
                return self._changed.wait_for(lambda: self._backlog_bytes == 0, timeout_s)

    def cut(self) -> None:
        """In a fork, which has no writer and perhaps a lock that nobody will release: say nothing.

        The connection is closed there, so that it does not hide the end of this host.
        """
        self._is_cut = True
        self._backlog_bytes = 0
        self._connection.close()

    @contextmanager
    def _one_more_waits(self) -> Generator[None]:
        with self._lock:
            self._waiting += 1
        try:
            yield
        finally:
            with self._lock:
                self._waiting -= 1

    def _masked(self, message: Message) -> Message:
        """Every text leaves by `post`, so that a key is caught there, whatever brought it in."""
        plain = msgspec.to_builtins(message, builtin_types=(bytes,))
        return msgspec.convert(self._secrets.mask_all(plain), type(message))

    def _send(self, chunk: bytes) -> None:
        """Send all that the kernel takes at once, ``chunk`` first; the rest is the writer's."""
        while chunk:
            try:
                sent = self._connection.send(chunk, socket.MSG_DONTWAIT)
            except BlockingIOError:
                sent = 0
            except OSError:
                os._exit(0)  # the engine is gone, and a host without one has no work
            with self._lock:
                self._backlog_bytes -= sent
                if sent < len(chunk):
                    self._frames.appendleft(chunk[sent:])
                    self._is_blocked = True
                    self._changed.notify_all()
                    return
                chunk = self._next()

    def _write(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._is_blocked)
                chunk = self._next()
            while chunk:
                try:
                    self._connection.sendall(chunk)
                except OSError:
                    os._exit(0)
                with self._lock:
                    self._backlog_bytes -= len(chunk)
                    if self._waiting:
                        self._changed.notify_all()
                    chunk = self._next()

    def _next(self) -> bytes:
        """As many frames as go out at once; empty, and nobody sends any more, if there are none.

        Under the lock.
        """
        if not self._frames:
            self._is_sending = self._is_blocked = False
            if self._waiting:
                self._changed.notify_all()
            return b""
        if self._backlog_bytes <= SEND_BYTES:
            chunk = b"".join(self._frames)
            self._frames.clear()
            return chunk
        frames = [self._frames.popleft()]
        size = len(frames[0])
        while self._frames and size + len(self._frames[0]) <= SEND_BYTES:
            frames.append(self._frames.popleft())
            size += len(frames[-1])
        return b"".join(frames)


class Rate:
    """A token bucket: ``per_s`` on average, ``burst`` at once. Times are passed in."""

    def __init__(self, per_s: float, burst: float, now: float) -> None:
        self._per_s = per_s
        self._burst = burst
        self._tokens = burst
        self._at = now

    def allow(self, now: float) -> bool:
        """Take a token if there is one."""
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._per_s)
        self._at = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True
