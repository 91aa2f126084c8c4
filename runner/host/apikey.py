"""The key of an endpoint: from a variable, or from a command for short-lived tokens.

Apart from the clients because a key must never reach an SDK object, an exception, a record or a
log: the transport asks for it here and adds it to the bytes that leave, after everything that
executor code can look at.
"""

import os
import select
import signal
import subprocess
import threading
from typing import Final

from runner.core.plan import Endpoint
from runner.host.scope import Scope
from runner.masking import Secrets

_MAX_KEY_BYTES: Final = 64 * 1024
_COMMAND_LIMIT_S: Final = 60.0


class NoKey(RuntimeError):
    """The plan names a key that cannot be had. The text never holds what a command printed."""


class ApiKey:
    """The key of one endpoint, shared by all attempts of a process.

    What a command prints is added to ``secrets`` before anybody can use it.
    """

    def __init__(self, endpoint: Endpoint, secrets: Secrets | None = None) -> None:
        self._secrets = secrets or Secrets()
        self._name = endpoint.name
        self._env = endpoint.api_key_env
        self._command = endpoint.api_key_command
        self._token: str | None = None
        self._asking = False
        self._changed = threading.Condition()

    def at_hand(self) -> bool:
        """Whether `get` will answer without running a command."""
        return not self._command or self._token is not None

    def get(self, scope: Scope) -> str:
        """The key, "" if the endpoint needs none. Waits (under the scope) for the command.

        Raises NoKey if the variable is not set or the command fails.
        """
        if self._command:
            return self._token_of_command(scope)
        if not self._env:
            return ""
        key = os.environ.get(self._env, "").strip()
        if not key:
            raise NoKey(f"endpoint {self._name}: the variable {self._env} is not set")
        return key

    def refused(self, key: str) -> bool:
        """The server answered 401 to this key. True if asking again may give another one."""
        if not self._command:
            return False
        with self._changed:
            if self._token == key:
                self._token = None
        return True

    def _token_of_command(self, scope: Scope) -> str:
        """One run of the command serves all who wait for it; if it fails, the next one tries."""
        while True:
            with self._changed:
                if self._token is not None:
                    return self._token
                mine = not self._asking
                self._asking = True
            if mine:
                break
            scope.wait_for(self._changed, lambda: not self._asking)
        try:
            token = self._run(scope)
            self._secrets.add(token)
            self._token = token
            return token
        finally:
            with self._changed:
                self._asking = False
                self._changed.notify_all()

    def _run(self, scope: Scope) -> str:
        try:
            process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            raise NoKey(
                f"endpoint {self._name}: api_key_command does not start: {error.strerror}"
            ) from None
        assert process.stdout is not None
        try:
            with scope.limit("call", _COMMAND_LIMIT_S):
                said = _read_all(process.stdout.fileno(), scope)
                code = scope.popen_wait(process)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            process.stdout.close()
        token = said.decode("utf-8", "replace").strip()
        if code or not token:
            what = f"exited with {code}" if code else "printed nothing"
            raise NoKey(f"endpoint {self._name}: api_key_command {what}")
        return token


def _read_all(fd: int, scope: Scope) -> bytes:
    said = b""
    while len(said) <= _MAX_KEY_BYTES:
        scope.wait_fd(fd, select.POLLIN)
        part = os.read(fd, 4096)
        if not part:
            break
        said += part
    return said
