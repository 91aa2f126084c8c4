"""Starting and stopping the endpoint from another program, such as a test or the demo."""

import http.client
import os
import select
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, Any, Self
from urllib.parse import quote

import msgspec

from runner.rehearse.script import Script

_START_S = 20.0  # two busy cores import slowly; a healthy start takes 0.2 s
_STOP_S = 3.0
_MODULE_ROOT = Path(__file__).parents[2]


class RehearsalError(RuntimeError):
    """The endpoint did not start, or does not answer."""


class _Ready(msgspec.Struct):
    port: int
    pid: int


class Rehearsal:
    """A running endpoint; a context manager that stops it. Made by `start`.

    It ends by itself when this process ends, however it ends.
    """

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self._process = process
        self.port = port

    @classmethod
    def start(cls, script: Script | None = None, *, port: int = 0) -> Self:
        """Start the endpoint and wait until it accepts; RehearsalError says why it did not."""
        arguments = ["--script", "-", "--stdin-guard", "--parent-pid", str(os.getpid())]
        with tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", "runner.rehearse", "--port", str(port), *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=_MODULE_ROOT,
                start_new_session=True,  # a Ctrl-C meant for the dashboard must not end it
            )
            try:
                ready = _handshake(process, script or Script())
            except (OSError, msgspec.DecodeError) as error:
                _end(process)
                errors.seek(0)
                said = errors.read().decode(errors="replace").strip()
                raise RehearsalError(said or f"the endpoint did not start: {error}") from error
        return cls(process, ready.port)

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._process.pid

    @property
    def base_url(self) -> str:
        """What OpenAI clients call base_url."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def azure_endpoint(self) -> str:
        """What AzureOpenAI clients call azure_endpoint."""
        return f"http://127.0.0.1:{self.port}"

    def url_for(self, behaviour: str) -> str:
        """A base_url all of whose calls meet `behaviour`, whatever model or task they name."""
        return f"http://127.0.0.1:{self.port}/rehearse/{quote(behaviour, safe='')}/v1"

    def stats(self) -> dict[str, Any]:
        """The counters: connections, open, calls (by model), behaviours, tasks."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/stats", headers={"connection": "close"})
            return msgspec.json.decode(connection.getresponse().read(), type=dict[str, Any])
        except (OSError, http.client.HTTPException, msgspec.DecodeError) as error:
            raise RehearsalError(f"the endpoint does not answer: {error}") from error
        finally:
            connection.close()

    def stop(self) -> None:
        """End the server and wait for it; a second time does nothing."""
        _end(self._process)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _handshake(process: subprocess.Popen[bytes], script: Script) -> _Ready:
    """Send the script, read the line that says the port."""
    source, sink = _pipe(process.stdout), _pipe(process.stdin)
    sink.write(msgspec.json.encode(script) + b"\n")
    sink.flush()
    return msgspec.json.decode(_line(source.fileno(), _START_S), type=_Ready)


def _line(descriptor: int, within_s: float) -> bytes:
    """The first line from `descriptor`; TimeoutError if it takes longer, b"" at its end."""
    deadline = time.monotonic() + within_s
    line = bytearray()
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    while not line.endswith(b"\n"):
        left_s = deadline - time.monotonic()
        if left_s <= 0 or not poll.poll(left_s * 1000):
            raise TimeoutError(f"no sign of life within {within_s:.0f} s")
        data = os.read(descriptor, 4096)
        if not data:
            break
        line += data
    return bytes(line)


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None, "start() asks for both pipes"
    return pipe


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None and not pipe.closed:
            try:
                pipe.close()
            except BrokenPipeError:
                pass  # the unread script of a server that never started
