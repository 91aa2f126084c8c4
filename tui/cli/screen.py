"""Opens dashboards: puts source, view, theme and glyphs together and hands over to the app.

Apart from the other commands because this alone loads Textual.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click

from runner import engine_alive, one_line
from tui.app import PilotApp
from tui.cli.options import ascii_asked
from tui.cli.parting import say_logout
from tui.config import Config, config_folder, read_config
from tui.glyphs import ASCII, Glyphs, choose
from tui.options import Options
from tui.probe import ambiguous_cells
from tui.runview import RunView
from tui.seen import last_seen, note_seen
from tui.source import HomeSource, LiveSource, ReplaySource, Source
from tui.source.terminal import TerminalWatch
from tui.theme import Palette, ThemeError, load_themes, pick, shipped_folder
from tui.view.dialogs import left_words

FAILED: Final = 3
SIGNALLED: Final = 128


def themes_folder() -> Path:
    """Where the user's own themes lie."""
    return config_folder(os.environ) / "themes"


def options(run_dir: Path | None = None, note: str = "") -> Options:
    """What config file, environment, command line and terminal say about the look.

    A usage error for a ``$PILOT_THEME`` that is not there; what is wrong in files becomes a note.
    """
    environ = os.environ
    config = read_config(config_folder(environ), environ)
    themes, problems = load_themes([shipped_folder(), themes_folder()])
    palette = _palette(themes, config, environ)
    return Options(
        themes=themes,
        palette=palette,
        glyphs=_glyphs(environ),
        view=config.view,
        keys=config.keys,
        notes=[text for text in (note, *config.problems, *problems) if text],
        seen=last_seen(run_dir) if run_dir is not None else None,
    )


def _palette(themes: Mapping[str, Palette], config: Config, environ: Mapping[str, str]) -> Palette:
    """The theme asked for; one that only the config file asks for in vain is a note."""
    try:
        return pick(themes, config.theme, environ)
    except ThemeError as error:
        if environ.get("PILOT_THEME"):
            raise click.UsageError(f"PILOT_THEME: {error}") from error
        config.problems.append(f"config.toml: theme: {error}")
        return pick(themes, "", environ)


def _glyphs(environ: Mapping[str, str]) -> Glyphs:
    """The characters for this terminal; it is asked for its widths only if that can change them."""
    asked = ascii_asked()
    if choose(environ, ascii_asked=asked) is ASCII or environ.get("PILOT_ASCII"):
        return choose(environ, ascii_asked=asked)
    return choose(environ, probed_cells=ambiguous_cells(sys.stdin.fileno(), sys.stdout.fileno()))


def watch_live(run_dir: Path, *, read_only: bool, note: str = "") -> None:
    """The dashboard on a run as it happens, or on the end of one."""
    view = RunView(run_dir, kind="live", read_only=read_only)
    _open(view, LiveSource(run_dir), options(run_dir, note))


def watch_past(run_dir: Path, *, at: float | None, speed: float) -> None:
    """The dashboard on a run's own time axis."""
    view = RunView(run_dir, kind="replay", read_only=True)
    _open(view, ReplaySource(run_dir, at=at, speed=speed), options())


def watch_home(runs_dir: Path) -> None:
    """The list of the user's runs; what is opened there is shown live, or from its end."""
    _open(RunView(runs_dir, kind="home"), HomeSource(runs_dir), options())


def _open(view: RunView, source: Source, chosen: Options) -> None:
    app = PilotApp(view, source, chosen)
    if os.environ.get("SSH_CONNECTION"):
        app.animation_level = "none"  # each step of an animation is a frame over the line
    with TerminalWatch(lambda number: app.exit(return_code=SIGNALLED + number)) as watch:
        said = app.run()
    note_seen(view)
    goes_on = view.kind != "home" and engine_alive(view.run_dir)
    if goes_on and not said:
        said = left_words(view)
    if said:
        click.echo(one_line(said, 500))
    if goes_on:
        say_logout(view.state.run_id, view.run_dir)
    if watch.signalled:
        raise click.exceptions.Exit(SIGNALLED + watch.signalled)
    if app.return_code:
        raise click.exceptions.Exit(FAILED)
