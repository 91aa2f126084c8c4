"""``attach``, ``replay`` and the home screen: dashboards on runs that are there already."""

from pathlib import Path

import click

from runner import engine_alive
from tui.cli.asking import print_runs
from tui.cli.options import ascii_option, named, run_argument, runs_dir_option
from tui.cli.showing import dashboard, has_screen


def home(runs_dir: Path) -> int:
    """The user's runs: on the screen, or as a list where there is none."""
    if not has_screen():
        print_runs(runs_dir, as_json=False)
        return 0
    from tui.cli.screen import watch_home

    watch_home(runs_dir)
    return 0


@click.command()
@run_argument(required=False)
@click.option("--read-only", is_flag=True, help="Keys that change the run are off.")
@ascii_option
@runs_dir_option
def attach(run: str | None, read_only: bool, runs_dir: Path) -> int:
    """Open the dashboard on a live run; of a finished run its end.

    RUN may be left out if one run is live. Without a terminal: plain lines, and Ctrl-C leaves.
    """
    info = named(run, runs_dir)
    if has_screen():
        return dashboard(info.run_dir, read_only=read_only)
    from tui.headless import tell_run

    return tell_run(info.run_dir, owner=False)


@click.command()
@run_argument()
@click.option("--speed", metavar="X", type=click.FloatRange(0.1, 1000), default=1.0)
@click.option("--at", "at", metavar="T", help="Where to begin: 21:07[:30], +2h10m or seconds.")
@ascii_option
@runs_dir_option
def replay(run: str, speed: float, at: str | None, runs_dir: Path) -> int:
    """Show a run on its own time axis: play, pause, step, any speed, any moment."""
    from runner import read_state
    from tui.cli.asking import moment_of

    info = named(run, runs_dir)
    began = None if at is None else moment_of(info, at, read_state(info.run_dir))
    if not has_screen():
        what = "status RUN --at T" if not engine_alive(info.run_dir) else "attach"
        raise click.UsageError(f"a replay needs a terminal; in a script: pilot-tui {what}")
    from tui.cli.screen import watch_past

    watch_past(info.run_dir, at=began, speed=speed)
    return 0
