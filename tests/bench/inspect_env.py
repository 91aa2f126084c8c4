"""An environment of its own for the peer that `make bench` compares with.

It is made once, from a hash-locked list, in a folder that git ignores. Nothing of it may get into
ours: its packages want other versions.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
LOCK: Final = ROOT / "requirements" / "bench.txt"
FOLDER: Final = ROOT / ".cache" / "bench"
INSTALL_S: Final = 600


class NotInstalledError(Exception):
    """It cannot be installed here; the text says why."""


def inspect_python() -> Path:
    """The interpreter that has ``inspect_ai``; made on first use, in one or two minutes."""
    key = hashlib.sha256(LOCK.read_bytes() + sys.version.encode() + str(ROOT).encode()).hexdigest()
    stamp, python = FOLDER / "stamp", FOLDER / "bin" / "python"
    if stamp.is_file() and stamp.read_text() == key:
        return python
    sys.stdout.write(f"\ninstalling what {LOCK.name} lists (about 360 MB) ...\n")
    _do(sys.executable, "-m", "venv", "--clear", str(FOLDER))
    pip = (str(python), "-m", "pip", "--quiet", "--disable-pip-version-check")
    _do(*pip, "install", "--require-hashes", "-r", str(LOCK))
    stamp.write_text(key)
    return python


def _do(*command: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    try:
        subprocess.run(
            command, check=True, capture_output=True, text=True, timeout=INSTALL_S, env=environment
        )
    except subprocess.CalledProcessError as error:
        lines = [line for line in error.stderr.splitlines() if "WARNING" not in line]
        raise NotInstalledError(lines[-1] if lines else str(error)) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstalledError(str(error)) from error
