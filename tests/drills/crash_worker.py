"""A stand-in for the engine, to be killed: writes rows, merges parts, logs, tells what is durable.

Started as a program by the crash tests: ``crash_worker.py RUN_DIR SEED``. It resumes what is there
and prints ``ack ID ID ...`` for rows that were acknowledged, flushed before the next ones come.
"""

import random
import sys
import threading
import time
from pathlib import Path

from runner.core.events import AttemptEnded, PartsCompacted, RowsFound, RowsWritten, encode
from runner.core.events import decode_lines as decode
from runner.core.rows import Row
from runner.engine.log import EVENTS, EventLog, read_all
from runner.engine.results import FOLDER, Compacted, Notices, Written
from runner.engine.results.read import recorded
from runner.engine.results.recover import survey, tidy
from runner.engine.results.writer import ResultsWriter


def row_of(attempt_id: str, text: str) -> Row:
    return Row(
        run_id="run",
        task_id=attempt_id,
        attempt=1,
        attempt_id=attempt_id,
        model="m",
        deployment="d",
        endpoint="e",
        outcome="passed",
        started_at=time.time(),
        elapsed_s=0.0,
        worker=0,
        host=0,
        messages=text,
    )


def tell(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


class Engine:
    def __init__(self, run_dir: Path, seed: int) -> None:
        self.seed = seed
        results = run_dir / FOLDER
        results.mkdir(parents=True, exist_ok=True)
        self.log = EventLog(run_dir)
        old = read_all(run_dir / EVENTS, decode).events
        self.seq = old[-1].seq if old else 0
        digests = {
            event.part: event.digest
            for event in old
            if isinstance(event, RowsWritten | RowsFound | PartsCompacted)
        }
        tidy(results, digests)
        current, found = survey(results, digests)
        for part in found:
            assert not part.problem, part.problem
            self.emit(
                RowsFound(
                    first=part.part.first,
                    last=part.part.last,
                    rows=part.part.rows,
                    bytes=part.bytes,
                    part=part.part.name,
                    digest=part.digest,
                )
            )
            digests[part.part.name] = part.digest
        self.next = current.next_row
        self.ids: dict[int, str] = {}
        self.woken = threading.Event()
        self.notices = Notices(self.woken.set)
        self.writer = ResultsWriter(
            results, self.notices, next_row=self.next, digests=digests, merge_at=6
        )
        self.log.start()
        self.writer.start()
        # The results win: an attempt that ended without a durable row gets another one.
        recorded_ids = {row.attempt_id for row in recorded(results)}
        ended = {event.attempt_id: None for event in old if isinstance(event, AttemptEnded)}
        for attempt_id in ended:
            if attempt_id not in recorded_ids:
                self.end_attempt(attempt_id, "lost")

    def emit(self, event: object, *, sync: bool = False) -> None:
        self.seq += 1
        event.seq = self.seq  # type: ignore[attr-defined]
        self.log.append(encode(event), sync=sync)  # type: ignore[arg-type]

    def end_attempt(self, attempt_id: str, text: str) -> None:
        self.ids[self.next] = attempt_id
        self.emit(
            AttemptEnded(
                task_id=attempt_id,
                attempt=1,
                attempt_id=attempt_id,
                worker=0,
                host=0,
                outcome="passed",
                cause="",
                elapsed_s=0.0,
                rung="",
                row=self.next,
            ),
            sync=True,
        )
        self.writer.put(self.next, row_of(attempt_id, text))
        self.next += 1

    def drain(self) -> None:
        self.woken.wait(0.02)
        self.woken.clear()
        for notice in self.notices.drain():
            fields = {name: getattr(notice, name) for name in notice.__struct_fields__}
            if isinstance(notice, Written):
                self.emit(RowsWritten(**fields))
                ids = [self.ids[number] for number in range(notice.first, notice.last + 1)]
                tell("ack " + " ".join(ids))
            elif isinstance(notice, Compacted):
                self.emit(PartsCompacted(**fields))
                tell("merged")
            else:
                raise SystemExit(f"trouble: {notice}")


def main() -> None:
    run_dir, seed = Path(sys.argv[1]), int(sys.argv[2])
    chance = random.Random(seed)
    engine = Engine(run_dir, seed)
    tell("ready")
    while True:
        for _ in range(chance.choice([1, 1, 2, 5, 20])):
            attempt_id = f"{seed}-{engine.next}"
            engine.end_attempt(attempt_id, "text " * chance.choice([10, 500, 20_000]))
        engine.drain()


main()
