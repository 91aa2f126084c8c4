"""``kill``, ``retry``, ``pause``, ``stop``, ``workers``, ``set``: orders to a running engine.

Each is one line over the control socket; the engine decides and answers. Exit 0 if it did, 1 if it
said no, 3 if there is no engine.
"""

from pathlib import Path
from typing import Any, Final

import click

from runner import Control, EngineGone, RunInfo, end_of, engine_alive
from tui.cli.options import json_option, named, print_json, run_argument, runs_dir_option
from tui.cli.running import overrides_of

REFUSED: Final = 1


def _order(run: str, runs_dir: Path, as_json: bool, op: str, **fields: Any) -> int:
    """Give one order; print the engine's answer."""
    from tui.source.words import answer_words

    info = named(run, runs_dir)
    if not engine_alive(info.run_dir):
        raise EngineGone(_no_engine(info))
    with Control(info.run_dir) as control:
        answer = control.ask(op, **fields)
    ok = bool(answer.get("ok"))
    if as_json:
        print_json(answer)
    else:
        click.echo(answer_words(op, fields, answer), err=not ok)
    return 0 if ok else REFUSED


def _no_engine(info: RunInfo) -> str:
    """Why a run takes no orders, and what does instead."""
    end = end_of(info.run_dir)
    again = f"pilot-tui resume {info.run_id}"
    if end is None:
        return f"there is no engine: that of {info.run_id} is gone; start it again: {again}"
    if end.status == "finished":
        retry = f"{again} --retry errored,timed_out"
        return f"there is no engine: {info.run_id} is finished; run some tasks again: {retry}"
    return f"there is no engine: {info.run_id} is {end.status}; go on with it: {again}"


def _target(worker: int | None, task: str | None) -> dict[str, Any]:
    if (worker is None) == (task is None):
        raise click.UsageError("name one of --worker N and --task ID")
    return {"worker": worker} if task is None else {"task": task}


worker_option = click.option(
    "--worker", metavar="N", type=click.IntRange(min=0), help="What this worker has under way."
)
task_option = click.option("--task", metavar="ID", help="The task of this id.")


@click.command()
@run_argument()
@worker_option
@task_option
@json_option
@runs_dir_option
def kill(run: str, worker: int | None, task: str | None, as_json: bool, runs_dir: Path) -> int:
    """End an attempt now; its task does not run again."""
    return _order(run, runs_dir, as_json, "kill", **_target(worker, task))


@click.command()
@run_argument()
@worker_option
@task_option
@json_option
@runs_dir_option
def retry(run: str, worker: int | None, task: str | None, as_json: bool, runs_dir: Path) -> int:
    """End an attempt if it runs, and queue its task first."""
    return _order(run, runs_dir, as_json, "retry", **_target(worker, task))


@click.command()
@run_argument()
@json_option
@runs_dir_option
def pause(run: str, as_json: bool, runs_dir: Path) -> int:
    """Start no new attempts; those under way go on. `resume` lifts it."""
    return _order(run, runs_dir, as_json, "pause")


@click.command()
@run_argument()
@click.option("--drain", is_flag=True, help="When the attempts under way have ended.")
@json_option
@runs_dir_option
def stop(run: str, drain: bool, as_json: bool, runs_dir: Path) -> int:
    """End a run; what is under way runs again with `resume`."""
    return _order(run, runs_dir, as_json, "stop", drain=drain)


@click.command()
@run_argument()
@click.argument("number", metavar="N", type=click.IntRange(1, 4096))
@json_option
@runs_dir_option
def workers(run: str, number: int, as_json: bool, runs_dir: Path) -> int:
    """Change how many workers a run has."""
    return _order(run, runs_dir, as_json, "workers", n=number)


@click.command("set")
@run_argument()
@click.argument("pairs", metavar="KEY=VALUE...", nargs=-1, required=True)
@click.option("--now", is_flag=True, help="For attempts under way too, not only for new ones.")
@json_option
@runs_dir_option
def set_(run: str, pairs: tuple[str, ...], now: bool, as_json: bool, runs_dir: Path) -> int:
    """Change plan keys of a run, e.g. limits.attempt=600 endpoints.azure.qps=5.

    They are taken one after the other; the first that is refused ends it.
    """
    for key, value in overrides_of(pairs).items():
        code = _order(run, runs_dir, as_json, "set", key=key, value=value, now=now)
        if code:
            return code
    return 0
