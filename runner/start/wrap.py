"""``pilot-tui wrap -- COMMAND``: a foreign script whose every model call passes through a run.

Apart from `launch` because the run here has no plan file and no tasks of its own: the script keeps
its pool, its output and its exit code, and finds our port where SDKs look for their server. It is a
child of this process and ends with it; the run ends when the script has.
"""

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Final

from msgspec import Struct

from runner.client import command
from runner.core.wrapping import VARIABLE, Door
from runner.engine.durable import write_file
from runner.errors import EngineError, EngineGone, StartFailed
from runner.runs import RunInfo, engine_alive
from runner.start.demo import bypass_proxies
from runner.start.launching import ENGINE_LOG, launch

WORKERS: Final = 32
PLANS: Final = ".wrap"
"""Below the runs folder: the plans that are made here."""
PREFIX: Final = "/v1"
_OPENAI: Final = "https://api.openai.com/v1"
_AZURE_VERSION: Final = "2024-10-21"
_OPEN_S: Final = 30.0
_END_S: Final = 15.0
_POLL_S: Final = 0.05
_EXEC: Final = str(Path(__file__).parents[1] / "host" / "launch.py")


class Wrapped(Struct, frozen=True):
    """A run that waits for the script's calls."""

    info: RunInfo
    door: Door

    def run(self, argv: Sequence[str]) -> int:
        """Run the script to its end, then let the run end; the script's exit code.

        Ctrl-C reaches the script from the terminal; SIGTERM and SIGHUP are passed on.
        """
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", _EXEC, str(os.getpid()), *argv],
            env=_environment(os.environ, self.door),
        )
        with _passed_on(process):
            code = process.wait()
        self.close()
        return code if code >= 0 else 128 - code

    def close(self) -> None:
        """Have the run end once open requests have; waits for that a little."""
        with contextlib.suppress(EngineGone):
            command(self.info.run_dir, "stop", drain=True)
        until = time.monotonic() + _END_S
        while engine_alive(self.info.run_dir) and time.monotonic() < until:
            time.sleep(_POLL_S)


def start_wrap(
    runs_dir: Path,
    name: str,
    *,
    workers: int = WORKERS,
    run_id: str | None = None,
    overrides: Mapping[str, str] | None = None,
) -> Wrapped:
    """Start an engine with one lane for each of ``workers`` open requests, and wait for its port.

    The servers and keys are those that this process's environment names.
    """
    bypass_proxies()
    door = Door(_free_port(), secrets.token_urlsafe(24), os.getpid())
    folder = runs_dir / PLANS / secrets.token_hex(4)
    try:
        folder.mkdir(parents=True)
        write_file(folder / "plan.toml", wrap_plan(name, workers, os.environ).encode())
    except OSError as error:
        raise EngineError(f"{folder} cannot be written: {error.strerror}") from error
    os.environ[VARIABLE] = str(door)
    try:
        info = launch(
            folder / "plan.toml", runs_dir=runs_dir, overrides=overrides or {}, run_id=run_id
        )
    finally:
        del os.environ[VARIABLE]
    _wait_for(door.port, info.run_dir)
    return Wrapped(info, door)


def wrap_plan(name: str, workers: int, environ: Mapping[str, str]) -> str:
    """The plan as TOML. The script's SDK repeats failed calls by its own rules, so we do not."""
    base_url = environ.get("OPENAI_BASE_URL") or _OPENAI
    endpoints = [f'name = "openai"\nbase_url = {json.dumps(base_url)}']
    if environ.get("OPENAI_API_KEY"):
        endpoints[0] += '\napi_key_env = "OPENAI_API_KEY"'
    names = ["openai"]
    azure = environ.get("AZURE_OPENAI_ENDPOINT")
    if azure:
        version = environ.get("OPENAI_API_VERSION") or _AZURE_VERSION
        text = f'name = "azure"\nkind = "azure"\nbase_url = {json.dumps(azure)}\n'
        text += f"api_version = {json.dumps(version)}"
        if environ.get("AZURE_OPENAI_API_KEY"):
            text += '\napi_key_env = "AZURE_OPENAI_API_KEY"'
        endpoints.append(text)
        names.append("azure")
    tables = "\n\n".join(f"[[endpoints]]\n{text}" for text in endpoints)
    return f"""\
# Made by pilot-tui wrap: every call of the script is a task, every open call has a lane.

[run]
name = {json.dumps(name)}
workers = {workers}
max_attempts = 1
start_interval = 0

[limits]
retries = 0

[stop]
error_rate = 0

[resources]
hosts = 1

{tables}

[[models]]
name = "any"
endpoint = {json.dumps(names)}

[tasks]
executor = "wrap"
"""


def _environment(environ: Mapping[str, str], door: Door) -> dict[str, str]:
    """The script's: SDKs find our port where they look for a server, and the token as their key."""
    root = f"http://127.0.0.1:{door.port}"
    return {
        **environ,
        "OPENAI_BASE_URL": root + PREFIX,
        "OPENAI_API_BASE": root + PREFIX,
        "OPENAI_API_KEY": door.token,
        "AZURE_OPENAI_ENDPOINT": root,
        "AZURE_OPENAI_API_KEY": door.token,
        "OPENAI_API_VERSION": environ.get("OPENAI_API_VERSION") or _AZURE_VERSION,
    }


@contextlib.contextmanager
def _passed_on(process: "subprocess.Popen[bytes]") -> Generator[None]:
    """Signals that are meant for the script reach it; a Ctrl-C has reached it already."""

    def pass_on(number: int, _frame: FrameType | None) -> None:
        if number != signal.SIGINT:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, pass_on) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _free_port() -> int:
    """A port that is free now. Another program could take it first; our token protects us then."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int, run_dir: Path) -> None:
    until = time.monotonic() + _OPEN_S
    while time.monotonic() < until and engine_alive(run_dir):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
            return
        time.sleep(_POLL_S)
    raise StartFailed(f"the run takes no calls; see {run_dir / ENGINE_LOG}")
