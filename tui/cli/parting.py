"""What is said to a person whose run goes on without a screen: how to come back, what may end it.

Apart because leaving a dashboard and starting without one both end in these words.
"""

from pathlib import Path

import click

from runner import RunInfo, logout_warning


def attach_line(info: RunInfo) -> str:
    """What to type to see the run again, from any folder: its id is in the user's list."""
    return f"pilot-tui attach {info.run_id}"


def say_logout(run_id: str, run_dir: Path) -> None:
    """Say it where a logout would end the run, with the command that prevents it."""
    warning = logout_warning(run_id, run_dir)
    if warning is not None:
        click.echo(f"careful: {warning.text}. To prevent it:\n  {warning.command}", err=True)
