"""``doctor``: what is the matter with a run, or with a harness that is not ours.

Apart from the other judgements because of its questions: what it lists it may also end.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec

from runner import RunInfo, list_runs, one_line, plural
from tui.cli.options import json_option, named, print_json, run_argument, runs_dir_option

if TYPE_CHECKING:
    from runner import Diagnosis, ForeignDiagnosis

ILL: Final = 1
_FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


def _pattern(_ctx: click.Context, _param: click.Parameter, value: str | None) -> Any:
    if value is None:
        return None
    try:
        return re.compile(value)
    except re.error as error:
        raise click.BadParameter(f"{value!r} is no regular expression: {error}") from error


@click.command()
@run_argument(required=False)
@click.option("--pid", "pids", metavar="PID", multiple=True, type=click.IntRange(min=2))
@click.option("--match", "pattern", metavar="REGEX", callback=_pattern, help="In command lines.")
@click.option("--data", metavar="DIR", type=_FOLDER, help="Where that program saves its results.")
@click.option(
    "--window",
    metavar="S",
    type=click.FloatRange(0.2, 60),
    default=2.0,
    show_default=True,
    help="Seconds over which CPU use is measured.",
)
@click.option("--kill", "end", is_flag=True, help="End exactly the listed processes, after asking.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print Markdown.")
@json_option
@runs_dir_option
def doctor(  # noqa: PLR0913, PLR0917  one parameter an option is click's way
    run: str | None,
    pids: tuple[int, ...],
    pattern: re.Pattern[str] | None,
    data: Path | None,
    window: float,
    end: bool,
    as_markdown: bool,
    as_json: bool,
    runs_dir: Path,
) -> int:
    """Look at processes, workers, results, disk and memory. Exit 1 if something hangs.

    RUN is a run of yours. --pid and --match look at programs that are not ours. Without any of
    them: your live runs, then your Python programs that do nothing.
    """
    if pids or pattern is not None:
        if run or (pids and pattern is not None):
            raise click.UsageError("only one of RUN, --pid and --match can be meant")
        found = _foreign(pids, pattern, data, window)
        if as_json:
            print_json(msgspec.to_builtins(found))
        else:
            _print_foreign(found, as_markdown=as_markdown)
        if end:
            return _end(found)
        return ILL if found.hung else 0
    if end or data is not None:
        raise click.UsageError("--kill and --data go with --pid or --match")
    if run:
        return _own(named(run, runs_dir), as_json=as_json)
    return _everything(runs_dir, window, as_json=as_json, as_markdown=as_markdown)


def _foreign(
    pids: tuple[int, ...], pattern: re.Pattern[str] | None, data: Path | None, window: float
) -> "ForeignDiagnosis":
    from runner import diagnose_matching, diagnose_pids

    if pattern is not None:
        found = diagnose_matching(pattern, data=data, window_s=window)
    else:
        found = diagnose_pids(pids, data=data, window_s=window)
    if not found.there:
        option = "--pid" if pattern is None else "--match"
        raise click.BadParameter(_why_nothing(found), param_hint=f"'{option}'")
    return found


def _why_nothing(found: "ForeignDiagnosis") -> str:
    """Why there is nothing to judge: a script must not take that for good health."""
    said = [f"{item.what} {item.why}" for item in found.unread]
    return "; ".join(said) or "no process has such a command line"


def _own(info: RunInfo, *, as_json: bool) -> int:
    from runner import diagnose

    found = diagnose(info.run_dir)
    if as_json:
        print_json(msgspec.to_builtins(found))
    else:
        _print_own(found)
    return 0 if found.healthy else ILL


def _everything(runs_dir: Path, window: float, *, as_json: bool, as_markdown: bool) -> int:
    from runner import diagnose, idle_trees

    runs = [diagnose(info.run_dir) for info in list_runs(runs_dir) if info.live]
    trees = idle_trees(window)
    if as_json:
        print_json({"runs": msgspec.to_builtins(runs), "trees": msgspec.to_builtins(trees)})
    else:
        if not runs:
            click.echo("no run of yours is live")
        for number, diagnosis in enumerate(runs):
            click.echo("\n" if number else "", nl=False)
            _print_own(diagnosis)
        for tree in trees:
            click.echo()
            _print_foreign(tree, as_markdown=as_markdown)
    ill = any(not item.healthy for item in runs) or any(tree.hung for tree in trees)
    return ILL if ill else 0


def _print_own(diagnosis: "Diagnosis") -> None:
    from runner import diagnosis_words

    word = "healthy" if diagnosis.healthy else "NOT HEALTHY"
    click.echo(f"{one_line(diagnosis.run_id, 60)}: {word}")
    for line in diagnosis_words(diagnosis):
        click.echo(line)


def _print_foreign(found: "ForeignDiagnosis", *, as_markdown: bool) -> None:
    from runner import foreign_markdown, foreign_words

    for line in foreign_markdown(found) if as_markdown else foreign_words(found):
        click.echo(line)


def _end(found: "ForeignDiagnosis") -> int:
    """Ask, then end what was listed. 1 if something is still there or was refused."""
    from runner import end_processes

    click.echo(err=True)
    what = plural(len(found.there), "process", "processes")
    if not click.confirm(f"End exactly these {what}?", default=False, err=True):
        click.echo("nothing was ended", err=True)
        return ILL if found.hung else 0
    ended = end_processes(found.there)
    for item in ended:
        click.echo(f"{item.pid}: {item.how}{f' ({item.why})' if item.why else ''}", err=True)
    return ILL if any(item.how in ("refused", "still there") for item in ended) else 0
