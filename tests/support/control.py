"""The control half of an engine: a real `ControlServer` on a real socket, in a loop of its own.

Behind it are the engine's real `Commands` and `Attempts`; only the host at the other end of its
link, and the run that commands steer, are played here.
"""

import contextlib
import selectors
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runner.core import events as ev
from runner.core import messages as m
from runner.core.plan import Task
from runner.core.state import State
from runner.engine.attempts import Attempts
from runner.engine.axis import Axis
from runner.engine.commands import Commands
from runner.engine.control import ControlServer
from runner.engine.hosts import HostLink
from runner.engine.journal import Journal
from support.story import plan_of

WAIT_S = 10.0


class Sink:
    """A log that keeps its lines."""

    def __init__(self) -> None:
        self.lines = b""

    def place(self, body: bytes) -> tuple[int, int]:
        return 0, len(body)

    def append(self, events: bytes, *, sync: bool = False) -> bool:
        self.lines += events
        return True


class Run:
    """What the commands may steer: just enough of a run to answer."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.again: list[str] = []
        self.stops: list[bool] = []

    def find_task(self, task_id: str) -> Task | None:
        return Task(task_id=task_id, id=task_id, model="m") if task_id.startswith("t") else None

    def queue_again(self, task: Task) -> None:
        self.again.append(task.task_id)

    def resize(self, workers: int, origin: str) -> None:
        self._journal.emit(ev.WorkersChanged(target=workers, origin=origin))

    def change(self, key: str, value: str, origin: str, *, now: bool) -> str:
        return f"{key}={value}"

    def unpause(self, origin: str) -> None:
        for cause in list(self._journal.state.pauses):
            self._journal.emit(ev.RunUnpaused(cause=cause, origin=origin))  # pyright: ignore[reportArgumentType]

    def stop(self, origin: str, why: str, *, drain: bool) -> None:
        self.stops.append(drain)

    def ping(self) -> dict[str, Any]:
        return {"state": self._journal.state.status, "seq": self._journal.state.seq}

    def ask_stacks(self, tell: Callable[[str], None]) -> None:
        tell("x" * 700_000)


class Engine:
    """The control half of an engine, turning in a thread. ``skip`` moves its clock ahead."""

    def __init__(self, run_dir: Path) -> None:
        self.run_dir = run_dir
        self.skip = 0.0
        self.turns = 0
        self.sink = Sink()
        self.journal = Journal(State(), Axis(monotonic=self.clock), self.sink)
        self.journal.emit(
            ev.EngineStarted(
                epoch=1,
                wall=0.0,
                boot_id="",
                pid=1,
                run_id="r1",
                version="0",
                tasks_total=9,
                plan=plan_of(),
            )
        )
        self.rows: list[int] = []
        self.attempts = Attempts(
            self.journal,
            lambda number, _row: self.rows.append(number),
            lambda _live, event: self.commands.remember(event),
        )
        self.run = Run(self.journal)
        self.commands = Commands(self.journal, self.attempts, self.run, self.clock)
        self._selector = selectors.DefaultSelector()
        self.server = ControlServer(run_dir, self._selector, self.commands.handle)
        ours, self.host_end = socket.socketpair()
        self.link = HostLink(0, [0, 1, 2, 3], ours, self.clock())
        self._jobs: list[Callable[[], None]] = []
        self._over = False
        self.failed: BaseException | None = None
        self._thread = threading.Thread(target=self._turn)
        self._thread.start()

    def clock(self) -> float:
        return time.monotonic() + self.skip

    def _turn(self) -> None:
        try:
            while not self._over:
                for key, _ in self._selector.select(0.01):
                    key.data(self.clock())
                self.turns += 1
                while self._jobs:
                    self._jobs.pop(0)()
                self.commands.step(self.clock())
                self.server.step(self.clock())
        except BaseException as error:  # noqa: BLE001 - the test is failed with it
            self.failed = error

    def do(self, job: Callable[[], None]) -> None:
        """Have something done in the engine's thread, and wait for it."""
        done = threading.Event()
        self._jobs.append(lambda: (job(), done.set())[1])
        assert done.wait(WAIT_S), self.failed

    def goes_on(self) -> None:
        """Return after two more turns: by then is done what was due before."""
        turns = self.turns
        until(lambda: self.turns >= turns + 2)

    def starts(self, number: int) -> str:
        """An attempt under way on worker ``number``; its id."""
        task = Task(task_id=f"t{number}", id="x", model="m")
        self.do(lambda: self.attempts.start(task, number, self.link, self.clock()))
        return next(a for a, live in self.attempts.live.items() if live.worker == number)

    def ends(self, attempt_id: str, outcome: str = "killed", cause: str = "killed:user") -> None:
        """The host says that the attempt is over."""
        self.do(lambda: self.attempts.end(attempt_id, outcome, cause, "abort"))

    def order_kill(self, attempt_id: str, cause: str) -> None:
        """Policy ends an attempt."""
        assert self.attempts.order_kill(attempt_id, cause)

    def told(self) -> list[m.EngineMessage]:
        """What the host was told so far."""
        self.host_end.setblocking(False)
        reader = m.from_engine()
        with contextlib.suppress(BlockingIOError):
            return reader.feed(self.host_end.recv(1 << 20))
        return []

    def count(self, kind: type[ev.Event]) -> int:
        """Events of a kind in the log."""
        self.do(self.journal.flush)
        events, bad = ev.decode_lines(self.sink.lines)
        assert bad == 0
        return sum(isinstance(event, kind) for event in events)

    def close(self) -> None:
        self._over = True
        self._thread.join(WAIT_S)
        self.server.close()
        self.link.close()
        self.host_end.close()
        self._selector.close()
        assert self.failed is None, self.failed


def until(true: Callable[[], bool]) -> None:
    """Wait for something that the engine's thread does."""
    end = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.002)
