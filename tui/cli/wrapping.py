"""``wrap``: a script of the user's with its calls on the dashboard, nothing in it changed."""

from pathlib import Path

import click

from runner import plural
from tui.cli.options import runs_dir_option
from tui.cli.running import overrides_of


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--workers", metavar="N", type=click.IntRange(1, 1024), default=32, show_default=True)
@click.option("--run-id", metavar="ID", help="Name of the run; made up otherwise.")
@click.option("--set", "pairs", metavar="KEY=VALUE", multiple=True, help="Change a plan key.")
@runs_dir_option
@click.argument("argv", metavar="-- COMMAND...", nargs=-1, required=True, type=click.UNPROCESSED)
def wrap(
    workers: int, run_id: str | None, pairs: tuple[str, ...], runs_dir: Path, argv: tuple[str, ...]
) -> int:
    """Run a script with a pool of its own; each open call has a lane, with limits and kills.

    Its SDK finds the run by OPENAI_BASE_URL and OPENAI_API_KEY, or Azure's names for them. Watch it
    from another terminal. Exits with the script's own code.
    """
    from runner import read_state, start_wrap

    name = Path(argv[0]).name if len(argv) == 1 else f"{Path(argv[0]).name} {argv[1]}"
    wrapped = start_wrap(
        runs_dir, name, workers=workers, run_id=run_id, overrides=overrides_of(pairs)
    )
    run = wrapped.info.run_id
    click.echo(f"pilot-tui: watch it from another terminal: pilot-tui attach {run}", err=True)
    code = wrapped.run(argv)
    state = read_state(wrapped.info.run_dir)
    calls = plural(len(state.done), "call")
    bad = sum(count for outcome, count in state.outcomes.items() if outcome != "passed")
    said = f"{calls}, {bad} without an answer" if bad else f"{calls}, all answered"
    click.echo(f"pilot-tui: {run}: {said}; exit code {code}", err=True)
    return code
