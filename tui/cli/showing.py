"""Shows a run that was just started or attached to: on the screen, as lines, or not at all.

Apart because run, demo, resume, attach and replay all end here, and decide alike.
"""

import os
import sys
from pathlib import Path

import click

from runner import RunInfo, end_of, engine_alive
from tui.cli.parting import attach_line, say_logout

STOPPED = 3


def has_screen() -> bool:
    """Whether a dashboard can be drawn: a terminal on both sides that is not a dumb one."""
    return (
        sys.stdin.isatty()
        and sys.stdout.isatty()
        and os.environ.get("TERM", "dumb") not in ("dumb", "unknown", "")
    )


def show(info: RunInfo, *, headless: bool, detach: bool, note: str = "") -> int:
    """Show a run whose engine runs; the exit code."""
    if detach:
        click.echo(f"run     {info.run_id}\nfolder  {info.run_dir}\nattach  {attach_line(info)}")
        say_logout(info.run_id, info.run_dir)
        return 0
    if headless or not has_screen():
        from tui.headless import tell_run

        return tell_run(info.run_dir, owner=True)
    return dashboard(info.run_dir, note=note)


def dashboard(run_dir: Path, *, read_only: bool = False, note: str = "") -> int:
    """The dashboard on a live or finished run, until the person leaves."""
    from tui.cli.screen import watch_live

    watch_live(run_dir, read_only=read_only, note=note)
    return outcome(run_dir)


def outcome(run_dir: Path) -> int:
    """The exit code of a run that was watched: its own; 0 while it goes on; 3 if it was lost."""
    end = end_of(run_dir)
    if end is not None:
        return end.exit_code
    return 0 if engine_alive(run_dir) else STOPPED
