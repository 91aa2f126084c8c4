"""The zygote: imports once what every host needs, then forks a host per request.

``import openai`` costs 0.4 s of CPU in each process; a fork after it costs 4-14 ms. It is a process
of its own because only a single-threaded one may fork safely. ``runner.core.zygote_wire`` says how
it is started and what it understands; it writes nothing but to its socket and stderr.
"""

import argparse
import faulthandler
import gc
import importlib
import os
import platform
import select
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

import msgspec

from runner.core.zygote_wire import (
    MAX_PACKET_BYTES,
    Died,
    Failed,
    Fork,
    Forked,
    Ready,
    ZygoteMessage,
    packet,
    to_fork,
)
from runner.host import birth, children

Serve = Callable[[socket.socket, int], NoReturn]


def main(argv: list[str] | None = None) -> NoReturn:
    """Run as ``python -m runner.host.zygote --fd N --parent PID`` until the engine is gone."""
    parser = argparse.ArgumentParser(prog="runner.host.zygote")
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--parent", type=int, required=True)
    options = parser.parse_args(argv)
    birth.die_with_parent(options.parent)
    birth.adopt_orphans()
    engine = socket.socket(fileno=options.fd)
    engine.set_inheritable(False)
    started = time.monotonic()
    try:
        serve = _prepare()
    except BaseException:  # noqa: BLE001 - whatever stops the import, the engine must hear of it
        _tell(engine, Failed(traceback.format_exc()))
        os._exit(1)
    _tell(engine, Ready(os.getpid(), platform.python_version(), time.monotonic() - started))
    Zygote(engine, serve).run()


def _prepare() -> Serve:
    """Import everything, prove the guard, and make what is loaded cheap to share."""
    for name in ("openai", "runner.host.bench.executor"):
        importlib.import_module(name)  # here, once, so that no host pays for it
    from runner.host import foreign, guard, main, warmup

    guard.self_test()
    foreign.install()
    warmup.warm_up()
    if (threads := threading.active_count()) != 1:
        names = ", ".join(thread.name for thread in threading.enumerate())
        raise RuntimeError(f"{threads} threads before the first fork: {names}")
    gc.collect()
    gc.freeze()  # a host's collector then does not touch, and so not copy, what is shared
    return main.serve


class Zygote:
    """Forks on request and reports the dead. Single-threaded; owns its end of the socket."""

    def __init__(self, engine: socket.socket, serve: Serve) -> None:
        self._engine = engine
        self._serve = serve
        self._hosts: set[int] = set()
        self._lost: set[int] = set()
        """Sessions of dead hosts: what still runs in one of them is to be killed."""
        self._wake_in, self._wake_out = os.pipe()
        for fd in (self._wake_in, self._wake_out):
            os.set_blocking(fd, False)

    def run(self) -> NoReturn:
        """Answer requests until the engine's end closes."""
        signal.signal(signal.SIGCHLD, _wake_up_only)
        signal.set_wakeup_fd(self._wake_out, warn_on_full_buffer=False)
        poller = select.poll()
        poller.register(self._engine, select.POLLIN)
        poller.register(self._wake_in, select.POLLIN)
        while True:
            ready = {fd for fd, _ in poller.poll()}
            if self._wake_in in ready:
                os.read(self._wake_in, 4096)
                self._reap()
            if self._engine.fileno() in ready:
                self._answer()

    def _answer(self) -> None:
        try:
            data, fds, _, _ = socket.recv_fds(self._engine, MAX_PACKET_BYTES, 3)
        except ConnectionError:
            os._exit(0)
        if not data:
            os._exit(0)
        try:
            request = to_fork(data)
            connection, log, output = fds
        except (msgspec.DecodeError, ValueError) as error:
            _tell(self._engine, Failed(f"not a Fork with three descriptors: {error}"))
            os._exit(1)
        try:
            _tell(self._engine, Forked(request.host, self._fork(request, connection, log, output)))
        except OSError as error:
            _tell(self._engine, Failed(f"cannot fork: {error}", request.host))
        finally:
            for fd in fds:
                os.close(fd)

    def _fork(self, request: Fork, connection: int, log: int, output: int) -> int:
        zygote = os.getpid()
        pid = os.fork()
        if pid == 0:
            try:
                self._become_host(request, zygote, connection, log, output)
            finally:
                os._exit(70)  # unreachable unless the steps above raised: EX_SOFTWARE
        self._hosts.add(pid)
        self._lost.discard(pid)  # numbers are given out again
        return pid

    def _become_host(
        self, request: Fork, zygote: int, connection: int, log: int, output: int
    ) -> NoReturn:
        os.setsid()
        birth.die_with_parent(zygote)
        birth.adopt_orphans()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for fd in (self._wake_in, self._wake_out):
            os.close(fd)
        self._engine.close()
        birth.prefer_for_oom(request.oom_score_adj)
        for standard in (sys.stdout.fileno(), sys.stderr.fileno()):
            os.dup2(output, standard)
        os.close(output)
        try:
            # One thread only: the one that got the signal. A process-wide signal would name
            # whichever thread took it, and stop after 100 of them.
            faulthandler.register(signal.SIGUSR1, file=log, all_threads=False)
            faulthandler.enable(file=log, all_threads=False)
            self._serve(socket.socket(fileno=connection), log)
        except BaseException:  # the last words of a host belong into its log
            traceback.print_exc()
            sys.stderr.flush()
            raise

    def _reap(self) -> None:
        """Report dead hosts, and end what they have left running.

        Children of a dead host become ours, and theirs in turn when they die, so this comes to an
        end by itself. Those that have left the host's session are known to the engine by `Child`.
        """
        while (reaped := _wait_for_any()) is not None:
            pid, status = reaped
            if pid in self._hosts:
                self._hosts.discard(pid)
                self._lost.add(pid)
                _tell(self._engine, Died(pid, os.waitstatus_to_exitcode(status)))
        for orphan in set(children.own()) - self._hosts:
            try:
                if os.getsid(orphan) in self._lost:
                    os.kill(orphan, signal.SIGKILL)
            except ProcessLookupError:
                continue


def _wait_for_any() -> tuple[int, int] | None:
    """A dead child and its status; None if there is none now."""
    try:
        pid, status = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return None
    return (pid, status) if pid else None


def _wake_up_only(_number: int, _frame: FrameType | None) -> None:
    """For a signal that only has to interrupt `poll`, by the wake-up descriptor."""


def _tell(engine: socket.socket, message: ZygoteMessage) -> None:
    """Send one packet; an engine that is gone needs none, and neither does it need a zygote."""
    try:
        engine.sendall(packet(message))
    except OSError:
        os._exit(0)


if __name__ == "__main__":
    main()
