"""``report``, ``incidents``, ``verify``, ``doctor``, ``loops``: judgements on what a run left."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import msgspec

from runner import RunInfo, duration, latency, list_runs, one_line
from tui.cli.options import (
    RunName,
    accepts_runs_dir,
    json_option,
    named,
    print_json,
    run_argument,
    runs_dir_option,
)

if TYPE_CHECKING:
    from runner import Diagnosis, Evaluation, Group

NOT_OK: Final = 1
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command()
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=RunName())
@json_option
@runs_dir_option
def report(runs: tuple[str, ...], as_json: bool, runs_dir: Path) -> None:
    """Success by model and prompt type, of one run or several side by side.

    A Markdown table; rates are of scored tasks, with a 95 % interval.
    """
    from runner import report_of

    groups = [group for run in runs for group in report_of(named(run, runs_dir).run_dir)]
    if as_json:
        print_json(msgspec.to_builtins(groups))
        return
    click.echo(
        "| run | model | prompt type | tasks | passed | partial | failed | not scored | success "
        "| turns | p50 | p95 | tokens | cost |"
    )
    click.echo("|---|---|---|--:|--:|--:|--:|--:|---|--:|--:|--:|--:|--:|")
    for group in groups:
        click.echo(_row(group))


def _row(group: "Group") -> str:
    counts = [group.outcomes.get(name, 0) for name in ("passed", "partial", "failed")]
    cells: list[object] = [
        one_line(group.run_id, 40),
        _cell(group.model),
        _cell(group.prompt_type) or "-",
        group.tasks,
        *counts,
        group.not_scored,
        _success(group),
        "-" if group.mean_turns is None else f"{group.mean_turns:.1f}",
        latency(group.p50_s),
        latency(group.p95_s),
        group.tokens_in + group.tokens_out,
        f"{group.cost:.2f}",
    ]
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def _cell(text: str) -> str:
    return one_line(text, 40).replace("|", "\\|")


def _success(group: "Group") -> str:
    if group.success is None or group.success_low is None or group.success_high is None:
        return "-"
    return f"{group.success:.0%} ({group.success_low:.0%} to {group.success_high:.0%})"


@click.command()
@run_argument(required=False)
@json_option
@runs_dir_option
def incidents(run: str | None, as_json: bool, runs_dir: Path) -> None:
    """List what went wrong, as episodes joined over workers and time."""
    from runner import incident_words, incidents_of

    found = incidents_of(named(run, runs_dir).run_dir)
    if as_json:
        print_json(msgspec.to_builtins(found))
        return
    for item in found:
        until = "now     " if item.open else _clock(item.ended_at)
        click.echo(f"{_clock(item.began_at)}-{until}  {incident_words(item)}")
    if not found:
        click.echo("nothing went wrong")


def _clock(at: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(at))


@click.command()
@run_argument(required=False)
@json_option
@runs_dir_option
def verify(run: str | None, as_json: bool, runs_dir: Path) -> int:
    """Check that a run folder holds what its log says: every row, every byte. Exit 1 if not."""
    from runner import verify as verify_run

    info = named(run, runs_dir)
    found = verify_run(info.run_dir)
    if as_json:
        print_json(msgspec.to_builtins(found))
    else:
        click.echo(
            f"{'ok' if found.ok else 'NOT OK'}: {info.run_id} has {found.rows} rows, "
            f"{found.log.events} events"
        )
        for finding in found.findings:
            click.echo(f"  {one_line(finding, 300)}")
    return 0 if found.ok else NOT_OK


@click.command()
@run_argument(required=False)
@json_option
@runs_dir_option
def doctor(run: str | None, as_json: bool, runs_dir: Path) -> int:
    """Look at a run's processes, workers, results, disk and memory. Exit 1 if it hangs.

    Without RUN: all your live runs.
    """
    from runner import diagnose, diagnosis_words

    found = [diagnose(info.run_dir) for info in _patients(run, runs_dir)]
    if as_json:
        values = msgspec.to_builtins(found)
        print_json(values[0] if run else values)
    elif not found:
        click.echo("no run of yours is live")
    else:
        for number, diagnosis in enumerate(found):
            click.echo("\n" if number else "", nl=False)
            _print_diagnosis(diagnosis, diagnosis_words(diagnosis))
    return 0 if all(item.healthy for item in found) else NOT_OK


def _patients(run: str | None, runs_dir: Path) -> list[RunInfo]:
    if run:
        return [named(run, runs_dir)]
    return [info for info in list_runs(runs_dir) if info.live]


def _print_diagnosis(diagnosis: "Diagnosis", lines: list[str]) -> None:
    word = "healthy" if diagnosis.healthy else "NOT HEALTHY"
    click.echo(f"{one_line(diagnosis.run_id, 60)}: {word}")
    for line in lines:
        click.echo(line)


@click.group()
def loops() -> None:
    """Judge the loop detector."""


@loops.command("evaluate")
@click.argument("file", metavar="FILE", type=_FILE)
@json_option
@accepts_runs_dir
def loops_evaluate(file: Path, as_json: bool) -> None:
    """Score the loop rules on recorded conversations (Parquet)."""
    from runner import evaluate_file

    began = time.monotonic()
    try:
        found = evaluate_file(file)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if as_json:
        print_json(msgspec.to_builtins(found))
        return
    _print_evaluation(found)
    click.echo(f"judged in {duration(time.monotonic() - began)}")


def _print_evaluation(found: "Evaluation") -> None:
    click.echo(
        f"{'rule':<14} {'flagged':>8} {'succeeded':>10} {'harm':>8} {'recall':>8} saved turns"
    )
    for name, score in (("all defaults", found.all), *found.rules.items()):
        click.echo(
            f"{name:<14} {score.flagged:>8.2%} {score.flagged_succeeded:>10.2%} "
            f"{score.harm:>8.2%} {score.recall:>8.2%} {score.turns_saved:>11}"
        )
