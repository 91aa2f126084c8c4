"""What commands share: how a run is named, where runs lie, how JSON is printed.

Apart so that ``--runs-dir``, ``--json`` and RUN mean the same everywhere.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click
from click.shell_completion import CompletionItem

from runner import RunInfo, find_run, list_runs, runs_folder

F = TypeVar("F", bound=Callable[..., Any])

_ASCII: Final = "pilot-tui.ascii"
COMMON: Final = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class RunName(click.ParamType[str]):
    """RUN: an id, a unique prefix, a path or ``latest``; completed from the list of runs."""

    name = "run"

    def shell_complete(
        self,
        ctx: click.Context,
        param: click.Parameter,  # noqa: ARG002  click's signature
        incomplete: str,
    ) -> list[CompletionItem]:
        """Ids that begin so."""
        names = [info.run_id for info in list_runs(runs_folder(ctx.params.get("runs_dir")))]
        return [CompletionItem(name) for name in (*names, "latest") if name.startswith(incomplete)]


class Shard(click.ParamType[tuple[int, int]]):
    """``I/N``: the I-th of N parts, from 1."""

    name = "shard"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """The two numbers; a usage error for anything else."""
        part, slash, parts = str(value).partition("/")
        whole = slash and part.isdecimal() and parts.isdecimal()
        if not whole or not 1 <= int(part) <= int(parts):
            self.fail(f"{value!r} is not I/N with I from 1 to N, e.g. 2/4", param, ctx)
        return int(part), int(parts)


def _folder(ctx: click.Context, _param: click.Parameter, value: str | None) -> Path:
    """The option here, else the one given before the command, else the default."""
    outer = ctx.parent.params.get("runs_dir") if ctx.parent else None
    if outer is not None and not value:
        return outer
    folder = runs_folder(value)
    if folder.exists() and not folder.is_dir():
        name = "--runs-dir" if value else "$PILOT_RUNS"
        raise click.UsageError(f"{name}: {folder} is not a folder; name one, it need not be there")
    return folder


def runs_dir_option(command: F) -> F:
    """``--runs-dir``: where runs lie."""
    return click.option(
        "--runs-dir",
        metavar="FOLDER",
        callback=_folder,
        is_eager=True,
        help="Where runs lie; else $PILOT_RUNS, else ./runs.",
    )(command)


def accepts_runs_dir(command: F) -> F:
    """``--runs-dir`` on a command that needs no runs: scripts may give it to every command."""
    return click.option("--runs-dir", metavar="FOLDER", hidden=True, expose_value=False)(command)


def _note_ascii(ctx: click.Context, _param: click.Parameter, asked: bool) -> None:
    """The wish is kept where groups and commands share it."""
    if asked:
        ctx.meta[_ASCII] = True


def ascii_option(command: F) -> F:
    """``--ascii``: on every command that opens a dashboard."""
    return click.option(
        "--ascii",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_note_ascii,
        help="Draw with ASCII characters only.",
    )(command)


def ascii_asked() -> bool:
    """Whether the command under way was given ``--ascii``, before or after its name."""
    return bool(click.get_current_context().meta.get(_ASCII))


def json_option(command: F) -> F:
    """``--json``: one JSON value on stdout."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def run_argument(*, required: bool = True) -> Callable[[F], F]:
    """RUN; where it may be left out it means the one live run."""
    return click.argument(
        "run", type=RunName(), required=required, metavar="RUN" if required else "[RUN]"
    )


def named(run: str | None, runs_dir: Path) -> RunInfo:
    """The run that RUN means; `PilotError` with what is wrong."""
    return find_run(run, runs_dir)


def print_json(value: Any) -> None:
    """One line of JSON on stdout."""
    click.echo(json.dumps(value, ensure_ascii=False))
