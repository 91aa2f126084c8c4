"""``ls``, ``status``, ``wait``: questions about runs, for people and scripts."""

import time
from pathlib import Path
from typing import Final

import click

from runner import (
    EngineSeen,
    Glance,
    Reading,
    RunInfo,
    State,
    duration,
    end_of,
    engine_alive,
    eta_s,
    glances,
    not_scored,
    one_line,
    outlook,
    plural,
    read_run,
    read_state,
    run_elapsed_s,
    run_state,
    state_word,
    troubles,
    verdict,
    why,
)
from runner import (
    status as status_json,
)
from tui.cli.options import json_option, named, print_json, run_argument, runs_dir_option
from tui.moments import moment

POLL_S: Final = 0.2
LOST: Final = 3
_TROUBLES: Final = 10
_AGAIN_S: Final = 1.0


@click.command()
@json_option
@runs_dir_option
def ls(as_json: bool, runs_dir: Path) -> None:
    """List your runs, live ones first."""
    print_runs(runs_dir, as_json=as_json)


def print_runs(runs_dir: Path, *, as_json: bool) -> None:
    """The list of runs, as JSON or as a table."""
    runs = [
        (seen, state_word(seen.info.run_dir, live=seen.info.live)) for seen in glances(runs_dir)
    ]
    if as_json:
        print_json([_run_json(seen, word) for seen, word in runs])
        return
    if not runs:
        click.echo(f"no runs in {runs_dir} and none in your list; begin with: pilot-tui demo")
        return
    width = max(len(seen.info.run_id) for seen, _ in runs)
    click.echo(f"{'RUN':<{width}}  {'STATE':<9} {'BEGAN':<16} {'ROWS':>7}  NAME  FOLDER")
    for seen, word in runs:
        info = seen.info
        began = time.strftime("%Y-%m-%d %H:%M", time.localtime(info.created))
        name = one_line(info.name, 40)
        head = f"{info.run_id:<{width}}  {word:<9} {began:<16} {seen.rows:>7}"
        click.echo(f"{head}  {name}  {info.run_dir}")


def _run_json(seen: Glance, word: str) -> dict[str, object]:
    info = seen.info
    end = None if info.live else end_of(info.run_dir)
    return {
        "run_id": info.run_id,
        "name": info.name,
        "state": word,
        "live": info.live,
        "created": info.created,
        "run_dir": str(info.run_dir),
        "rows": seen.rows,
        "last_at": seen.last_at or None,
        "exit_code": end.exit_code if end else None,
    }


@click.command()
@run_argument(required=False)
@click.option("--at", "at", metavar="T", help="As it was then: 21:07[:30], +2h10m or seconds.")
@click.option("--follow", is_flag=True, help="Again each second, until the run ends.")
@json_option
@runs_dir_option
def status(run: str | None, at: str | None, follow: bool, as_json: bool, runs_dir: Path) -> None:
    """Say in a sentence how a run is, then in figures.

    With --follow and --json: one JSON object a line.
    """
    if at is not None and follow:
        raise click.UsageError("--at is a moment of the past; it cannot be followed")
    info = named(run, runs_dir)
    if at is not None:
        moment_at = moment_of(info, at, read_state(info.run_dir))
        _print_status(read_run(info.run_dir, moment_at), as_json=as_json)
        return
    while True:
        reading = read_run(info.run_dir)
        _print_status(reading, as_json=as_json)
        over = run_state(reading.state, reading.engine) in ("finished", "stopped", "lost")
        if not follow or over:
            return
        time.sleep(_AGAIN_S)
        if not as_json:
            click.echo()


def moment_of(info: RunInfo, text: str, state: State) -> float:
    """T as unix seconds; a usage error says what is wrong with it."""
    last_at = max(state.at, time.time()) if info.live else state.at
    try:
        return moment(text, state.first_at, last_at)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--at") from error


def _print_status(reading: Reading, *, as_json: bool) -> None:
    if as_json:
        print_json(status_json(*reading))
        return
    for line in status_lines(*reading):
        click.echo(line)


def status_lines(state: State, now: float, engine: EngineSeen) -> list[str]:
    """The verdict, then figures, endpoints and the worst troubles."""
    lines = [verdict(state, now, engine).text]
    left = eta_s(state, now)
    word = run_state(state, engine)
    done = f"{len(state.done)} of {plural(state.tasks_total, 'task')} done"
    parts = [
        f"{one_line(state.run_id, 60)} {word} {duration(run_elapsed_s(state, now))}",
        done,
        f"{state.running_tasks} running",
        f"about {duration(left)} left" if left else "",
    ]
    lines.append(", ".join(part for part in parts if part))
    outcomes = [f"{name} {number}" for name, number in sorted(state.outcomes.items()) if number]
    if outcomes:
        lines.append(f"{', '.join(outcomes)} | not scored {not_scored(state)}")
    lines.append(_saved(state, now))
    for trouble in troubles(state, now)[:_TROUBLES]:
        worker = trouble.worker
        look = outlook(state, worker, now)
        ends = f"; ends by itself in {duration(look.ends_in_s)}" if look else ""
        word = trouble.health if trouble.health != "ok" else worker.phase
        task = one_line(worker.task_id, 60)
        lines.append(f"  {word:<8} worker {worker.worker} {task}: {why(state, worker, now)}{ends}")
    return lines


def _saved(state: State, now: float) -> str:
    rows = state.rows
    text = f"saved {plural(rows.written, 'row')} in {plural(rows.parts, 'file')}"
    if state.awaited:
        text += f", {len(state.awaited)} waiting"
    if rows.last_write_at and state.status not in ("finished", "stopped"):
        text += f", last {duration(now - rows.last_write_at)} ago"
    return f"{text}, {rows.error}" if rows.error else text


@click.command()
@run_argument(required=False)
@json_option
@runs_dir_option
def wait(run: str | None, as_json: bool, runs_dir: Path) -> int:
    """Wait until a run ends; exit with its code, 3 if its engine is lost."""
    info = named(run, runs_dir)
    while engine_alive(info.run_dir):
        time.sleep(POLL_S)
    end = end_of(info.run_dir)
    reading = read_run(info.run_dir)
    if as_json:
        print_json(status_json(*reading))
    else:
        click.echo(verdict(*reading).text)
    return end.exit_code if end else LOST
