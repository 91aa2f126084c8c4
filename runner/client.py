"""The door to a running engine: one JSON object a line each way over ``control.sock``.

Apart from the engine because any process of the same user may use it: screens, scripts, tests. A
call blocks for its answer, so screens make it from their source thread.
"""

import contextlib
import json
import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

from runner.errors import ControlRefused, EngineGone

ANSWER_S = 12.0
"""Longer than the 10 s after which the engine answers ``pending`` by itself."""
_QUEUE_S = 0.02
"""Between two tries to get a place in the queue of an engine that many call at once."""


def socket_path(run_dir: Path) -> Path:
    """Where the engine of that run listens: ``run.json`` tells it if the path was too long."""
    try:
        noted = json.loads((run_dir / "run.json").read_text("utf-8")).get("control")
    except (OSError, ValueError, AttributeError):
        noted = None
    return Path(noted) if isinstance(noted, str) and noted else run_dir / "control.sock"


class Control:
    """A connection to the engine of one run; `EngineGone` where nobody answers."""

    def __init__(self, run_dir: Path, timeout_s: float = ANSWER_S) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout_s)
        self._buffer = b""
        try:
            self._connect(str(socket_path(run_dir)), time.monotonic() + timeout_s)
        except OSError as error:
            self._socket.close()
            why = error.strerror or error  # a path too long has no errno
            raise EngineGone(f"no engine answers for {run_dir.name}: {why}") from error

    def _connect(self, path: str, until: float) -> None:
        """Connect; wait for a place in the queue, which the kernel does not for such sockets."""
        while True:
            try:
                self._socket.connect(path)
            except BlockingIOError:
                if time.monotonic() > until:
                    raise
                time.sleep(_QUEUE_S)
            else:
                return

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def ask(self, op: str, **fields: Any) -> dict[str, Any]:
        """The engine's answer to ``{"op": op, ...}``; `EngineGone` if it breaks off."""
        line = json.dumps({"op": op, **fields}).encode() + b"\n"
        try:
            with contextlib.suppress(BrokenPipeError):  # who hangs up says why before
                self._socket.sendall(line)
            while b"\n" not in self._buffer:
                data = self._socket.recv(65536)
                if not data:
                    raise EngineGone("the engine closed the connection")
                self._buffer += data
        except OSError as error:
            raise EngineGone(f"the engine does not answer: {error}") from error
        answer, _, self._buffer = self._buffer.partition(b"\n")
        try:
            found = json.loads(answer)
        except ValueError as error:
            raise EngineGone("the engine sent no JSON") from error
        if not isinstance(found, dict):
            raise EngineGone("the engine sent no object")
        return cast(dict[str, Any], found)


def command(run_dir: Path, op: str, **fields: Any) -> dict[str, Any]:
    """Ask once; `ControlRefused` where the engine says no (its words are the message)."""
    with Control(run_dir) as control:
        answer = control.ask(op, **fields)
    if not answer.get("ok"):
        raise ControlRefused(str(answer.get("error", "refused")))
    return answer
