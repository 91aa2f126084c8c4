"""A wrapped script: each of its open requests takes a slot of this host and is an attempt there.

Apart from the command executor, where the engine says what runs when: here a foreign program does,
and a request waits for nobody. So the host itself begins the attempt (`Claimed`), and the slot's
thread carries the request: every limit, kill, record and sign of life works on it as on any other.
The program runs elsewhere; it reaches us on a port and with a token that its launcher chose.
"""

import contextlib
import heapq
import os
import select
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import httpx2
import msgspec

from runner.client import command
from runner.core import messages
from runner.core.plan import Endpoint
from runner.core.text import one_line
from runner.core.wrapping import Door
from runner.errors import PilotError
from runner.host.agent import Ctx, Task
from runner.host.attempt import PATIENT, Attempt
from runner.host.outbox import Outbox
from runner.host.proxy import relay
from runner.host.proxy_http import Program, Request, Server
from runner.host.python import Executor
from runner.host.scope import Aborted, Scope
from runner.host.transport import GuardTransport
from runner.host.verdict import Verdict

CLIENT_GONE: Final = "error:ClientGone"
_LOOK_S: Final = 0.25
"""How often a waiting request's connection is looked at: a script that gave up frees its lane."""
_LAUNCHER_S: Final = 1.0
_MODEL_CHARS: Final = 200
_PATIENT: Final = PATIENT | {messages.Claimed}
"""What a lane says is followed at once by more: `CallStarted`, `Ended`."""
_AZURE: Final = "/openai/"
_RDHUP: Final[int] = getattr(select, "POLLRDHUP", 0)  # Linux tells of it before all is read


class _Asked(msgspec.Struct):
    model: str = ""


_asked = msgspec.json.Decoder(_Asked)


class Lanes:
    """The slots of a host as lanes for requests.

    A request is carried by its connection's own thread, so none waits for another's.
    """

    def __init__(self, setup: messages.Setup, door: Door, outbox: Outbox) -> None:
        self.door = door
        self._plan = setup.plan
        azure = (one for one in self._plan.endpoints if one.kind == "azure")
        self._azure = next(azure, self._plan.endpoints[0])
        self._host = setup.host
        self._run_dir = Path(setup.run_dir)
        self._outbox = outbox
        self._count = 0
        self._lock = threading.Lock()
        self._requests: dict[str, _Carried] = {}
        """By attempt id: what is in a lane now."""
        self._serve: Callable[[Attempt], object] | None = None
        self._free = _Free(setup.workers)
        self._goes_on = threading.Event()
        self._goes_on.set()

    def load(self, scope: Scope) -> Executor:
        """The executor; there is nothing to import."""
        scope.check()
        return Executor(run=self._run)

    def open(self, serve: Callable[[Attempt], object]) -> None:
        """Take requests from now on; ``serve`` carries an attempt out in the calling thread.

        `OSError` if the port is taken.
        """
        self._serve = serve
        server = _LaneServer(self)
        work = (server.serve_forever, self._end_with_launcher, self._look_for_hang_ups)
        for function in work:
            threading.Thread(target=function, name=function.__name__, daemon=True).start()

    def hold(self, *, on: bool) -> None:
        """Let new requests wait until further notice, or go on. Those in a lane are not touched."""
        if on:
            self._goes_on.clear()
        else:
            self._goes_on.set()

    def _end_with_launcher(self) -> None:
        """A launcher that was killed tells nobody; its script has died with it, so the run ends."""
        while _is_alive(self.door.launcher):
            time.sleep(_LAUNCHER_S)
        with contextlib.suppress(PilotError):
            command(self._run_dir, "stop", drain=True)

    def _look_for_hang_ups(self) -> None:
        """A script that gave a request up frees its lane."""
        while True:
            time.sleep(_LOOK_S)
            for carried in list(self._requests.values()):
                program = carried.program
                if not program.is_complete and has_hung_up(program.connection):
                    carried.attempt.scope.cancel(CLIENT_GONE)

    def idle(self, worker: int) -> None:
        """The slot is free again, and the engine knows."""
        self._free.put(worker)

    def carry(self, program: Program, request: Request) -> None:
        """Have a lane answer the request; returns when that is done."""
        worker = self._lane(program)
        if worker is None:
            program.stays = False
            return
        attempt = self._attempt(worker, request)
        self._requests[attempt.id] = _Carried(attempt, program, request)
        assert self._serve is not None
        try:
            self._serve(attempt)
        finally:
            del self._requests[attempt.id]
        if not program.is_answered:  # ended before it was asked
            program.refuse(504, f"ended by pilot-tui: {attempt.scope.reason}")

    def _lane(self, program: Program) -> int | None:
        """A free lane, None if the script gave up while it waited for one."""
        wait_s = 0.0
        while not (wait_s and has_hung_up(program.connection)):
            if self._goes_on.is_set():
                worker = self._free.get(wait_s)
                if worker is not None:
                    return worker
            wait_s = _LOOK_S
            self._goes_on.wait(wait_s)
        return None

    def _attempt(self, worker: int, request: Request) -> Attempt:
        with self._lock:
            self._count += 1
            attempt_id = f"{self._host}-{self._count:05d}"
        endpoint = self._endpoint(request.path)
        model = _model_of(request.path, request.body)
        order = messages.Run(
            attempt_id=attempt_id,
            worker=worker,
            task_id=f"call-{attempt_id}",
            attempt=1,
            model=model,
            deployment=model,
            endpoint=endpoint.name,
            seed=0,
            labels={},
            data={},
        )
        attempt = Attempt(order, self._plan.models[0], endpoint, self._outbox)
        attempt.is_claimed = True
        attempt.patient = _PATIENT
        return attempt

    def _endpoint(self, path: str) -> Endpoint:
        """Azure's paths go to the plan's Azure endpoint, if it has one; all others to the first."""
        return self._azure if path.startswith(_AZURE) else self._plan.endpoints[0]

    def _run(self, task: Task, _ctx: Ctx) -> Verdict:
        carried = self._requests[task.task_id.removeprefix("call-")]
        return carried.answer()


class _Free:
    """The free lanes, the lowest first. What `queue.PriorityQueue` does, without its ten calls."""

    def __init__(self, workers: list[int]) -> None:
        self._lanes = sorted(workers)
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._waiting = 0

    def put(self, worker: int) -> None:
        """A lane is free again."""
        with self._lock:
            heapq.heappush(self._lanes, worker)
            if self._waiting:
                self._changed.notify()

    def get(self, wait_s: float) -> int | None:
        """Take a lane, None if there was none for ``wait_s``."""
        with self._lock:
            if wait_s and not self._lanes:
                self._waiting += 1
                self._changed.wait_for(lambda: bool(self._lanes), wait_s)
                self._waiting -= 1
            return heapq.heappop(self._lanes) if self._lanes else None


class _Carried(NamedTuple):
    """A request of the script on its way through a lane."""

    attempt: Attempt
    program: Program
    request: Request

    def answer(self) -> Verdict:
        """Pass the endpoint's answer on. An error status is the attempt's error too.

        What ended without an answer is refused in the endpoint's stead: an SDK may ask again, but
        not after a kill by a person.
        """
        attempt, program, request = self
        assert attempt.session is not None
        assert attempt.connections is not None
        transport = GuardTransport(attempt.session, attempt.connections)
        attempt.clients.append(transport)
        try:
            with attempt.scope.on_cancel(program.cut):
                answer = relay(program, request, transport, attempt.endpoint, again=True)
        except Aborted as error:
            if not program.is_answered:
                again = not error.reason.startswith("killed:")
                program.refuse(504, f"ended by pilot-tui: {error.reason}", again=again)
            raise
        except httpx2.HTTPError as error:
            if not program.is_answered:
                program.refuse(502, f"{type(error).__name__}: {error}")
            raise
        if answer.status >= 400:
            response = answer.response()
            response.request = httpx2.Request(request.method, attempt.endpoint.base_url)
            response.raise_for_status()
        extra = f'{{"status":{answer.status}}}'
        return Verdict("passed", measured={"score": 1.0, "extra": extra})


def has_hung_up(connection: socket.socket) -> bool:
    """Whether the other side has closed its end."""
    if connection.fileno() < 0:
        return True
    poll = select.poll()
    poll.register(connection, _RDHUP | select.POLLHUP)
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


class _LaneServer(Server):
    """Connections of the wrapped script."""

    def __init__(self, lanes: Lanes) -> None:
        super().__init__(lanes.door.port)
        self._lanes = lanes

    def serve_one(self, program: Program, request: Request) -> None:
        """By the next free lane."""
        if request.token != self._lanes.door.token:
            program.refuse(401, "this key is not the one that the wrapped script was given")
            return
        self._lanes.carry(program, request)
