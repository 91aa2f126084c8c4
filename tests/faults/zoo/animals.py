"""Executor code that hangs, spins, leaks and lies: what users' agents really do (hang zoo, A-U).

The table in ``cases.py`` names the function (``do``) and the stage in which it misbehaves, so each
of them can be let loose in prepare, run or score.
"""

# ruff: noqa: BLE001, PTH123, T201, ASYNC251 - this is what users write

import asyncio
import contextlib
import ctypes
import fcntl
import logging
import os
import queue
import re
import select
import signal
import socket
import sys
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import httpx2
import offspring
import openai

FOREVER = 1e6
ASK = [{"role": "user", "content": "go"}]
STALLED_NAME = "stalled.test"

_ask_resolver = socket.getaddrinfo


def _stalling_resolver(host, *args, **options):
    """A name server that takes the question and never answers, for one name."""
    if host == STALLED_NAME:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as question:
            question.bind(("127.0.0.1", 0))
            answer = select.poll()
            answer.register(question, select.POLLIN)
            answer.poll()
    return _ask_resolver(host, *args, **options)


socket.getaddrinfo = _stalling_resolver


def prepare(task, ctx):
    if task.data["stage"] == "prepare":
        misbehave(task, ctx)


def run(task, ctx):
    if task.data["stage"] != "run":
        return True
    if task.data["late"]:
        ctx.sleep(3.0)  # what ends by itself must not free its slot before all slots are taken
    return misbehave(task, ctx)  # a coroutine is awaited by the host


def score(task, ctx, result):
    if task.data["stage"] == "score":
        misbehave(task, ctx)
    return result


def misbehave(task, ctx):
    name = task.data["do"]
    function = globals().get(name) or getattr(offspring, name)
    return function(task, ctx)


# -- calls through ctx.client: the endpoint is what misbehaves ------------------------------------


def stream(task, ctx):
    for _ in ctx.client.chat.completions.create(model=ctx.model, messages=ASK, stream=True):
        pass
    return True


def plain(task, ctx):
    ctx.client.chat.completions.create(model=ctx.model, messages=ASK)
    return True


def upload(task, ctx):
    long = [{"role": "user", "content": "x" * 12_000_000}]  # more than two sockets hold
    ctx.client.chat.completions.create(model=ctx.model, messages=long)
    return True


def turns_then_stream(task, ctx):
    for _ in range(4):
        with ctx.turn():
            ctx.sleep(0.25)
    return stream(task, ctx)


def repeat(task, ctx):
    for _ in range(50):
        with ctx.turn() as turn:
            turn.features({"kind": "search", "signature": "the same"})
            ctx.sleep(0.02)
    return True


def calls_then_pass(task, ctx):
    for _ in range(3):
        with ctx.turn():
            plain(task, ctx)
    return True


# -- clients that executor code builds by itself --------------------------------------------------


def own_client(task, ctx):
    own = openai.OpenAI(base_url=ctx.endpoint_url, api_key="mine", timeout=None, max_retries=0)
    return _call_as(own, task, ctx)


def own_client_retries(task, ctx):
    own = openai.OpenAI(base_url=ctx.endpoint_url, api_key="mine", timeout=2, max_retries=1000)
    return _call_as(own, task, ctx)


def own_client_short_timeout(task, ctx):
    own = openai.OpenAI(base_url=ctx.endpoint_url, api_key="mine", timeout=0.5, max_retries=0)
    return _call_as(own, task, ctx)


def _call_as(own, task, ctx):
    header = {"x-pilot-task": task.id}
    own.chat.completions.create(model=ctx.model, messages=ASK, extra_headers=header)
    return True


def short_timeout(task, ctx):
    ctx.client.with_options(timeout=0.5).chat.completions.create(model=ctx.model, messages=ASK)
    return True


def own_pool_of_one(task, ctx):
    only_one = httpx2.Client(limits=httpx2.Limits(max_connections=1), timeout=None)
    body = {"model": ctx.model, "messages": ASK, "stream": True}
    url = ctx.endpoint_url + "/chat/completions"
    header = {"x-pilot-task": task.id}
    with only_one.stream("POST", url, json=body, headers=header):
        only_one.post(url, json=body, headers=header)


def urllib_call(task, ctx):
    body = b'{"model": "m", "messages": [{"role": "user", "content": "go"}]}'
    headers = {"content-type": "application/json", "x-pilot-task": task.id}
    request = urllib.request.Request(ctx.endpoint_url + "/chat/completions", body, headers)
    with urllib.request.urlopen(request) as answer:
        return bool(answer.read())


def raw_recv(task, ctx):
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        return bool(client.recv(1))


def resolve_by_ctx(task, ctx):
    ctx.http_client.get(f"http://{STALLED_NAME}/")


def resolve_by_socket(task, ctx):
    socket.create_connection((STALLED_NAME, 80))


# -- computing ------------------------------------------------------------------------------------


def busy(task, ctx):
    while True:
        pass


def catches_everything(task, ctx):
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass


def regex(task, ctx):
    ctx.log("freezing")
    ctx.sleep(0.6)
    re.match(r"(a|a)*b", "a" * 40)


def sum_in_c(task, ctx):
    ctx.log("freezing")
    ctx.sleep(0.6)
    return sum(range(10**13)) > 0


def freeze_soon(task, ctx):
    ctx.sleep(0.1)
    return sum(range(10**13)) > 0


def stop_own_process(task, ctx):
    ctx.log("freezing")
    ctx.sleep(0.6)
    os.kill(os.getpid(), signal.SIGSTOP)
    ctx.sleep(FOREVER)


# -- waiting --------------------------------------------------------------------------------------


def sleep(task, ctx):
    time.sleep(FOREVER)


def lock(task, ctx):
    gate = threading.Lock()
    gate.acquire()
    gate.acquire()


def queue_get(task, ctx):
    queue.Queue().get()


def pool_exit(task, ctx):
    with ThreadPoolExecutor(1) as pool:
        pool.submit(time.sleep, FOREVER).result(timeout=0.5)


def fifo(task, ctx):
    path = ctx.dir / "fifo"
    os.mkfifo(path)
    with open(path) as nobody_writes:
        nobody_writes.read()


def flock(task, ctx):
    path = ctx.dir / "taken"
    with open(path, "w") as first, open(path, "w") as second:
        fcntl.flock(first, fcntl.LOCK_EX)
        fcntl.flock(second, fcntl.LOCK_EX)


def logging_lock(task, ctx):
    handler = logging.StreamHandler()
    holder = threading.Thread(target=lambda: (handler.acquire(), time.sleep(FOREVER)), daemon=True)
    holder.start()
    time.sleep(0.1)
    handler.acquire()


async def never_set(task, ctx):
    await asyncio.Event().wait()


async def blocks_the_loop(task, ctx):
    time.sleep(FOREVER)


async def refuses_to_be_cancelled(task, ctx):
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(FOREVER)


async def to_thread(task, ctx):
    await asyncio.to_thread(time.sleep, FOREVER)


async def own_wait_for(task, ctx):
    await asyncio.wait_for(asyncio.Event().wait(), 0.5)


# -- words ----------------------------------------------------------------------------------------


def print_flood(task, ctx):
    while True:
        print("x" * 200)


def log_flood(task, ctx):
    while True:
        ctx.log("x" * 200)


# -- ends of its own ------------------------------------------------------------------------------


def inner_timeout(task, ctx):
    raise TimeoutError("the tool took longer than 180 s")


def own_alarm(task, ctx):
    def late(number, frame):
        raise TimeoutError("by SIGALRM")

    signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    time.sleep(FOREVER)


def leaves(task, ctx):
    sys.exit(3)


def thread_left_behind(task, ctx):
    threading.Thread(target=time.sleep, args=(FOREVER,), daemon=True).start()
    return True


def no_result(task, ctx):
    return {"outcome": "excellent"}


def huge_result(task, ctx):
    return {"outcome": "passed", "score": 1.0, "story": "x" * 5_000_000}


def exits_at_once(task, ctx):
    os._exit(7)


def segfault(task, ctx):
    ctypes.string_at(0)


def aborts(task, ctx):
    os.abort()


def alarm_without_handler(task, ctx):
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    time.sleep(FOREVER)


def memory_hog(task, ctx):
    held = []
    for _ in range(400):
        held.append(bytearray(4 * 1024 * 1024))
        time.sleep(0.01)
    time.sleep(FOREVER)


# -- the others -----------------------------------------------------------------------------------


def steady(task, ctx):
    for _ in range(task.data["turns"]):
        with ctx.turn():
            plain(task, ctx)
    return True


def all_slots_at_once(task, ctx):
    """Passes only if as many of these run at the same moment as the run had slots."""
    folder = ctx.dir.parents[1] / "present"
    folder.mkdir(exist_ok=True)
    (folder / task.id).touch()
    for _ in range(250):
        if len(list(folder.iterdir())) >= task.data["slots"]:
            return True
        ctx.sleep(0.02)
    return False
