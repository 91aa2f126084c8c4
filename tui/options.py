"""What is decided before the start: by the command line, the config file and the terminal.

Apart from the app because the command line makes it, and the app only reads it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from tui.glyphs import UNICODE, Glyphs
from tui.seen import Seen
from tui.theme import Palette, load_themes, shipped_folder
from tui.view.look import Mode


def _shipped_themes() -> dict[str, Palette]:
    return load_themes([shipped_folder()])[0]


@dataclass(frozen=True)
class Options:
    """What the command line, the config file and the terminal decided before the start."""

    themes: dict[str, Palette] = field(default_factory=_shipped_themes)
    palette: Palette | None = None
    glyphs: Glyphs = UNICODE
    view: Mode = "auto"
    keys: dict[str, str] = field(default_factory=dict[str, str])
    """Action -> key, where the user's config says otherwise."""
    notes: Sequence[str] = ()
    """Said once at the start: problems of themes and config."""
    seen: Seen | None = None
    """The last look at this run: what happened since is said once it is loaded."""
