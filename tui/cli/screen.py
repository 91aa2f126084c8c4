"""Opens dashboards: puts source, view, theme and glyphs together and hands over to the app.

Apart from the other commands because this alone loads Textual.
"""

import os
from pathlib import Path
from typing import Final

import click

from runner import list_runs, one_line, state_word
from tui.app import Options, PilotApp
from tui.cli.showing import say_logout
from tui.glyphs import choose
from tui.runview import Kind, RunView
from tui.source import LiveSource, ReplaySource, Source
from tui.source.terminal import TerminalWatch
from tui.theme import ThemeError, load_themes, pick, shipped_folder

FAILED: Final = 3
SIGNALLED: Final = 128
OVER: Final = ("finished", "stopped")


def themes_folder() -> Path:
    """Where the user's own themes lie."""
    config = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(config) / "pilot-tui" / "themes"


def options(note: str = "") -> Options:
    """What the environment says about the look; a usage error for a theme that is not there."""
    themes, problems = load_themes([shipped_folder(), themes_folder()])
    try:
        palette = pick(themes, os.environ.get("PILOT_THEME", ""), os.environ)
    except ThemeError as error:
        raise click.UsageError(f"PILOT_THEME: {error}") from error
    notes = [note, *problems] if note else problems
    return Options(themes=themes, palette=palette, glyphs=choose(os.environ), notes=notes)


def watch_live(run_dir: Path, *, read_only: bool, note: str = "") -> None:
    """The dashboard on a run as it happens, or on the end of one."""
    _open(run_dir, LiveSource(run_dir), "live", read_only=read_only, note=note)


def watch_past(run_dir: Path, *, at: float | None, speed: float) -> None:
    """The dashboard on a run's own time axis."""
    _open(run_dir, ReplaySource(run_dir, at=at, speed=speed), "replay", read_only=True)


def _open(run_dir: Path, source: Source, kind: Kind, *, read_only: bool, note: str = "") -> None:
    view = RunView(run_dir, kind=kind, read_only=read_only)
    app = PilotApp(view, source, options(note))
    with TerminalWatch(lambda number: app.exit(return_code=SIGNALLED + number)) as watch:
        said = app.run()
    goes_on = kind == "live" and view.engine.alive and view.state.status not in OVER
    if watch.signalled and goes_on:
        said = f"the run goes on; watch it: pilot-tui attach {view.state.run_id}"
    if said:
        click.echo(one_line(said, 500))
    if goes_on:
        say_logout(view.state.run_id, run_dir)
    if watch.signalled:
        raise click.exceptions.Exit(SIGNALLED + watch.signalled)
    if app.return_code:
        raise click.exceptions.Exit(FAILED)


def choose_run(runs_dir: Path) -> None:
    """The user's runs; the chosen one is opened, live or from its beginning."""
    runs = list_runs(runs_dir)
    if not runs:
        click.echo(f"no runs in {runs_dir} and none in your list; begin with: pilot-tui demo")
        return
    for number, info in enumerate(runs, 1):
        word = state_word(info.run_dir, live=info.live)
        click.echo(f"{number:>3}  {info.run_id}  {word:<9} {one_line(info.name, 40)}")
    number = click.prompt(
        "open which (0 leaves)", type=click.IntRange(0, len(runs)), default=1 if runs[0].live else 0
    )
    if number:
        chosen = runs[number - 1]
        if chosen.live:
            watch_live(chosen.run_dir, read_only=False)
        else:
            watch_past(chosen.run_dir, at=None, speed=1.0)
