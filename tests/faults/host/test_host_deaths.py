"""How hosts, the zygote and the engine die, and that nothing survives whoever it depended on."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from runner.core import messages as m
from runner.core import zygote_wire as z

ROOT = Path(__file__).parents[3]


def wait_gone(pids, timeout_s=2.0):
    """Wait until none of the processes lives; fails after ``timeout_s``."""
    began = time.monotonic()
    while alive := [pid for pid in pids if lives(pid)]:
        assert time.monotonic() < began + timeout_s, f"still alive after {timeout_s} s: {alive}"
        time.sleep(0.005)


def lives(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize(("do", "status"), [("os_exit", 7), ("segv", -signal.SIGSEGV)])
def test_host_that_dies_is_reported_by_the_zygote(start, zygote, do, status):
    host = start()
    host.run("a1", do)
    assert zygote.wait_for(z.Died, pid=host.pid).status == status
    if do == "segv":
        assert "do_segv" in host.log_path.read_text()


def test_host_leaves_when_the_connection_ends(start, zygote):
    host = start()
    host.socket.shutdown(socket.SHUT_RDWR)
    assert zygote.wait_for(z.Died, 2.0, pid=host.pid).status == 0


def test_host_leaves_on_quit_even_with_work(start, zygote):
    host = start()
    host.run("a1", "busy")
    host.wait(m.Running)
    host.send(m.Quit())
    assert zygote.wait_for(z.Died, 2.0, pid=host.pid).status == 0


def test_garbage_from_the_engine_ends_the_host(start, zygote):
    host = start()
    host.socket.sendall(b"\xff" * 100)
    zygote.wait_for(z.Died, 2.0, pid=host.pid)
    assert "GarbledFrame" in host.log_path.read_text()


def test_held_gil_stops_the_beats_and_the_log_names_the_line(start):
    host = start()
    host.run("a1", "regex")
    thread = host.wait(m.Started).thread
    host.wait(m.Running)
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        host.read(0.1)
    silent_s = time.monotonic() - host.messages[-1][0]
    assert silent_s > 1.0
    hottest = max(psutil.Process(host.pid).threads(), key=lambda one: one.user_time)
    assert hottest.id == thread
    libc = __import__("ctypes").CDLL(None)
    libc.syscall(234, host.pid, thread, signal.SIGUSR1)  # tgkill
    end = time.monotonic() + 2.0
    while "do_regex" not in host.log_path.read_text():
        assert time.monotonic() < end, host.log_path.read_text()
        time.sleep(0.01)


def test_kill_of_a_host_spares_its_neighbours(start, zygote):
    first, second = start(), start()
    os.killpg(first.pid, signal.SIGKILL)
    assert zygote.wait_for(z.Died, pid=first.pid).status == -9
    second.run("a1", "pass")
    assert second.wait(m.Ended).outcome == "passed"


def test_children_of_a_dead_host_are_ended(start, zygote):
    host = start()
    host.run("a1", "child")
    child = host.wait(m.Child, attempt_id="a1", running=True)
    grandchild = host.wait_until(
        lambda one: isinstance(one, m.Child) and one.running and "sleep" in one.command
    )[1]
    os.kill(host.pid, signal.SIGKILL)  # the host alone, not its group
    zygote.wait_for(z.Died, pid=host.pid)
    wait_gone([child.pid, grandchild.pid])


def test_hosts_carry_the_run_and_are_the_first_to_go_when_memory_runs_out(start):
    host = start()
    process = psutil.Process(host.pid)
    assert process.environ()["PILOT_RUN"] == "test-run"
    assert Path(f"/proc/{host.pid}/oom_score_adj").read_text().strip() == "500"
    assert os.getpgid(host.pid) == host.pid
    assert os.getsid(host.pid) == host.pid


ENGINE = textwrap.dedent(
    """
    import sys, time
    from pathlib import Path
    sys.path.insert(0, {tests!r})
    from conftest import *

    zygote = Zygote("orphan-run")
    zygote.wait_for(z.Ready)
    bounds = Limits()
    plan = Plan(
        run=RunSection(workers=2), limits=bounds, watch=Watch(), stop=Stop(), loops=Loops(),
        resources=Resources(), tasks=Tasks(executor="python", entry="zoo:run"),
        endpoints=(Endpoint(name="e", base_url="http://127.0.0.1:9/v1"),),
        models=(Model(name="m", endpoint="e", deployments=("m-a",), limits=bounds),),
    )
    hosts = [Host(zygote, number, plan, Path({folder!r})) for number in range(3)]
    for host, do in zip(hosts, ("regex", "sleep_in_c", "busy")):
        host.wait(m.Hello)
        host.run("a1", do)
        host.wait(m.Running)
    print(zygote.process.pid, *(host.pid for host in hosts), flush=True)
    time.sleep(60)
    """
)


@pytest.mark.parametrize("victim", ["engine", "zygote"])
def test_nothing_outlives_what_it_depends_on(tmp_path, victim):
    """One host holds the GIL, one is blocked in C, one is stopped: no pipe would end these."""
    script = ENGINE.format(tests=str(Path(__file__).parent), folder=str(tmp_path))
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as engine:
        try:
            assert engine.stdout is not None
            pids = [int(word) for word in engine.stdout.readline().split()]
            assert len(pids) == 4
            os.kill(pids[2], signal.SIGSTOP)
            os.kill(engine.pid if victim == "engine" else pids[0], signal.SIGKILL)
            wait_gone(pids)
        finally:
            engine.kill()


def test_zygote_says_why_it_cannot_start(tmp_path, zygote_command):
    (tmp_path / "openai.py").write_text("raise RuntimeError('half installed')")
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.settimeout(20)
    with (
        ours,
        subprocess.Popen(
            zygote_command(theirs),
            pass_fds=(theirs.fileno(),),
            start_new_session=True,
            env=os.environ | {"PYTHONPATH": f"{tmp_path}:{ROOT}"},
            cwd=ROOT,
        ) as process,
    ):
        theirs.close()
        failed = z.from_zygote(ours.recv(z.MAX_PACKET_BYTES))
        assert isinstance(failed, z.Failed)
        assert failed.host is None
        assert "half installed" in failed.text
        assert process.wait(5) == 1


def test_forks_are_quick_and_small(start):
    began = time.monotonic()
    hosts = [start() for _ in range(5)]
    took_s = (time.monotonic() - began) / 5
    pss = [int(_pss_kb(host.pid)) for host in hosts]
    assert took_s < 0.25
    assert max(pss) < 60 * 1024


def _pss_kb(pid):
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return next(line.split()[1] for line in text.splitlines() if line.startswith("Pss:"))
