"""``notify --test``: do the programs that are to call a person work, before a night depends on it.

Apart from the engine's own calls because here nobody is in trouble and no run is there.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from runner import one_line
from tui.cli.options import accepts_runs_dir

if TYPE_CHECKING:
    from runner import Called

FAILED = 1


@click.command()
@click.option(
    "--test",
    "plan",
    metavar="PLAN.toml",
    required=True,
    type=click.Path(path_type=Path),
    help="The plan whose programs are called.",
)
@accepts_runs_dir
def notify(plan: Path) -> int:
    """Call the programs of a plan's [notify] once, with a message that says it is a test.

    Exit 1 if one of them could not be started, failed, or took longer than 30 s.
    """
    from runner import call_once, read_plan

    document = read_plan(plan, check_entry=False)
    wanted = document.plan.notify
    if not wanted.on_trouble and not wanted.on_end:
        raise click.UsageError(f"{plan} has no [notify] with on_trouble or on_end")
    errors: list[str] = []

    def told(name: str, called: "Called") -> None:
        click.echo(f"{name}: {called.error or 'ended well'} in {called.took_s:.1f} s")
        for line in called.output.splitlines():
            click.echo(f"  {one_line(line, 500)}")
        if called.error:
            errors.append(name)

    call_once(document.plan, document.folder, told)
    return FAILED if errors else 0
