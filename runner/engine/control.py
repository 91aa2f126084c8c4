"""The control socket: one JSON object a line each way, for the same user only.

Apart from the commands because this half is about hostile bytes: lines that never end, clients that
say nothing, other users. Nothing here can disturb the run: it shares the loop, never waits, and
gives up on a client long before it costs anything.
"""

import contextlib
import hashlib
import json
import os
import pwd
import selectors
import socket
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec

MAX_LINE_BYTES: Final = 64 * 1024
SILENT_S: Final = 30.0
"""A client that has said nothing for this long is hung up on; viewers ask once a second."""
MAX_CLIENTS: Final = 64
MAX_UNSENT_BYTES: Final = 1024 * 1024
_ACCEPTED_AT_ONCE: Final = 16
_PATH_MOST: Final = 100
"""``sun_path`` holds 108 bytes; the rest is margin."""


_requests: msgspec.json.Decoder[dict[str, Any]] = msgspec.json.Decoder(dict[str, Any])


class Client:
    """One connection. ``origin`` names who acts: user, terminal, ssh client address."""

    def __init__(self, sock: socket.socket, now: float) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.heard = now
        self.pings = 0
        self.pid, self.uid = peer(sock)
        self._in = bytearray()
        self._out = bytearray()
        self._origin = ""
        self.over = False

    @property
    def origin(self) -> str:
        """Who acts, asked of the kernel and not of the client; looked up once."""
        if not self._origin:
            self._origin = origin_of(self.pid, self.uid)
        return self._origin

    def lines(self, now: float) -> list[bytes]:
        """Whole lines that arrived, and one over the cap as far as it came.

        The end of input ends the client.
        """
        try:
            data = self.sock.recv(MAX_LINE_BYTES)
        except (BlockingIOError, InterruptedError):
            return []
        except OSError:
            data = b""
        if not data:
            self.over = True
            return []
        self.heard = now
        self._in += data
        *whole, rest = self._in.split(b"\n")
        self._in = rest
        lines = [bytes(line) for line in whole]
        return [*lines, bytes(rest)] if len(rest) > MAX_LINE_BYTES else lines

    def answer(self, fields: dict[str, Any]) -> None:
        """Send one answer, as far as the client reads."""
        if self.over and not self._out:
            return
        self._out += json.dumps(fields).encode() + b"\n"
        if len(self._out) > MAX_UNSENT_BYTES:
            self.over = True
        self.flush()

    def refuse(self, error: str) -> None:
        """Say what is wrong and hang up."""
        self.answer({"ok": False, "error": error})
        self.over = True

    def flush(self) -> None:
        """Send what waits."""
        while self._out:
            try:
                sent = self.sock.send(self._out)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                self.over = True
                self._out.clear()
                return
            del self._out[:sent]

    @property
    def wants_to_write(self) -> bool:
        """Whether an answer waits for the client."""
        return bool(self._out)


class ControlServer:
    """Listens in the run folder; ``handle`` gets each request that is an object with an op."""

    def __init__(
        self,
        run_dir: Path,
        selector: selectors.BaseSelector,
        handle: Callable[[Client, dict[str, Any]], None],
    ) -> None:
        self._selector = selector
        self._handle = handle
        self.path = control_path(run_dir)
        self.clients: set[Client] = set()
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()  # stale: the run's lock says that no other engine listens there
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        before = os.umask(0o177)
        try:
            self._listener.bind(str(self.path))
        finally:
            os.umask(before)
        self._listener.listen(2 * MAX_CLIENTS)  # a full backlog refuses, even who would wait
        self._listen(on=True)

    def _accept(self, now: float) -> None:
        """Let in who waits: several at a time, or a crowd would wait for as many turns."""
        for _ in range(_ACCEPTED_AT_ONCE):
            try:
                sock, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:
                self._listen(on=False)  # no descriptor is free: a later `step` lets in who waits
                return
            self._admit(sock, now)

    def _listen(self, *, on: bool) -> None:
        """Let clients in, or leave them in the queue, where they wait without costing a turn."""
        listening = self._listener in self._selector.get_map()
        if on and not listening:
            self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        elif listening and not on:
            self._selector.unregister(self._listener)

    def _admit(self, sock: socket.socket, now: float) -> None:
        client = Client(sock, now)
        if client.uid not in (os.getuid(), 0):
            client.refuse("this run belongs to another user")
        elif len(self.clients) >= MAX_CLIENTS:
            client.refuse("too many connections")
        if client.over:
            sock.close()
            return
        self.clients.add(client)
        self._selector.register(sock, selectors.EVENT_READ, partial(self._read, client))

    def _read(self, client: Client, now: float) -> None:
        client.flush()  # it may be here because the client reads again
        for line in client.lines(now):
            self._take(client, line)
            if client.over:
                break
        self._settle(client)

    def _take(self, client: Client, line: bytes) -> None:
        """One line: a request, nothing at all, or the client's last."""
        if len(line) > MAX_LINE_BYTES:
            client.refuse(f"a line of over {MAX_LINE_BYTES} bytes")
            return
        if not line.strip():
            return
        try:
            request = _requests.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            client.refuse("bad JSON: want one object a line")
            return
        if isinstance(request.get("op"), str):
            self._handle(client, request)
        else:
            client.refuse("want an op")

    def _settle(self, client: Client) -> None:
        """Write on when the client reads, or let it go."""
        if client.over:
            self._drop(client)
        elif client in self.clients:
            events = selectors.EVENT_READ | (client.wants_to_write and selectors.EVENT_WRITE)
            key = self._selector.get_key(client.sock)
            if key.events != events:
                self._selector.modify(client.sock, events, key.data)

    def _drop(self, client: Client) -> None:
        if client in self.clients:
            self.clients.discard(client)
            self._selector.unregister(client.sock)
            client.sock.close()

    def step(self, now: float) -> None:
        """Send on, let go of clients that say nothing, and listen again."""
        self._listen(on=True)
        for client in list(self.clients):
            client.flush()
            if now - client.heard > SILENT_S:
                client.refuse("silent for too long")
            self._settle(client)

    @property
    def viewers(self) -> int:
        """Connections that ask again and again: dashboards."""
        return sum(1 for client in self.clients if client.pings > 1)

    def close(self) -> None:
        """Hang up on all and take the socket away."""
        for client in list(self.clients):
            client.flush()
            self._drop(client)
        self._listen(on=False)
        self._listener.close()
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()


def control_path(run_dir: Path) -> Path:
    """``control.sock`` in the run folder, or in the user's runtime folder if that is too long.

    There its name tells runs of one id in different folders apart.
    """
    path = run_dir / "control.sock"
    if len(str(path).encode()) <= _PATH_MOST:
        return path
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    folder = Path(runtime) if runtime else Path(f"/tmp/pilot-tui-{os.getuid()}")  # noqa: S108
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to another user")
    which = hashlib.blake2b(os.fsencode(run_dir.absolute()), digest_size=6).hexdigest()
    return folder / f"pilot-{which}.sock"


def peer(sock: socket.socket) -> tuple[int, int]:
    """Pid and uid of the other end, as the kernel knows them."""
    size = struct.calcsize("3i")
    pid, uid, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return pid, uid


def origin_of(pid: int, uid: int) -> str:
    """``user@pts/3 from 10.0.0.7``: user, terminal and ssh client of a process."""
    try:
        who = pwd.getpwuid(uid).pw_name
    except KeyError:
        who = str(uid)
    terminal = ""
    with contextlib.suppress(OSError):
        target = str(Path(f"/proc/{pid}/fd/0").readlink())
        terminal = target.removeprefix("/dev/") if target.startswith("/dev/pts/") else ""
    address = ""
    with contextlib.suppress(OSError):
        for entry in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
            name, _, value = entry.partition(b"=")
            if name == b"SSH_CLIENT" and value:
                address = value.split()[0].decode("ascii", "replace")
    return who + (f"@{terminal}" if terminal else "") + (f" from {address}" if address else "")
