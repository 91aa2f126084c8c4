"""Hosts as local processes, forked by the zygote.

The zygote is the only child of the engine. It imports once, so a host costs milliseconds; its death
is the death of all hosts (they have PDEATHSIG on it), and a new one is started for them.
"""

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Final

import msgspec

from runner.core import zygote_wire as z
from runner.engine.hosts.link import HostLink
from runner.engine.hosts.scribe import Scribe
from runner.engine.leftovers import MARK
from runner.logfile import FLAGS
from runner.masking import Secrets

_PACKAGE_ROOT: Final = Path(__file__).resolve().parents[3]


class LocalHosts:
    """Starts hosts and says who died. Call it from one long-lived thread only.

    PDEATHSIG follows the thread that starts a process: a helper thread that ends would take the
    zygote with it.
    """

    def __init__(self, run_dir: Path, run_id: str, secrets: Secrets, python: str = "") -> None:
        self._run_dir = run_dir
        self._run_id = run_id
        self._python = python or sys.executable
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._pending: list[tuple[bytes, list[int]]] = []
        self._scribe = Scribe(secrets)

    @property
    def socket(self) -> socket.socket | None:
        """The zygote's socket, to be watched by the loop; None while there is no zygote."""
        return self._socket

    @property
    def pid(self) -> int:
        """The zygote's pid, 0 while there is none."""
        return self._process.pid if self._process else 0

    def start_zygote(self) -> None:
        """Start the process that forks hosts. `OSError` where the interpreter cannot be run."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        environment = {
            **os.environ,
            "PILOT_RUN": self._run_id,
            MARK: str(self._run_dir),
            "PYTHONUNBUFFERED": "1",
        }
        if self._python != sys.executable:
            path = [str(_PACKAGE_ROOT), *filter(None, [environment.get("PYTHONPATH", "")])]
            environment["PYTHONPATH"] = os.pathsep.join(path)
        command = [self._python, "-m", "runner.host.zygote"]
        command += ["--fd", str(theirs.fileno()), "--parent", str(os.getpid())]
        output = self._scribe.pipe_to(self._run_dir / "zygote.log")
        with theirs:
            try:
                self._process = subprocess.Popen(
                    command,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    pass_fds=(theirs.fileno(),),
                    start_new_session=True,
                )
            except OSError:
                ours.close()
                raise
            finally:
                os.close(output)
        ours.setblocking(False)
        self._socket = ours

    def start(self, host: int, workers: list[int], now: float) -> HostLink:
        """Order a host for these workers; it says `Hello` when it is up."""
        if self._socket is None:
            raise RuntimeError("no zygote")
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        path = self._run_dir / f"host-{host}.log"
        fds = [theirs.detach(), os.open(path, FLAGS, 0o600), self._scribe.pipe_to(path)]
        self._pending.append((z.packet(z.Fork(host=host)), fds))
        self.flush()
        return HostLink(host, workers, ours, now)

    def flush(self) -> None:
        """Send the orders that wait for the zygote's socket."""
        while self._pending and self._socket is not None:
            data, fds = self._pending[0]
            try:
                socket.send_fds(self._socket, [data], fds)
            except (BlockingIOError, InterruptedError):
                return
            except (BrokenPipeError, ConnectionResetError):
                pass  # the zygote is gone: its end of file is handled by `receive`
            del self._pending[0]
            for fd in fds:
                os.close(fd)

    def receive(self) -> list[z.ZygoteMessage] | None:
        """What the zygote said; None if it is gone."""
        found: list[z.ZygoteMessage] = []
        while self._socket is not None:
            try:
                data = self._socket.recv(z.MAX_PACKET_BYTES)
            except (BlockingIOError, InterruptedError):
                return found
            except ConnectionResetError:
                data = b""
            if not data:
                return found or None
            try:
                found.append(z.from_zygote(data))
            except msgspec.DecodeError:
                return None
        return found

    def drop_zygote(self) -> str:
        """Forget a dead zygote and end what may be left of it; how it ended, in words."""
        for _, fds in self._pending:
            for fd in fds:
                os.close(fd)
        self._pending.clear()
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._process is None:
            return "never started"
        self._process.kill()
        status = self._process.wait()
        self._process = None
        return f"signal {-status}" if status < 0 else f"exit {status}"

    def close(self) -> None:
        """End the zygote and with it every host."""
        if self._process is not None:
            self.drop_zygote()

    def settle(self) -> None:
        """Put what they still said into their logs. Once, after the loop: it waits for the disk."""
        self._scribe.close()
