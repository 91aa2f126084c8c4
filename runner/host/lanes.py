"""A wrapped script: each of its open requests takes a slot of this host and is an attempt there.

Apart from the command executor, where the engine says what runs when: here a foreign program does,
and a request waits for nobody. So the host itself begins the attempt (`Claimed`), and the slot's
thread carries the request: every limit, kill, record and sign of life works on it as on any other.
The program runs elsewhere; it reaches us on a port and with a token that its launcher chose.
"""

import contextlib
import os
import queue
import select
import socket
import threading
import time
from collections.abc import Callable
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, cast

import httpx2
import msgspec

from runner.client import command
from runner.core import messages
from runner.core.plan import Endpoint
from runner.core.text import one_line
from runner.core.wrapping import Door
from runner.errors import PilotError
from runner.host import attempt as attempts
from runner.host.agent import Ctx, Task
from runner.host.attempt import Attempt
from runner.host.outbox import Outbox
from runner.host.proxy import Handler
from runner.host.python import Executor
from runner.host.scope import Aborted, Scope

CLIENT_GONE: Final = "error:ClientGone"
_LOOK_S: Final = 0.25
"""How often a waiting request's connection is looked at: a script that gave up frees its lane."""
_LAUNCHER_S: Final = 1.0
_MODEL_CHARS: Final = 200
_AZURE: Final = "/openai/"


class _Asked(msgspec.Struct):
    model: str = ""


_asked = msgspec.json.Decoder(_Asked)


class Lanes:
    """The slots of a host as lanes for requests. ``start`` puts an attempt into its slot."""

    def __init__(self, setup: messages.Setup, door: Door, outbox: Outbox) -> None:
        self.door = door
        self._plan = setup.plan
        self._host = setup.host
        self._run_dir = Path(setup.run_dir)
        self._outbox = outbox
        self._count = 0
        self._lock = threading.Lock()
        self._waiting: dict[str, _Request] = {}
        self._start: Callable[[Attempt], bool] | None = None
        self._free: queue.PriorityQueue[int] = queue.PriorityQueue()
        for worker in setup.workers:
            self._free.put(worker)

    def load(self, scope: Scope) -> Executor:
        """The executor; there is nothing to import."""
        scope.check()
        return Executor(run=self._run)

    def open(self, start: Callable[[Attempt], bool]) -> None:
        """Take requests from now on. `OSError` if the port is taken."""
        self._start = start
        server = _Server(self)
        threading.Thread(target=server.serve_forever, name="lanes", daemon=True).start()
        threading.Thread(target=self._end_with_launcher, name="launcher", daemon=True).start()

    def _end_with_launcher(self) -> None:
        """A launcher that was killed tells nobody; its script has died with it, so the run ends."""
        while _is_alive(self.door.launcher):
            time.sleep(_LAUNCHER_S)
        with contextlib.suppress(PilotError):
            command(self._run_dir, "stop", drain=True)

    def idle(self, worker: int) -> None:
        """The slot is free again, and the engine knows."""
        self._free.put(worker)

    def carry(self, handler: Handler, body: bytes) -> None:
        """Have a lane answer the request; returns when that is done."""
        worker = self._free.get()
        request = _Request(handler, body)
        attempt = self._attempt(worker, request)
        assert self._start is not None
        self._start(attempt)
        while not request.done.wait(_LOOK_S):
            if request.hung_up():
                attempt.scope.cancel(CLIENT_GONE)

    def _attempt(self, worker: int, request: "_Request") -> Attempt:
        with self._lock:
            self._count += 1
            attempt_id = f"{self._host}-{self._count:05d}"
        endpoint = self._endpoint(request.handler.path)
        self._waiting[attempt_id] = request
        order = messages.Run(
            attempt_id=attempt_id,
            worker=worker,
            task_id=f"call-{attempt_id}",
            attempt=1,
            model=request.model,
            deployment=request.model,
            endpoint=endpoint.name,
            seed=0,
            labels={},
            data={},
        )
        attempt = Attempt(order, self._plan.models[0], endpoint, self._outbox)
        attempt.scope.at_close(lambda: self._unanswered(attempt_id))
        claim = messages.Claimed(time.monotonic(), attempt_id, worker, request.model, endpoint.name)
        self._outbox.post(claim)
        return attempt

    def _unanswered(self, attempt_id: str) -> None:
        """The attempt ended before its thread took the request up."""
        request = self._waiting.pop(attempt_id, None)
        if request is not None:
            request.handler.close_connection = True
            request.done.set()

    def _endpoint(self, path: str) -> Endpoint:
        """Azure's paths go to the plan's Azure endpoint, if it has one; all others to the first."""
        azure = (one for one in self._plan.endpoints if one.kind == "azure")
        found = next(azure, None) if path.startswith(_AZURE) else None
        return found or self._plan.endpoints[0]

    def _run(self, task: Task, ctx: Ctx) -> dict[str, Any]:
        attempt = attempts.current.get()
        assert attempt is not None
        request = self._waiting.pop(task.task_id.removeprefix("call-"))
        try:
            return request.answer(ctx.http_client, attempt)
        finally:
            request.done.set()


class _Request:
    """A request of the script, on its way through a lane."""

    def __init__(self, handler: Handler, body: bytes) -> None:
        self.handler = handler
        self.body = body
        self.done = threading.Event()
        self.model = _model_of(handler.path, body)

    def answer(self, http: httpx2.Client, attempt: Attempt) -> dict[str, Any]:
        """Pass the endpoint's answer on. An error status is the attempt's error too.

        What ended without an answer is refused in the endpoint's stead: an SDK may ask again, but
        not after a kill by a person.
        """
        handler = self.handler
        handler.is_answered = False
        try:
            with attempt.scope.on_cancel(self._cut):
                answer = handler.relay(http, attempt.endpoint, self.body)
        except Aborted as error:
            if not handler.is_answered:
                again = not error.reason.startswith("killed:")
                handler.refuse(504, f"ended by pilot-tui: {error.reason}", again=again)
            raise
        except httpx2.HTTPError as error:
            if not handler.is_answered:
                handler.refuse(502, f"{type(error).__name__}: {error}")
            raise
        answer.raise_for_status()
        return {"outcome": "passed", "score": 1.0, "status": answer.status_code}

    def _cut(self) -> None:
        """The script reads no more of an answer that was ended half-way: wake whoever writes."""
        if self.handler.is_answered:
            self.handler.close_connection = True
            try:
                self.handler.connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # gone already

    def hung_up(self) -> bool:
        """Whether the script has closed its end."""
        poll = select.poll()
        poll.register(self.handler.connection, select.POLLRDHUP | select.POLLHUP)
        return bool(poll.poll(0))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _model_of(path: str, body: bytes) -> str:
    """What the request calls its model: Azure's deployment, else what the body says."""
    parts = path.split("/")
    if path.startswith(f"{_AZURE}deployments/") and len(parts) > 4:
        return one_line(parts[3], _MODEL_CHARS)
    try:
        return one_line(_asked.decode(body).model, _MODEL_CHARS)
    except msgspec.DecodeError:
        return ""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 1024

    def __init__(self, lanes: Lanes) -> None:
        super().__init__(("127.0.0.1", lanes.door.port), _LaneHandler)
        self.lanes = lanes


class _LaneHandler(Handler):
    """A connection of the wrapped script."""

    def pass_on(self, body: bytes) -> None:
        """By the next free lane."""
        lanes = cast(_Server, self.server).lanes
        if self.token != lanes.door.token:
            self.refuse(401, "this key is not the one that the wrapped script was given")
            return
        lanes.carry(self, body)
