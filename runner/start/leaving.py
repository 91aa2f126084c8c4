"""Would logging out end the run? Some systems end all that a user started; then we say so first.

Apart from the engine because it concerns the person who leaves: a session of its own protects the
engine from a closing terminal, but not from logind, which goes by control group.
"""

import os
import pwd
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from runner.runs import LOCK

_LIMIT_S: Final = 2.0
_SESSION: Final = re.compile(r"/session-[^/]+\.scope")
_MANAGER: Final = re.compile(r"/user@\d+\.service")


class LogoutWarning(NamedTuple):
    """A sentence, and the command that prevents what it says."""

    text: str
    command: str


class Logind(NamedTuple):
    """What logind does at logout: its settings, and whether the user lingers."""

    kills: bool
    spared: tuple[str, ...]
    """Users that ``KillExcludeUsers`` names."""
    lingers: bool


def logout_warning(run_id: str, run_dir: Path) -> LogoutWarning | None:
    """What to say when the person leaves; None where the run outlives a logout, or none is known.

    Takes some hundredths of a second; two seconds where logind does not answer.
    """
    try:
        pid = int(msgspec.json.decode((run_dir / LOCK).read_bytes())["pid"])
        group = Path(f"/proc/{pid}/cgroup").read_text("utf-8", "replace")
        user = pwd.getpwuid(os.getuid()).pw_name
    except (OSError, KeyError, TypeError, ValueError):
        return None
    if not (_SESSION.search(group) or _MANAGER.search(group)):
        return None
    logind = ask_logind(user)
    return None if logind is None else judge(run_id, user, group, logind)


def judge(run_id: str, user: str, group: str, logind: Logind) -> LogoutWarning | None:
    """The warning for an engine in control group ``group`` (the text of its ``cgroup`` file)."""
    if _MANAGER.search(group):
        if logind.lingers:
            return None
        return LogoutWarning(
            "this system ends the run when you log out: your processes do not linger",
            "loginctl enable-linger",
        )
    if not _SESSION.search(group) or not logind.kills or user in logind.spared:
        return None
    # Lingering alone does not save what is in a session's scope; another scope does.
    linger = "" if logind.lingers else "loginctl enable-linger && "
    again = f"systemd-run --user --scope pilot-tui resume {run_id} --detach"
    return LogoutWarning(
        "this system ends the run when you log out (KillUserProcesses=yes of logind)",
        f"{linger}pilot-tui stop {run_id} && {again}",
    )


def ask_logind(user: str) -> Logind | None:
    """Logind's settings; None where there is no logind that answers."""
    program = shutil.which("loginctl")
    if program is None:
        return None
    manager = _properties([program, "show-user"])
    if "KillUserProcesses" not in manager:
        return None
    own = _properties([program, "show-user", user])
    return Logind(
        kills=manager["KillUserProcesses"] == "yes",
        spared=tuple(manager.get("KillExcludeUsers", "").split()),
        lingers=own.get("Linger") == "yes",
    )


def _properties(command: list[str]) -> dict[str, str]:
    """``Name=value`` lines of a command; none if it fails or takes too long."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return {}
    lines = done.stdout.splitlines() if done.returncode == 0 else []
    return {name: value for name, _, value in (line.partition("=") for line in lines)}
