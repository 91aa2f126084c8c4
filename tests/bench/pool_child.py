"""What we are compared with first: a plain thread pool, each task with the one shared client.

Modes, each with its arguments and the endpoint's address:

    load WORKERS CALLS URL          all wait at a gate, then call; figures as JSON on stdout
    beside BLOCK TURNS URL TOLD     twenty tasks, the first one executes BLOCK; a line for each end
    hang TASKS URL                  a counter of ends on its terminal; one call is not answered
    save TASKS CALLS URL RESULT TOLD    RESULT is written at the end, as harnesses do
"""

import json
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path

from openai import OpenAI


def stream(client: OpenAI, number: int = 0) -> None:
    chunks = client.chat.completions.create(
        model="m",
        messages=[{"role": "user", "content": "go"}],
        stream=True,
        extra_headers={"x-pilot-task": f"t{number:03d}"},
    )
    for _chunk in chunks:
        pass


def load(workers: int, calls: int, url: str) -> None:
    client = OpenAI(base_url=url, api_key="none")
    gate = threading.Barrier(workers + 1)

    def task() -> None:
        gate.wait()
        for _ in range(calls):
            stream(client)

    with ThreadPoolExecutor(workers) as pool:
        waiting = [pool.submit(task) for _ in range(workers)]
        gate.wait()
        began, start_cpu = time.monotonic(), time.process_time()
        wait_for_all(waiting)
        wall, cpu = time.monotonic() - began, time.process_time() - start_cpu
    sys.stdout.write(json.dumps({"wall_s": wall, "cpu_s": cpu, "start_cpu_s": start_cpu}))


def beside(block: str, turns: int, url: str, told: Path) -> None:
    client = OpenAI(base_url=url, api_key="none")

    def task(number: int) -> None:
        began = time.monotonic()
        if number == 0:
            exec(block)
        for _ in range(turns):
            stream(client)
        note(told, number, time.monotonic() - began)

    with ThreadPoolExecutor(20) as pool:
        wait_for_all([pool.submit(task, number) for number in range(20)])


def hang(tasks: int, url: str) -> None:
    client = OpenAI(base_url=url, api_key="none")
    with ThreadPoolExecutor(tasks) as pool:
        waiting = [pool.submit(stream, client, number) for number in range(tasks)]
        for done, _ in enumerate(as_completed(waiting), start=1):
            sys.stdout.write(f"\r{done}/{tasks} tasks")
            sys.stdout.flush()


def save(tasks: int, calls: int, url: str, result: Path, told: Path) -> None:
    client = OpenAI(base_url=url, api_key="none")

    def task(number: int) -> dict[str, object]:
        for _ in range(calls):
            stream(client)
        note(told, number, 0.0)
        return {"task": number, "outcome": "passed"}

    with ThreadPoolExecutor(10) as pool:
        rows = list(pool.map(task, range(tasks)))
    result.write_text(json.dumps(rows))


def wait_for_all(waiting: list[Future[None]]) -> None:
    for one in waiting:
        one.result()


def note(told: Path, number: int, took_s: float) -> None:
    """A line for the one who watches; no result."""
    with told.open("a") as file:
        file.write(f"{number} {took_s:.3f}\n")


if __name__ == "__main__":
    mode, *given = sys.argv[1:]
    if mode == "load":
        load(int(given[0]), int(given[1]), given[2])
    elif mode == "beside":
        beside(given[0], int(given[1]), given[2], Path(given[3]))
    elif mode == "hang":
        hang(int(given[0]), given[1])
    else:
        save(int(given[0]), int(given[1]), given[2], Path(given[3]), Path(given[4]))
