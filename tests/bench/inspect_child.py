"""The strongest peer, doing the same jobs: runs in the environment that has ``inspect_ai``.

Modes as in ``pool_child.py``; LOGS is the folder of its logs:

    load WORKERS CALLS URL LOGS
    beside BLOCK TURNS URL TOLD LIMIT LOGS    each sample has a time limit of LIMIT seconds
    hang TASKS URL TOLD LOGS                  with its own screen; the endpoint never answers one
    save TASKS CALLS URL TOLD LOGS
    count LOGS                                samples that its log has, and after its own recovery
"""

# pyright: reportMissingImports=false
# inspect_ai is in an environment of its own

import json
import sys
import time
from pathlib import Path

BEGAN = time.monotonic()

import anyio  # noqa: E402
from inspect_ai import Task  # noqa: E402
from inspect_ai import eval as evaluate  # noqa: E402
from inspect_ai.dataset import Sample  # noqa: E402
from inspect_ai.log import list_eval_logs, read_eval_log, recover_eval_log  # noqa: E402
from inspect_ai.model import GenerateConfig, get_model  # noqa: E402
from inspect_ai.solver import generate, solver  # noqa: E402

MANY = 1000


def run(work, samples, url, logs, *, workers=MANY, display="none", **options):
    """Evaluate with as many connections and samples at once as there are workers."""
    config = GenerateConfig(max_connections=workers, max_retries=0)
    model = get_model(
        "openai/m",
        base_url=url,
        api_key="none",
        config=config,
        responses_api=False,
        streaming=True,
    )
    # What it imports on its first call is start-up: one whole evaluation goes ahead.
    if display == "none":  # a process has one display
        warm = Task(dataset=[Sample(input="go")], solver=generate())
        evaluate(warm, model=model, display=display, log_dir=f"{logs}-warm")
    names = [Sample(id=f"t{number:03d}", input="go") for number in range(samples)]
    task = Task(dataset=names, solver=work(), **options)
    return evaluate(task, model=model, max_samples=workers, display=display, log_dir=logs)[0]


async def call(state):
    await get_model().generate(
        "go", config=GenerateConfig(extra_headers={"x-pilot-task": str(state.sample_id)})
    )


def load(workers, calls, url, logs):
    told, left, gate = {}, [workers, workers], anyio.Event()

    @solver
    def work():
        async def solve(state, _generate):
            left[0] -= 1
            if not left[0]:
                told["start_cpu_s"] = time.process_time()
                told["start_s"] = time.monotonic() - BEGAN
                gate.set()
            await gate.wait()
            for _ in range(calls):
                await call(state)
            left[1] -= 1
            if not left[1]:
                told["wall_s"] = time.monotonic() - BEGAN - told["start_s"]
                told["cpu_s"] = time.process_time() - told["start_cpu_s"]
            return state

        return solve

    done = run(work, workers, url, logs, workers=workers)
    assert done.status == "success", done.error
    sys.stdout.write(json.dumps(told))


def beside(block, turns, url, told, limit_s, logs):
    @solver
    def work():
        async def solve(state, _generate):
            began = time.monotonic()
            if state.sample_id == "t000":
                exec(block)
            for _ in range(turns):
                await call(state)
            note(told, state.sample_id, time.monotonic() - began)
            return state

        return solve

    run(work, 20, url, logs, workers=20, time_limit=limit_s)


def hang(tasks, url, told, logs):
    @solver
    def work():
        async def solve(state, _generate):
            await call(state)
            note(told, state.sample_id, 0.0)
            return state

        return solve

    run(work, tasks, url, logs, workers=tasks, display="full")


def save(tasks, calls, url, told, logs):
    @solver
    def work():
        async def solve(state, _generate):
            for _ in range(calls):
                await call(state)
            note(told, state.sample_id, 0.0)
            return state

        return solve

    run(work, tasks, url, logs, workers=10)


def count(logs):
    (log,) = list_eval_logs(logs)
    found = {"logged": len(read_eval_log(log).samples or [])}
    recovered = recover_eval_log(log.name, cleanup=False).samples or []
    found["recovered"] = sum(1 for sample in recovered if sample.error is None)
    sys.stdout.write(json.dumps(found))


def note(told, name, took_s):
    """A line for the one who watches; no result."""
    with told.open("a") as file:
        file.write(f"{name.removeprefix('t')} {took_s:.3f}\n")


if __name__ == "__main__":
    mode, *given, where = sys.argv[1:]
    if mode == "load":
        load(int(given[0]), int(given[1]), given[2], where)
    elif mode == "beside":
        beside(given[0], int(given[1]), given[2], Path(given[3]), int(given[4]), where)
    elif mode == "hang":
        hang(int(given[0]), given[1], Path(given[2]), where)
    elif mode == "save":
        save(int(given[0]), int(given[1]), given[2], Path(given[3]), where)
    else:
        count(where)
