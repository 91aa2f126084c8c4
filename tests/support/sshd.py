"""A real sshd on loopback: throwaway keys, a configuration of its own, a high port."""

import getpass
import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from support.running import wait_for

SSHD = shutil.which("sshd") or "/usr/sbin/sshd"


class Sshd:
    """The server and how to reach it. Ended by its pid."""

    def __init__(self, folder: Path) -> None:
        missing = [name for name in ("ssh", "ssh-keygen") if shutil.which(name) is None]
        if missing or not Path(SSHD).is_file():
            pytest.skip("no OpenSSH server here: install openssh-server to run this test")
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        self.folder = folder
        folder.mkdir(mode=0o700)
        for name in ("host", "user"):
            key = folder / name
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)]
            subprocess.run(command, check=True, timeout=20)
        (folder / "authorized").write_bytes((folder / "user.pub").read_bytes())
        self.port = _free_port()
        (folder / "sshd_config").write_text(f"""
ListenAddress 127.0.0.1
Port {self.port}
HostKey {folder}/host
AuthorizedKeysFile {folder}/authorized
PidFile {folder}/pid
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
AcceptEnv PILOT_* XDG_* PYTHONPATH NO_PROXY
PrintMotd no
LogLevel ERROR
""")
        command = [SSHD, "-D", "-e", "-f", str(folder / "sshd_config")]
        self._log = (folder / "log").open("wb")
        self._process = subprocess.Popen(command, stderr=self._log, stdin=subprocess.DEVNULL)

    def wait(self) -> None:
        """Until it listens; skips the test where it does not start."""

        def listens() -> bool:
            if self._process.poll() is not None:
                said = (self.folder / "log").read_text(errors="replace").strip()
                pytest.skip(f"sshd does not start here: {said[-200:]}")
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.port)) == 0

        wait_for(listens, 15)

    def command(self, remote: str, port: int | None = None) -> list[str]:
        """An ssh client that runs ``remote`` on a terminal of the other side."""
        options = [
            *("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"),
            *("-o", "LogLevel=ERROR", "-o", "IdentitiesOnly=yes", "-o", "ControlPath=none"),
            *("-o", "SendEnv=PILOT_* XDG_* PYTHONPATH NO_PROXY"),
        ]
        return [
            *("ssh", "-F", "/dev/null", "-tt", "-i", str(self.folder / "user"), *options),
            *("-p", str(port or self.port), f"{getpass.getuser()}@127.0.0.1", remote),
        ]

    def close(self) -> None:
        """End it. Its sessions end when their clients go."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.send_signal(signal.SIGKILL)
                self._process.wait(5)
        self._log.close()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]
