"""Runs that never ran: event logs and transcripts written as an engine would write them.

A module beside the tests (see the conftest of this folder), for fixtures and for scripts.
"""

import json
import random
from pathlib import Path

from support.story import plan_of

from runner.core import events as ev
from runner.core.outcomes import Then
from runner.core.plan import Plan, Watch

START = 1_780_000_000.0


def small_plan(workers: int = 4) -> Plan:
    return plan_of(
        name="sample",
        models=("qwen", "mini"),
        workers=workers,
        watch=Watch(slow_after=2, stuck_after=5),
        endpoint="azure",
        deployment="",
        entry="m:run",
    )


class RunMaker:
    """Writes a log event by event; ``at`` moves by `wait` or by an explicit time."""

    def __init__(self, run_dir: Path, workers: int = 4, tasks: int = 20) -> None:
        self.run_dir = run_dir
        self.workers = workers
        self.tasks = tasks
        self.at = START
        self.seq = 0
        self.row = 0
        self.epoch = 0
        self.made: list[ev.Event] = []
        run_dir.mkdir(parents=True, exist_ok=True)
        self._log = (run_dir / "events.jsonl").open("ab")
        self._bodies = (run_dir / "transcript.jsonl").open("ab")

    def close(self) -> None:
        self._log.close()
        self._bodies.close()

    def emit(self, event: ev.Event, flush: bool = True) -> ev.Event:
        self.seq += 1
        event.seq, event.at = self.seq, self.at
        self.made.append(event)
        self._log.write(ev.encode(event))
        if flush:
            self._log.flush()
        return event

    def wait(self, seconds: float) -> "RunMaker":
        self.at += seconds
        return self

    def engine(self, plan: Plan | None = None) -> None:
        self.epoch += 1
        self.emit(
            ev.EngineStarted(
                epoch=self.epoch,
                wall=self.at,
                boot_id="b",
                pid=1,
                run_id=self.run_dir.name,
                version="0",
                tasks_total=self.tasks,
                plan=plan or small_plan(self.workers),
            )
        )
        self.emit(ev.HostStarting(host=0, workers=list(range(self.workers))))
        self.emit(ev.HostStarted(host=0, pid=2))

    def begin(self, worker: int, task: str, attempt: int = 1, model: str = "qwen") -> str:
        attempt_id = f"{task}.{attempt}"
        self.emit(
            ev.AttemptStarted(
                task_id=task,
                attempt=attempt,
                attempt_id=attempt_id,
                worker=worker,
                host=0,
                model=model,
                deployment=model,
                endpoint="azure",
            )
        )
        self.emit(ev.AttemptRunning(attempt_id=attempt_id, worker=worker))
        return attempt_id

    def call(self, worker: int, attempt_id: str, n: int, took: float = 1.0) -> None:
        self.emit(ev.CallStarted(attempt_id=attempt_id, worker=worker, n=n, stream=True))
        self.wait(took)
        self.emit(
            ev.CallEnded(
                attempt_id=attempt_id,
                worker=worker,
                n=n,
                latency_s=took,
                bytes=100,
                how="ok",
                tokens_in=10,
                tokens_out=5,
            )
        )

    def message(self, worker: int, attempt_id: str, turn: int, role: str, text: str) -> None:
        body = json.dumps({"role": role, "content": text}).encode()
        offset = self._bodies.tell()
        self._bodies.write(body + b"\n")
        self._bodies.flush()
        self.emit(
            ev.MessageAdded(
                attempt_id=attempt_id,
                worker=worker,
                turn=turn,
                role=role,
                offset=offset,
                length=len(body),
            )
        )

    def end(
        self,
        worker: int,
        attempt_id: str,
        outcome: str = "passed",
        cause: str = "",
        then: Then = "final",
    ) -> None:
        self.row += 1
        task, _, attempt = attempt_id.rpartition(".")
        self.emit(
            ev.AttemptEnded(
                task_id=task,
                attempt=int(attempt),
                attempt_id=attempt_id,
                worker=worker,
                host=0,
                outcome=outcome,
                cause=cause,
                elapsed_s=1.0,
                rung="",
                row=self.row,
                then=then,
                model="qwen",
            )
        )
        self.emit(
            ev.RowsWritten(
                first=self.row,
                last=self.row,
                rows=1,
                bytes=100,
                part=f"r-{self.row:08}-{self.row:08}.parquet",
                digest="",
                waited_s=0.0,
            )
        )

    def finish(self, status: str = "finished") -> None:
        self.emit(ev.RunEnded(status=status, why="", exit_code=0))

    def chatter(self, events: int, seed: int = 0) -> None:
        """A lively random run: many workers at once, some end, some back off."""
        rng = random.Random(seed)
        busy: dict[int, tuple[str, int]] = {}
        task = 0
        for _ in range(events):
            self.at += rng.random() * 0.02
            worker = rng.randrange(self.workers)
            if worker not in busy:
                task += 1
                attempt_id = f"t{task}.1"
                self.emit(
                    ev.AttemptStarted(
                        task_id=f"t{task}",
                        attempt=1,
                        attempt_id=attempt_id,
                        worker=worker,
                        host=0,
                        model=rng.choice(("qwen", "mini")),
                        deployment="d",
                        endpoint="azure",
                    ),
                    flush=False,
                )
                busy[worker] = (attempt_id, 0)
                continue
            attempt_id, n = busy[worker]
            busy[worker] = (attempt_id, n + 1)
            self._something(rng, worker, attempt_id, n)
            if n > 30 and rng.random() < 0.3:
                del busy[worker]
                self.end(worker, attempt_id, rng.choice(("passed", "failed", "errored")))
        self._log.flush()

    def _something(self, rng: random.Random, worker: int, attempt_id: str, n: int) -> None:
        who = {"attempt_id": attempt_id, "worker": worker}
        made: ev.Event = rng.choice(
            (
                ev.AttemptRunning(**who),
                ev.CallStarted(**who, n=n, stream=True),
                ev.FirstByte(**who, n=n, wait_s=0.1),
                ev.CallEnded(**who, n=n, latency_s=0.4, bytes=1, how="ok", tokens_out=3),
                ev.TurnStarted(**who, turn=n, max_turns=50),
                ev.TurnEnded(**who, turn=n),
                ev.ToolStarted(**who, tool="bash", detail="make"),
                ev.ToolEnded(**who, tool="bash", ok=True, elapsed_s=0.2),
                ev.BackedOff(
                    **who, n=n, attempt_no=1, attempts=5, until=self.at + 1, why="rate_limit"
                ),
                ev.Pulse(
                    slots=[ev.SlotPulse(worker, "wait", self.at, self.at, self.at, n)], hosts=[]
                ),
            )
        )
        self.emit(made, flush=False)
