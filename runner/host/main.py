"""The host process: one conversation with the engine, and the wiring of everything in here.

Apart from the zygote, which forks it. `serve` never returns: a host leaves by ``os._exit``, because
an interpreter that shuts down waits for threads, and one of them may never end.
"""

import faulthandler
import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn

from runner.core import messages
from runner.core.messages import EngineMessage, Setup, from_engine
from runner.core.plan import Plan
from runner.core.wrapping import VARIABLE, door_of
from runner.host import attempt as attempts
from runner.host import inherit, ladder, python, speech
from runner.host.apikey import ApiKey
from runner.host.attempt import Attempt
from runner.host.command import Command
from runner.host.gate import Interrupted
from runner.host.lanes import Lanes
from runner.host.offspring import Offspring
from runner.host.outbox import Outbox
from runner.host.perform import Performer, Shared
from runner.host.permits import Shares
from runner.host.proxy import Proxy
from runner.host.slots import Slots
from runner.host.verdict import Verdict
from runner.host.watch import Watch
from runner.masking import Secrets

_READ_BYTES = 64 * 1024
_LAST_WORDS_S = 0.1
_EX_SOFTWARE = 70
_SWITCH_INTERVAL_S = 0.001
"""A thread that spins then slows its neighbours less (default 5 ms; measured with 1-3 spinners)."""


def serve(connection: socket.socket, log: int) -> NoReturn:
    """Be a host on this connection until the engine says `Quit` or is gone.

    ``log`` is the descriptor of the host's log file.
    """
    orders = _orders(connection)
    setup = next(orders, None)
    if not isinstance(setup, Setup):
        os._exit(0)
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    Host(setup, connection, log).run(orders)


def _orders(connection: socket.socket) -> Iterator[EngineMessage]:
    """What the engine says, until it is gone."""
    unframer = from_engine()
    while True:
        try:
            data = connection.recv(_READ_BYTES)
        except OSError:
            return
        if not data:
            return
        yield from unframer.feed(data)


class Host:
    """Slots, watch and outbox of one host process."""

    def __init__(self, setup: Setup, connection: socket.socket, log: int) -> None:
        self._setup = setup
        plan = setup.plan
        secrets = _secrets(plan)
        inherit.install()
        self._log = speech.HostLog(log)
        self._outbox = Outbox(connection, secrets)
        secrets.on_new = lambda key: self._outbox.post(messages.KeyLearned(key))
        proxy = Proxy()
        source = _source(setup, self._outbox, proxy)
        self._shared = Shared(
            plan=plan,
            run_dir=setup.run_dir,
            outbox=self._outbox,
            shares=Shares(plan.endpoints),
            keys={endpoint.name: ApiKey(endpoint, secrets) for endpoint in plan.endpoints},
            secrets=secrets,
            source=source,
            proxy=proxy,
            streams=speech.take_over(self._log, secrets),
        )
        self._slots = Slots(setup.workers)
        if isinstance(source, Lanes):
            self._shared.idle = source.idle
        offspring = Offspring(self._outbox.post, self._slots.running)
        self._watch = Watch(
            self._slots,
            self._outbox,
            offspring,
            ladder.steps_for(plan.resources.isolation),
            setup.plan_dir,
            self._shared.finish,
        )
        # A lane starts no process, and looking for some costs as much as carrying a request.
        end_children = _none_to_end if isinstance(source, Lanes) else offspring.end
        self._perform = Performer(
            self._shared, self._slots.release, self._watch.expect, end_children
        )
        self._watch.heartbeat_s = plan.watch.heartbeat
        os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        """In a fork by executor code: it is no host. Its output still goes to the log."""
        self._outbox.cut()
        faulthandler.unregister(signal.SIGUSR1)
        speech.give_back()
        attempt = attempts.current.get()
        if attempt is not None:
            attempt.gate.ident = 0  # its lock may be taken, by a thread that is not here

    def run(self, orders: Iterator[EngineMessage]) -> NoReturn:
        """Say hello, then obey. With processes as isolation the main thread is the slot's."""
        if self._setup.plan.resources.isolation == "process":
            signal.signal(signal.SIGTERM, _raise_in_executor_code)
            self._slots.adopt()
            self._start()
            threading.Thread(target=self._obey, args=(orders,), name="orders", daemon=True).start()
            self._slots.serve_here(self._perform)
        else:
            self._slots.start_threads(self._perform)
            self._start()
            self._obey(orders)
        os._exit(0)

    def _start(self) -> None:
        threads = dict(self._slots.threads)
        self._outbox.post(messages.Hello(self._setup.host, os.getpid(), threads))
        threading.Thread(target=self._watch_or_leave, name="watch", daemon=True).start()
        if isinstance(self._shared.source, Lanes):
            self._shared.source.open(self._slots.serve)

    def _watch_or_leave(self) -> NoReturn:
        """A host whose limits are watched no more must not look alive."""
        try:
            self._watch.run()
        except BaseException:  # noqa: BLE001 - told in the log, and by the exit status
            self._leave_with_traceback()

    def _leave_with_traceback(self) -> NoReturn:
        self._log.write(self._shared.secrets.mask(traceback.format_exc()))
        os._exit(_EX_SOFTWARE)

    def _obey(self, orders: Iterator[EngineMessage]) -> NoReturn:
        try:
            for order in orders:
                self._obey_one(order)
        except BaseException:  # noqa: BLE001 - an order that cannot be read or carried out: no host
            self._leave_with_traceback()
        os._exit(0)

    def _obey_one(self, order: EngineMessage) -> None:
        match order:
            case messages.Run():
                self._begin(order)
            case messages.Kill():
                attempt = self._slots.find(order.attempt_id)
                if attempt is not None and attempt.scope.cancel(order.cause):
                    self._watch.wake()
            case messages.Share():
                self._shared.shares.deal(order.endpoint, order.qps, order.in_flight)
            case messages.Hold():
                if isinstance(self._shared.source, Lanes):
                    self._shared.source.hold(on=order.on)
            case messages.Set():
                self._change(order.plan, running=order.running)
            case messages.Stacks():
                self._outbox.post(messages.StacksTaken(order.id, self._watch.stacks()))
            case messages.Quit():
                self._outbox.flush(_LAST_WORDS_S)
                os._exit(0)
            case Setup():
                raise ValueError("a host is set up once")

    def _begin(self, order: messages.Run) -> None:
        model = self._shared.plan.model(order.model)
        endpoint = self._shared.plan.endpoint(order.endpoint)
        attempt = Attempt(order, model, endpoint, self._outbox)
        if not self._slots.put(attempt):
            attempt.scope.close()
            verdict = Verdict("errored", "error:NoSlot", f"worker {order.worker} is not free here")
            self._outbox.post(attempt.ended(verdict))

    def _change(self, plan: Plan, *, running: bool) -> None:
        self._shared.plan = plan
        self._watch.heartbeat_s = plan.watch.heartbeat
        if running:
            for attempt in self._slots.running():
                attempt.set_limits(plan.model(attempt.model.name).limits)
        self._watch.wake()


def _none_to_end(_attempt: Attempt) -> bool:
    return False


def _source(setup: Setup, outbox: Outbox, proxy: Proxy) -> python.Source:
    plan, folder = setup.plan, setup.plan_dir
    if plan.is_wrap:
        door = door_of(os.environ)
        if door is None:
            raise ValueError(f"a wrapped script's host needs {VARIABLE}")
        return Lanes(setup, door, outbox)
    if plan.tasks.executor == "command":
        return Command(plan, folder, proxy)
    return python.Loader(python.entry_of(plan), folder)


def _secrets(plan: Plan) -> Secrets:
    secrets = Secrets()
    secrets.add_variables((endpoint.api_key_env for endpoint in plan.endpoints), os.environ)
    return secrets


def _raise_in_executor_code(_number: int, _frame: FrameType | None) -> None:
    """SIGTERM, with processes as isolation: ends executor code and nothing else."""
    attempt = attempts.current.get()
    if attempt is not None and attempt.gate.ident:
        raise Interrupted
