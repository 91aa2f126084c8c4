"""Kill -9 at any point, cut files, flipped bits: acknowledged rows stay, each once, none wrong."""

import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from support.storing import WAIT_S, make_row

from runner.core.events import RowsWritten, decode_lines, encode
from runner.engine.log import EVENTS, EventLog, read_all
from runner.engine.results import FOLDER, Part, live
from runner.engine.results.partfile import problem_of, store
from runner.engine.results.read import recorded
from runner.engine.results.recover import tidy
from runner.engine.results.schema import to_table
from runner.engine.verify import verify

WORKER = Path(__file__).resolve().parents[1] / "drills" / "crash_worker.py"


def crash_rounds(run_dir: Path, rounds: int, seed: int) -> tuple[int, int]:
    """Start, kill at a random point, check everything, go on; (acknowledged rows, merges)."""
    chance = random.Random(seed)
    acknowledged: set[str] = set()
    merges = 0
    for number in range(rounds):
        acks, merged = _one_life(run_dir, seed * 1000 + number, chance.uniform(0.0, 0.6))
        acknowledged |= acks
        merges += merged
        report = verify(run_dir)
        assert report.ok, (number, report.findings)
        rows = [found.attempt_id for found in recorded(run_dir / FOLDER)]
        assert len(rows) == len(set(rows)), [i for i, n in Counter(rows).items() if n > 1]
        assert acknowledged <= set(rows), acknowledged - set(rows)
        assert not live(run_dir / FOLDER).gaps
    return len(acknowledged), merges


def _one_life(run_dir: Path, seed: int, life_s: float) -> tuple[set[str], int]:
    worker = subprocess.Popen(
        [sys.executable, str(WORKER), str(run_dir), str(seed)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert worker.stdout is not None
    assert worker.stderr is not None
    lines: list[str] = []
    first = threading.Event()
    problems: list[str] = []

    def listen() -> None:
        for line in worker.stdout or ():
            lines.append(line)
            first.set()

    def read() -> None:
        while worker.poll() is None:
            told = {i for line in list(lines) if line.startswith("ack") for i in line.split()[1:]}
            found = [row.attempt_id for row in recorded(run_dir / FOLDER)]
            if len(found) != len(set(found)) or not told <= set(found):
                problems.append(f"{len(told - set(found))} lost in a read")
            time.sleep(0.02)

    listener = threading.Thread(target=listen)
    listener.start()
    assert first.wait(WAIT_S), worker.stderr.read()
    reader = threading.Thread(target=read)
    reader.start()
    time.sleep(life_s)  # the random point itself, not a wait for something
    worker.kill()
    worker.wait(WAIT_S)
    listener.join(WAIT_S)
    reader.join(WAIT_S)
    errors = worker.stderr.read()
    worker.stdout.close()
    worker.stderr.close()
    assert not errors, errors
    assert not problems, problems
    acks = {i for line in lines if line.startswith("ack") for i in line.split()[1:]}
    return acks, lines.count("merged\n")


def test_kill_at_random_points(tmp_path: Path) -> None:
    rows, _ = crash_rounds(tmp_path, rounds=5, seed=1)
    assert rows > 0


@pytest.mark.drill
@pytest.mark.timeout(280)
@pytest.mark.parametrize("batch", range(int(os.environ.get("PILOT_CRASH_ROUNDS", "20")) // 20))
def test_kill_at_random_points_at_length(tmp_path: Path, batch: int) -> None:
    rounds = 20  # a run folder each, so that no test comes near the watchdog's limit
    rows, merges = crash_rounds(tmp_path, rounds, seed=2 + batch)
    sys.stdout.write(
        f"\n{rounds} kills, {rows} rows acknowledged, {merges} merges: 0 lost, 0 doubled, 0 gaps\n"
    )
    assert merges > 0


def make_run(run_dir: Path, widths: list[int]) -> list[Path]:
    """A finished run in miniature: parts and the log that acknowledges them."""
    (run_dir / FOLDER).mkdir(parents=True)
    paths: list[Path] = []
    first = 1
    log = EventLog(run_dir)
    log.start()
    for seq, width in enumerate(widths, start=1):
        part = Part(first, first + width - 1)
        rows = [
            make_row(number, messages=f"text {number} " * 200)
            for number in range(part.first, part.last + 1)
        ]
        path = run_dir / FOLDER / part.name
        stored = store(path, part, [to_table(rows)])
        log.append(
            encode(
                RowsWritten(
                    seq=seq,
                    first=part.first,
                    last=part.last,
                    rows=part.rows,
                    bytes=stored.bytes,
                    part=part.name,
                    digest=stored.digest,
                    waited_s=0.0,
                )
            )
        )
        paths.append(path)
        first = part.last + 1
    assert log.close(WAIT_S)
    return paths


def test_every_flipped_bit_of_a_part_is_found(tmp_path: Path) -> None:
    paths = make_run(tmp_path, [1, 5, 40])
    assert verify(tmp_path).ok
    chance = random.Random(3)
    for _ in range(300):
        path = chance.choice(paths)
        sound = path.read_bytes()
        data = bytearray(sound)
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
        report = verify(tmp_path)
        assert [bad.file for bad in report.bad_parts] == [path.name]
        path.write_bytes(sound)
    assert verify(tmp_path).ok


def test_flips_in_a_part_that_the_log_does_not_know_raise_nothing(tmp_path: Path) -> None:
    part = Part(1, 5)
    path = make_run(tmp_path, [5])[0]
    sound = path.read_bytes()
    chance = random.Random(4)
    found = 0
    for _ in range(200):
        data = bytearray(sound)
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
        found += bool(problem_of(path, part, None))
    assert found > 0


def test_cut_parts_are_found_and_raise_nothing(tmp_path: Path) -> None:
    path = make_run(tmp_path, [5, 5])[1]
    sound = path.read_bytes()
    chance = random.Random(5)
    for size in [0, 1, 4, 8, len(sound) - 1, *(chance.randrange(len(sound)) for _ in range(50))]:
        path.write_bytes(sound[:size])
        assert [bad.file for bad in verify(tmp_path).bad_parts] == [path.name]
        assert problem_of(path, Part(6, 10), None)


def test_a_log_cut_anywhere_is_opened_read_and_verified(tmp_path: Path) -> None:
    make_run(tmp_path / "run", [1] * 10)
    whole = (tmp_path / "run" / EVENTS).read_bytes()
    chance = random.Random(6)
    for size in [0, 1, len(whole) - 1, *(chance.randrange(len(whole)) for _ in range(50))]:
        copy = tmp_path / "copy"
        shutil.copytree(tmp_path / "run", copy)
        (copy / EVENTS).write_bytes(whole[:size])
        before = verify(copy)
        assert (before.ok, before.rows) == (True, 10)
        assert before.log.events == whole[:size].count(b"\n")
        log = EventLog(copy)
        assert log.torn_bytes == before.log.torn_bytes == size - (whole.rfind(b"\n", 0, size) + 1)
        log.start()
        assert log.close(WAIT_S)
        assert read_all(copy / EVENTS, decode_lines).torn_bytes == 0
        shutil.rmtree(copy)


def test_bits_flipped_in_the_log_raise_nothing(tmp_path: Path) -> None:
    make_run(tmp_path, [1] * 5)
    path = tmp_path / EVENTS
    whole = path.read_bytes()
    chance = random.Random(7)
    for _ in range(60):
        data = bytearray(whole)
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
        assert verify(tmp_path).rows <= 5


def test_start_up_after_a_kill_in_the_middle_of_a_merge(tmp_path: Path) -> None:
    paths = make_run(tmp_path, [2, 2, 2])
    results = tmp_path / FOLDER
    rows = list(recorded(results))
    cover = results / Part(1, 6).name
    tables = to_table([make_row(found.row) for found in rows])
    store(cover, Part(1, 6), [tables])
    paths[1].unlink()
    (results / "r-00000007-00000007.parquet.0a.tmp").write_bytes(b"PAR1")
    tidy(results, {})
    assert [path.name for path in results.iterdir()] == [cover.name]
    assert [found.attempt_id for found in recorded(results)] == [f.attempt_id for f in rows]
