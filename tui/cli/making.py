"""``check``, ``init``, ``import``, ``rehearse``, ``themes``: what is done beside a run."""

import ast
import os
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from runner import PlanError, format_problems, one_line, plural
from tui.cli.options import accepts_runs_dir, json_option, print_json, runs_dir_option
from tui.cli.running import overrides_of

NOT_REACHED: Final = 1
BAD_PLAN: Final = 2
KINDS: Final = ("workflowbench",)
_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("plan", metavar="PLAN", type=click.Path(path_type=Path))
@click.option("--probe", is_flag=True, help="Also make one call to each deployment.")
@click.option("--set", "pairs", metavar="KEY=VALUE", multiple=True, help="Change a plan key.")
@json_option
@accepts_runs_dir
def check(plan: Path, probe: bool, pairs: tuple[str, ...], as_json: bool) -> int:
    """Say everything that is wrong with a plan, and what it would run. Starts nothing.

    With --probe: exit 1 if a deployment does not answer.
    """
    from runner import probe_plan, probe_words, read_plan

    try:
        document = read_plan(plan, overrides_of(pairs))
    except PlanError as error:
        if not as_json:
            raise
        print_json({"ok": False, "problems": msgspec.to_builtins(error.problems), "warnings": []})
        return BAD_PLAN
    tasks = len(document.tasks())
    chosen = document.plan
    probes = probe_plan(chosen) if probe else []
    reached = all(item.ok for item in probes)
    code = 0 if reached else NOT_REACHED
    if as_json:
        warnings = msgspec.to_builtins(document.warnings)
        found: dict[str, Any] = {"ok": reached, "problems": [], "warnings": warnings}
        found["probes"] = msgspec.to_builtins(probes)
        print_json({**found, "tasks": tasks, "plan": msgspec.to_builtins(chosen)})
        return code
    for line in format_problems(document.warnings):
        click.echo(f"warning: {line}", err=True)
    models = ", ".join(one_line(model.name, 40) for model in chosen.models)
    workers = plural(chosen.run.workers, "worker")
    click.echo(f"ok: {plural(tasks, 'task')}, {workers}, {chosen.tasks.executor}, {models}")
    for item in probes:
        click.echo(probe_words(item), err=not item.ok)
    return code


@click.command()
@click.argument("file", metavar="[FILE]", type=_FILE, default="plan.toml")
@accepts_runs_dir
def init(file: Path) -> None:
    """Write a commented plan that shows every key; plan.toml unless named, - for stdout.

    A Python FILE with a function run(task, ctx) gets a plan.toml beside it that runs it.
    """
    from runner import plan_template

    if str(file) == "-":
        click.echo(plan_template(), nl=False)
        return
    entry = ""
    if file.suffix == ".py":
        entry, file = _entry_in(file), file.with_name("plan.toml")
    try:
        with file.open("x", encoding="utf-8") as out:
            out.write(plan_template(entry))
    except FileExistsError:
        raise click.UsageError(f"{file} is there already; name another file") from None
    click.echo(f"wrote {file}; next: pilot-tui check {file}")


def _entry_in(script: Path) -> str:
    """``module:run`` of a script, which is read and not run."""
    try:
        tree = ast.parse(script.read_bytes(), str(script))
    except (OSError, SyntaxError, ValueError) as error:
        raise click.UsageError(f"{script} cannot be read: {error}") from None
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    if not any(isinstance(node, functions) and node.name == "run" for node in tree.body):
        raise click.UsageError(
            f"{script} has no function run(task, ctx). A script with a loop of its own needs no"
            f" plan: pilot-tui wrap -- python {script}"
        )
    return f"{script.stem}:run"


@click.command()
@click.option(
    "--port", metavar="N", type=click.IntRange(0, 65535), default=0, help="0: a free one."
)
@click.option("--script", metavar="FILE", type=_FILE, help="What each model and task meets.")
@accepts_runs_dir
def rehearse(port: int, script: Path | None) -> None:
    """Serve the rehearsal endpoint on 127.0.0.1 until Ctrl-C: it misbehaves on demand.

    A model's name can say how: rehearse-silent, any:12%silent;8%drip_sse;ok.
    """
    from runner import Script, ScriptError, serve

    try:
        chosen = (
            Script.decode(script.read_bytes(), toml=script.suffix != ".json")
            if script
            else Script()
        )
    except ScriptError as error:
        raise click.UsageError(str(error)) from error
    serve(chosen, port, ready=_announce)


def _announce(port: int) -> None:
    click.echo(f'base_url = "http://127.0.0.1:{port}/v1"   pid {os.getpid()}   Ctrl-C ends it')


@click.command("import")
@click.argument("kind", metavar="KIND", type=click.Choice(KINDS))
@click.argument("path", metavar="PATH", type=click.Path(path_type=Path))
@click.option("--run-id", metavar="ID", help="The new run's id; else one is made up.")
@json_option
@runs_dir_option
def import_(kind: str, path: Path, run_id: str | None, as_json: bool, runs_dir: Path) -> None:
    """Take in another harness's logs as a run: it replays, reports and verifies like your own.

    KIND: workflowbench, a folder of its JSON files.
    """
    from runner import import_logs

    made = import_logs(kind, path, runs_dir, run_id)
    if as_json:
        print_json({**msgspec.to_builtins(made), "run_dir": str(made.run_dir)})
        return
    for skipped in made.skipped:
        click.echo(one_line(f"left out: {skipped.file}: {skipped.why}", 300), err=True)
    for note in made.notes:
        click.echo(f"note: {note}", err=True)
    click.echo(
        f"imported {plural(made.tests, 'test')}, {plural(made.turns, 'turn')}, as {made.run_id}; "
        f"next: pilot-tui report {made.run_id}"
    )


@click.command()
@json_option
@accepts_runs_dir
def themes(as_json: bool) -> None:
    """List the themes, shipped and your own, and what is wrong with any of them."""
    from tui.cli.screen import themes_folder
    from tui.theme import load_themes, shipped_folder

    found, problems = load_themes([shipped_folder(), themes_folder()])
    if as_json:
        names = [
            {"name": name, "about": theme.about, "dark": theme.dark}
            for name, theme in found.items()
        ]
        print_json({"themes": names, "problems": problems})
        return
    for name, theme in found.items():
        click.echo(f"{name:<16} {one_line(theme.about, 80)}")
    for problem in problems:
        click.echo(f"problem: {one_line(problem, 200)}", err=True)
