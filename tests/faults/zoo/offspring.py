"""The second half of ``animals.py``: those with processes of their own, and those that clean up."""

# ruff: noqa: BLE001 - this is what users write

import multiprocessing
import os
import subprocess
import sys
import threading
import time

FOREVER = 1e6


# -- processes ------------------------------------------------------------------------------------


def child(task, ctx):
    subprocess.run(["sleep", "1000"], check=False)
    return True


def stubborn_tree(task, ctx):
    script = "import signal, subprocess, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    script += "subprocess.Popen(['sleep', '1000'])\ntime.sleep(1000)"
    subprocess.run([sys.executable, "-c", script], check=False)
    return True


def own_session(task, ctx):
    subprocess.run(["setsid", "sh", "-c", "sleep 1000 & sleep 1001"], check=False)
    return True


def silent_pipe(task, ctx):
    process = subprocess.Popen(["sleep", "1000"], stdout=subprocess.PIPE)
    os.read(process.stdout.fileno(), 1)  # pyright: ignore[reportOptionalMemberAccess]
    return True


def orphan_holds_pipe(task, ctx):
    subprocess.run("sleep 1000 & echo started", shell=True, capture_output=True, check=False)
    return True


def child_left_behind(task, ctx):
    subprocess.Popen(["sleep", "1000"])
    return True


def fork_deadlock(task, ctx):
    gate = threading.Lock()
    gate.acquire()
    pid = os.fork()
    if pid == 0:
        gate.acquire()  # its owner is a thread that does not exist here
        os._exit(0)
    os.waitpid(pid, 0)
    return True


def fork_pool(task, ctx):
    with multiprocessing.get_context("fork").Pool(2) as pool:
        pool.map(time.sleep, [FOREVER] * 2)


# -- cleaning up ----------------------------------------------------------------------------------


def finally_sleeps(task, ctx):
    try:
        ctx.sleep(FOREVER)
    finally:
        time.sleep(FOREVER)


def finally_spins(task, ctx):
    try:
        ctx.sleep(FOREVER)
    finally:
        while True:
            pass


def finally_waits_for_child(task, ctx):
    try:
        ctx.sleep(FOREVER)
    finally:
        subprocess.run(["sleep", "1000"], check=False)


def swallows_the_end(task, ctx):
    try:
        ctx.sleep(FOREVER)
    except BaseException:
        return True
