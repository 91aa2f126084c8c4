"""A run told event by event, on a clock that the test moves: what tests of the fold start from."""

from typing import Any

from runner.core import events as ev
from runner.core.plan import (
    Endpoint,
    Limits,
    Loops,
    Model,
    Plan,
    Resources,
    RunSection,
    Stop,
    Tasks,
    Watch,
)
from runner.core.state import State, TaskState, WorkerState, apply

BEGAN = 1_000_000.0


def plan_of(
    *,
    models: tuple[str, ...] = ("m",),
    limits: Limits | None = None,
    watch: Watch | None = None,
    stop: Stop | None = None,
    workers: int = 4,
    endpoint: str = "e",
    deployment: str = "d",
    entry: str = "",
    **run: Any,
) -> Plan:
    """A plan with one endpoint and one deployment for each model; "": of the model's own name."""
    limits = limits or Limits()
    watch = watch or Watch()
    return Plan(
        run=RunSection(workers=workers, **run),
        limits=limits,
        watch=watch,
        stop=stop or Stop(),
        loops=Loops(),
        resources=Resources(),
        endpoints=(Endpoint(name=endpoint, base_url="http://127.0.0.1:1/v1"),),
        models=tuple(
            Model(
                name=name,
                endpoint=endpoint,
                deployments=(deployment or name,),
                limits=limits,
                watch=watch,
            )
            for name in models
        ),
        tasks=Tasks(executor="python", entry=entry),
    )


class Story:
    """Emits events into a state. ``now`` is seconds since the run began; tests set it."""

    def __init__(self, *, tasks: int = 10, plan: Plan | None = None) -> None:
        self.state = State()
        self.now = 0.0
        self.events: list[ev.Event] = []
        self.tasks_total = tasks
        self.plan = plan or plan_of()
        self._rows = 0
        self.starts_engine()

    @property
    def at(self) -> float:
        """This moment on the run's axis."""
        return BEGAN + self.now

    def emit(self, event: ev.Event) -> None:
        """Let it have happened now."""
        event.seq = self.state.seq + 1
        event.at = self.at
        self.events.append(event)
        apply(self.state, event)

    def starts_engine(self, epoch: int = 1) -> None:
        """An engine takes the run."""
        self.emit(
            ev.EngineStarted(
                epoch=epoch,
                wall=self.at,
                boot_id="boot",
                pid=41,
                run_id="r1",
                version="0",
                tasks_total=self.tasks_total,
                plan=self.plan,
            )
        )

    def starts_host(self, host: int = 0, workers: tuple[int, ...] = (0, 1, 2, 3)) -> None:
        """A host comes up."""
        self.emit(ev.HostStarting(host=host, workers=list(workers)))
        self.emit(ev.HostStarted(host=host, pid=100 + host))

    def starts(self, task: str = "t1", *, worker: int = 0, attempt: int = 1, host: int = 0) -> str:
        """An attempt gets its slot and prepares; its id."""
        attempt_id = f"{task}.{attempt}"
        self.emit(
            ev.AttemptStarted(
                task_id=task,
                attempt=attempt,
                attempt_id=attempt_id,
                worker=worker,
                host=host,
                model="m",
                deployment="d",
                endpoint="e",
            )
        )
        return attempt_id

    def runs(self, task: str = "t1", *, worker: int = 0, attempt: int = 1) -> str:
        """An attempt gets its slot and is in run(); its id."""
        attempt_id = self.starts(task, worker=worker, attempt=attempt)
        self.emit(ev.AttemptRunning(attempt_id=attempt_id, worker=worker))
        return attempt_id

    def calls(self, attempt_id: str, *, n: int = 1, worker: int = 0, stream: bool = True) -> None:
        """The attempt sends a request."""
        self.emit(ev.CallStarted(attempt_id=attempt_id, worker=worker, n=n, stream=stream))

    def answers(self, attempt_id: str, calls: int, *, wait_s: float, latency_s: float) -> None:
        """Requests of worker 0 that were answered: seconds until each began, and in all."""
        for n in range(1, calls + 1):
            first = ev.FirstByte(attempt_id=attempt_id, worker=0, n=n, wait_s=wait_s)
            self.emit(first)
            self.emit(
                ev.CallEnded(
                    attempt_id=attempt_id, worker=0, n=n, latency_s=latency_s, bytes=1, how="ok"
                )
            )

    def signs(self, phase: Any, *, worker: int = 0, **ago: float) -> None:
        """A pulse: ``since``, ``sign`` and ``progress`` in seconds ago, now unless given."""
        slot = ev.SlotPulse(
            worker,
            phase,
            self.at - ago.get("since", 0.0),
            self.at - ago.get("sign", 0.0),
            self.at - ago.get("progress", 0.0),
            10,
        )
        self.emit(ev.Pulse(slots=[slot], hosts=[]))

    def ends(self, attempt_id: str, outcome: str = "passed", cause: str = "", **more: Any) -> int:
        """The attempt is over; its commit number."""
        task, _, attempt = attempt_id.rpartition(".")
        self._rows += 1
        number = int(more.pop("row", self._rows))
        self.emit(
            ev.AttemptEnded(
                task_id=task,
                attempt=int(attempt),
                attempt_id=attempt_id,
                worker=more.pop("worker", 0),
                host=more.pop("host", 0),
                outcome=outcome,
                cause=cause,
                elapsed_s=1.0,
                rung="",
                row=number,
                **more,
            )
        )
        return number

    def saves(self, first: int, last: int | None = None) -> None:
        """A part with these rows is durable."""
        last = first if last is None else last
        self.emit(
            ev.RowsWritten(
                first=first,
                last=last,
                rows=last - first + 1,
                bytes=100,
                part=f"r-{first:08}-{last:08}.parquet",
                digest="d",
                waited_s=0.1,
            )
        )

    def worker(self, number: int = 0) -> WorkerState:
        """A worker as it is now."""
        return self.state.workers[number]

    def task(self, task_id: str = "t1") -> TaskState:
        """An open task as it is now."""
        return self.state.tasks[task_id]
