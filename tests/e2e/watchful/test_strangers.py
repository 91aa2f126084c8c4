"""Another user of the machine: kept out by the folder, by the socket's mode, by the kernel's word.

The stranger is a process that gives up being root, so these need root and are skipped without it.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.running import LONG, PACKAGE, Project, Watched

from runner.core import events as ev

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
NOBODY = 65534
STRANGER = """
import json, os, socket, sys
path, line = sys.argv[1], sys.argv[2].encode() + b"\\n"
client = socket.socket(socket.AF_UNIX)
client.settimeout(10)
os.setgroups([])
os.setgid(int(sys.argv[3]))
os.setuid(int(sys.argv[3]))
try:
    client.connect(path)
except OSError as error:
    print(json.dumps({"refused": error.errno}))
    sys.exit()
try:
    client.sendall(line)
except BrokenPipeError:
    pass  # hung up already, but not without a word
said = b""
try:
    while data := client.recv(65536):
        said += data
except ConnectionResetError:
    pass
print(json.dumps({"said": said.decode()}))
"""


def stranger(run: Watched, **request: Any) -> dict[str, Any]:
    """What another user gets who opens the control socket and sends this."""
    command = [sys.executable, "-c", STRANGER, str(run.dir / "control.sock")]
    done = subprocess.run(
        [*command, json.dumps(request), str(NOBODY)],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return json.loads(done.stdout)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    """A live run, every folder above which is open to all."""
    monkeypatch.setenv("PYTHONPATH", str(PACKAGE))
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    project = Project(folder)
    try:
        plan = project.write(tasks=2, workers=2, script='default = "silent"', limits=LONG)
        found = project.launch(plan)
        found.until(lambda state: len(state.owner) == 2)
        project.runs.chmod(0o755)
        yield found
    finally:
        project.close()
        shutil.rmtree(folder)


def test_three_walls_keep_another_user_out(run: Watched):
    worker = run.state().workers[0]
    kill = {"op": "kill", "worker": worker.worker, "attempt_id": worker.attempt_id}
    assert run.dir.stat().st_mode & 0o777 == 0o700
    assert stranger(run, **kill) == {"refused": 13}

    run.dir.chmod(0o711)
    assert (run.dir / "control.sock").stat().st_mode & 0o777 == 0o600
    assert stranger(run, **kill) == {"refused": 13}

    (run.dir / "control.sock").chmod(0o666)
    for request in (kill, {"op": "ping"}, {"op": "stop"}):
        said = stranger(run, **request)["said"]
        assert json.loads(said) == {"ok": False, "error": "this run belongs to another user"}

    assert run.ask("ping")["ok"]
    assert not run.of(ev.KillRequested) + run.of(ev.StopRequested) + run.of(ev.AttemptEnded)
    assert run.ask("kill", worker=0, attempt_id=worker.attempt_id)["ok"]
