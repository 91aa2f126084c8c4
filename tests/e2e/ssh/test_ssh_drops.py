"""Connections that drop, over a real sshd: the run does not notice, the viewer leaves."""

import os
import re
import shlex
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from support.running import Project, Watched, checked, wait_for
from support.sshd import Sshd
from support.viewer import Desk, cpu_s, gone_within, pids_with

from runner.core import events as ev
from runner.runs import list_runs

Begin = Callable[[Sequence[str]], Desk]
LEAVES_S = 35.0
STALL_S = 5.0
MOST_CPU = 0.05
A_MOMENT_S = 0.25
"""The rest of a start-up, or of a frame: no share of a second."""


class Wire:
    """A TCP proxy between client and server that can be cut."""

    def __init__(self, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._pair: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError:
            return
        server = socket.create_connection(self._target)
        self._pair = [client, server]
        for source, sink in ((client, server), (server, client)):
            threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            return

    def cut(self) -> None:
        """Both ends are told at once."""
        for end in self._pair:
            end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Give the sockets back."""
        for sock in (self._listener, *self._pair):
            sock.close()


class Session:
    """A dashboard over ssh, and three ways to lose it."""

    def __init__(self, begin: Begin, sshd: Sshd, remote: str, mark: str, how: str) -> None:
        # Without the proxy the kernel itself tells the server that the client is gone.
        self._wire = Wire(sshd.port) if how == "cut" else None
        os.environ["PILOT_TEST_MARK"] = mark
        self._desk = begin(sshd.command(remote, self._wire.port if self._wire else sshd.port))
        self._mark = mark

    def shown(self) -> str:
        """The screen, once the run is on it."""
        return self._desk.until("of 4000 tasks")

    def viewer(self) -> int:
        """Its pid on the other side."""
        (pid,) = pids_with(f"PILOT_TEST_MARK={self._mark}")
        return pid

    def drop(self) -> None:
        """Lose the connection."""
        if self._wire is not None:
            self._wire.cut()
        else:
            self._desk.process.send_signal(signal.SIGKILL)

    def stall(self, viewer: int) -> None:
        """The client is stopped and takes nothing any more: that costs the viewer nothing.

        sshd keeps the terminal for as long as the connection stands, so the viewer stays as well.
        """
        before = cpu_s(viewer)
        self._desk.process.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        wait_for(lambda: time.monotonic() - began > STALL_S)
        after = cpu_s(viewer)
        assert before is not None
        assert after is not None
        assert after - before <= MOST_CPU * STALL_S + A_MOMENT_S

    def close(self) -> None:
        """The client goes too, stopped or not."""
        self._desk.close()
        if self._wire is not None:
            self._wire.close()


def remote(*words: str) -> str:
    command = (sys.executable, "-m", "tui", *words)
    return f"exec {shlex.join(command)}"


def rounds(sshd: Sshd, plan: Path, project: Project, begin: Begin, how: str, times: int) -> None:
    """Start the run over ssh, lose the connection, attach, lose it again, ..."""
    found = Watched(project.runs / "steady")
    done = 0
    for number in range(times):
        words = ("attach", "steady") if number else ("run", str(plan), "--run-id", "steady")
        session = Session(begin, sshd, remote(*words), f"{how}-{number}-{os.getpid()}", how)
        try:
            screen = session.shown()
            if not number:
                project.started += [info for info in list_runs(project.runs) if info.live]
            counted = re.search(r"(\d+) of 4000 tasks", screen)
            assert counted is not None
            assert done <= int(counted[1]) <= len(found.state().done) + 2
            assert "ENGINE" not in screen
            viewer = session.viewer()
            done = len(found.state().done)
            if how == "stopped":
                session.stall(viewer)
            session.drop()
            took_s, used_s = gone_within(viewer, LEAVES_S)
            assert used_s <= MOST_CPU * took_s + A_MOMENT_S
        finally:
            session.close()
        wait_for(lambda before=done: len(found.state().done) > before)
    assert len(found.of(ev.EngineStarted)) == 1
    ended = {(event.outcome, event.cause) for event in found.of(ev.AttemptEnded)}
    assert ended == {("passed", "")}
    assert found.ask("stop")["ok"]
    found.ended()
    checked(found)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("how", ["killed", "stopped", "cut"])
def test_a_lost_connection_loses_nothing(
    sshd: Sshd, plan: Path, project: Project, desk: Begin, how: str
):
    rounds(sshd, plan, project, desk, how, 2)


@pytest.mark.drill
@pytest.mark.timeout(900)
@pytest.mark.parametrize("how", ["killed", "stopped", "cut"])
def test_twenty_lost_connections_lose_nothing(
    sshd: Sshd, plan: Path, project: Project, desk: Begin, how: str
):
    rounds(sshd, plan, project, desk, how, 20)
