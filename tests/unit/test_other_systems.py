"""What a system other than Linux lacks is told in words or done in another way."""

import os
import pty
import select
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from runner.doctor import diagnose_pids, end_processes
from runner.doctor.connections import silences
from runner.errors import StartFailed
from runner.hook import Hook
from runner.start.launching import launch, refusal, resume_run
from tui.source.terminal import TerminalWatch


def test_linux_is_no_reason_and_others_are_told_what_works() -> None:
    assert refusal("linux") == ""
    for platform in ("darwin", "freebsd14"):
        words = refusal(platform)
        assert platform in words
        assert "replay" in words


def test_no_run_is_started_or_made_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(StartFailed, match="Linux only"):
        launch(tmp_path / "plan.toml", runs_dir=tmp_path / "runs")
    with pytest.raises(StartFailed, match="Linux only"):
        resume_run(tmp_path)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("lacks", [["memfd_create"], ["waitid"], ["memfd_create", "waitid"]])
def test_a_hook_gets_its_message_and_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lacks: list[str]
) -> None:
    for name in lacks:
        monkeypatch.delattr(os, name)
    called = Hook(["cat"], tmp_path, dict(os.environ)).run(b'{"event": "test"}\n')
    assert (called.error, called.output) == ("", '{"event": "test"}\n')
    assert Hook(["sh", "-c", "exit 3"], tmp_path, dict(os.environ)).run(b"").error == "exit code 3"
    slow = Hook(["sleep", "60"], tmp_path, dict(os.environ)).run(b"", limit_s=0.2)
    assert slow.error == "ended after 0.2 s"


def test_a_process_that_cannot_be_held_is_not_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    process = subprocess.Popen(["sleep", "60"])
    try:
        listed = diagnose_pids([process.pid], window_s=0.2).processes
        monkeypatch.delattr(os, "pidfd_open")
        (ended,) = end_processes(listed, grace_s=0.2)
        assert ended.how == "refused"
        assert ended.why.endswith(f"kill {process.pid}")
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()


def test_without_netlink_ages_of_connections_cannot_be_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr("socket.AF_NETLINK")
    with pytest.raises(OSError, match="no netlink"):
        silences()


def test_a_terminal_that_cannot_be_polled_does_not_end_the_dashboard(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Poll:
        """As macOS had it: terminals are "not valid" to poll."""

        def __init__(self) -> None:
            self._real = select_poll()
            self._terminals: set[int] = set()

        def register(self, handle: int, events: int) -> None:
            if os.isatty(handle):
                self._terminals.add(handle)
            else:
                self._real.register(handle, events)

        def unregister(self, handle: int) -> None:
            self._terminals.remove(handle)
            forgotten.set()

        def poll(self, timeout: Any = None) -> list[tuple[int, int]]:
            refused = [(handle, select.POLLNVAL) for handle in self._terminals]
            return refused or self._real.poll(timeout)

    forgotten = threading.Event()
    select_poll = select.poll
    monkeypatch.setattr(select, "poll", Poll)
    ours, theirs = pty.openpty()
    try:
        with TerminalWatch(lambda number: None, handles=(theirs,)) as watch:
            assert forgotten.wait(5)
        assert watch.signalled == 0
    finally:
        os.close(ours)
        os.close(theirs)
