"""Executors that misbehave, one function each; the task's ``do`` names it."""

# ruff: noqa: BLE001, PTH123, T201 - what users write: prints, catch-alls, open()

import asyncio
import ctypes
import os
import re
import subprocess
import sys
import threading
import time

GATE = threading.Lock()


def run(task, ctx):
    return globals()["do_" + task.data["do"]](task, ctx)


def prepare(task, ctx):
    if task.data["do"] == "slow_prepare":
        time.sleep(60)


def score(task, ctx, result):
    if task.data["do"] == "slow_score":
        while True:
            pass
    return result


def do_pass(task, ctx):
    return {"outcome": "passed", "score": 1.0, "note": task.data.get("note", "")}


def do_give(task, ctx):
    return task.data["result"]


def do_slow_score(task, ctx):
    return True


def do_slow_prepare(task, ctx):
    return True


def do_call(task, ctx):
    ctx.client.chat.completions.create(
        model=ctx.model,
        messages=[{"role": "user", "content": "hi"}],
        stream=task.data.get("stream", False),
    )
    return True


def do_ctx_sleep(task, ctx):
    ctx.sleep(60)


def do_busy(task, ctx):
    while True:
        pass


def do_sleep_in_c(task, ctx):
    time.sleep(task.data.get("seconds", 30))
    ctx.log("late")
    return True


def do_lock(task, ctx):
    GATE.acquire()
    try:
        GATE.acquire(timeout=task.data.get("seconds", 5))
    finally:
        GATE.release()


def do_bare_except(task, ctx):
    end = time.monotonic() + task.data.get("seconds", 4)
    while time.monotonic() < end:
        try:
            while time.monotonic() < end:
                pass
        except BaseException:
            pass
    ctx.log("late")
    return {"outcome": "passed"}


def do_blocking_finally(task, ctx):
    try:
        ctx.sleep(60)
    finally:
        time.sleep(task.data.get("seconds", 4))


def do_regex(task, ctx):
    ctx.sleep(0.2)  # or the host may freeze before it has said that the attempt runs
    re.match(r"(a+)+$", "a" * task.data.get("n", 40) + "b")


def do_exit(task, ctx):
    sys.exit(3)


def do_os_exit(task, ctx):
    os._exit(7)


def do_segv(task, ctx):
    ctypes.string_at(0)


def do_raise(task, ctx):
    raise ValueError("wrong key sk-abcdefghijklmnopqrstuv\x1b[31m and " + os.environ["ZOO_KEY"])


def do_flood(task, ctx):
    for number in range(task.data["lines"]):
        print("line", number)
    return True


def do_log_flood(task, ctx):
    for number in range(task.data["lines"]):
        ctx.log(f"line {number}")
    return True


def do_child(task, ctx):
    script = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    script += "import subprocess\nsubprocess.Popen(['sleep', '300'])\ntime.sleep(300)"
    subprocess.run([sys.executable, "-c", script], check=False)


def do_left_child(task, ctx):
    subprocess.Popen(["sleep", "300"])
    return True


def do_thread_prints(task, ctx):
    thread = threading.Thread(target=print, args=("from a helper",))
    thread.start()
    thread.join()
    print("from the worker")
    return True


async def do_async(task, ctx):
    await asyncio.sleep(60)


async def do_async_pass(task, ctx):
    await asyncio.sleep(0.01)
    return True


def do_turns(task, ctx):
    for number in range(task.data["turns"]):
        with ctx.turn() as turn:
            with ctx.tool("bash", command="ls"):
                pass
            turn.features({"kind": "search", "signature": str(number)})
        with open(ctx.dir / "out", "a") as file:
            file.write("x")
    return 0.5


def do_leftover(task, ctx):
    def later():
        time.sleep(0.3)
        print("too late")

    threading.Thread(target=later, daemon=True).start()
    return True


def do_forked_worker(task, ctx):
    pid = os.fork()
    if pid == 0:
        for number in range(20_000):
            print("from the fork", number)
            ctx.log("and by ctx")
        os._exit(5)
    _, status = os.waitpid(pid, 0)
    return {"outcome": "passed", "status": os.waitstatus_to_exitcode(status)}


def do_fork(task, ctx):
    pid = os.fork()
    if pid == 0:
        time.sleep(300)
        os._exit(0)
    time.sleep(0.2)
    os._exit(9)


def do_many_threads(task, ctx):
    end = time.monotonic() + task.data["seconds"]
    while time.monotonic() < end:
        threads = [threading.Thread(target=time.sleep, args=(0.001,)) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return True
