"""``report``, ``incidents``, ``verify``, ``loops``: judgements on what a run left."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec

from runner import RunInfo, duration, one_line
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
    from runner import Evaluation, Format, Unscored

NOT_OK: Final = 1
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command()
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=RunName())
@click.option(
    "--by",
    metavar="NAMES",
    default="model,prompt_type",
    show_default=True,
    help="Columns or labels.",
)
@click.option(
    "--phases", is_flag=True, help="The tables of the benchmark's phases 5.1 to 5.5 instead."
)
@click.option(
    "--unscored",
    type=click.Choice(["exclude", "fail"]),
    default="exclude",
    help="Leave tasks that were not scored out of the rate, or count them as failed.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "md", "csv", "latex", "json", "parquet"]),
    default="table",
    help="For people, papers or programs.",
)
@json_option
@runs_dir_option
def report(
    runs: tuple[str, ...],
    by: str,
    phases: bool,
    unscored: "Unscored",
    form: "Format",
    as_json: bool,
    runs_dir: Path,
) -> None:
    """Success in groups with its 95 % interval, time, tokens, cost, and time lost to trouble.

    Several runs stand side by side. parquet goes to stdout: pilot-tui report RUN --format parquet >
    FILE.
    """
    from runner import judged, run_names

    groups = [part.strip() for part in by.split(",") if part.strip()]
    if not groups:
        raise click.BadParameter("names no column", param_hint="--by")
    form = "json" if as_json else form
    if form == "parquet" and sys.stdout.isatty():
        raise click.UsageError("parquet is not for a terminal: add > FILE")
    infos = [named(run, runs_dir) for run in runs]
    frames = [judged(info.run_dir) for info in infos]
    names = run_names([(info.run_id, info.name) for info in infos])
    if phases:
        _print_phases(frames, unscored, form)
    else:
        _print_groups(infos, names, frames, groups, unscored, form)


def _print_groups(
    infos: list[RunInfo],
    names: list[str],
    frames: list[Any],
    groups: list[str],
    unscored: "Unscored",
    form: "Format",
) -> None:
    from runner import grid, long_form, parquet_bytes, side_by_side, summary, summary_text

    made = [summary(frame, groups, unscored) for frame in frames]
    if form == "json":
        pairs = zip(infos, made, strict=True)
        print_json([{"run_id": info.run_id, "groups": one.to_dicts()} for info, one in pairs])
    elif form == "parquet":
        sys.stdout.buffer.write(parquet_bytes(long_form(names, made)))
    elif form == "csv":
        click.echo(
            summary_text(made[0] if len(made) == 1 else long_form(names, made), form), nl=False
        )
    elif len(made) == 1:
        click.echo(summary_text(made[0], form), nl=False)
    else:
        click.echo(grid(*side_by_side(names, made, groups), form), nl=False)


def _print_phases(frames: list[Any], unscored: "Unscored", form: "Format") -> None:
    from runner import parquet_bytes, phase_frame, phase_tables, phase_text, stacked, summary_text

    tables = phase_tables(stacked(frames), unscored)
    if not tables:
        click.echo("no row has a prompt type, a flaw or a tool success rate", err=True)
    elif form == "json":
        print_json(phase_frame(tables).to_dicts())
    elif form == "parquet":
        sys.stdout.buffer.write(parquet_bytes(phase_frame(tables)))
    elif form == "csv":
        click.echo(summary_text(phase_frame(tables), form), nl=False)
    else:
        click.echo(phase_text(tables, form), nl=False)


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
