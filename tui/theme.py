"""Themes: files of colours by role, checked when they are read, and turned into terminal styles.

Views speak in roles (`tui.view.line.Ink`); only this module knows a colour. A theme is a TOML file;
the user's own lie in the config folder and may build on a shipped one by ``extends``.
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

from rich.color import ANSI_COLOR_NAMES, Color, ColorParseError
from rich.style import Style
from textual.theme import Theme as TextualTheme

from tui.view.line import Ink

ROLES: Final = (
    "bg",
    "panel",
    "select",
    "button",
    "stuck_bg",
    "slow_bg",
    "alarm",
    "edge",
    "spark",
    "text",
    "hi",
    "dim",
    "accent",
    "slow",
    "stuck",
    "backoff",
    "passed",
    "partial",
    "failed",
    "not_scored",
    "button_text",
    "on_stuck",
    "on_alarm",
)
TEXT_ROLES: Final = (
    "text",
    "hi",
    "dim",
    "accent",
    "slow",
    "stuck",
    "backoff",
    "passed",
    "partial",
    "failed",
    "not_scored",
)
TEXT_ON: Final[tuple[tuple[str, str], ...]] = (
    *((text, ground) for text in TEXT_ROLES for ground in ("bg", "panel", "select")),
    *((text, "stuck_bg") for text in ("stuck", "hi", "text", "dim", "accent", "backoff")),
    *((text, "slow_bg") for text in ("slow", "hi", "text", "dim", "accent", "backoff")),
    ("button_text", "button"),
    ("dim", "button"),
    ("on_stuck", "stuck"),
    ("on_alarm", "alarm"),
)
"""Which text stands on which ground: each pair keeps `LEAST_CONTRAST`."""

LEAST_CONTRAST: Final = 4.5
"""WCAG 2.1, success criterion 1.4.3, level AA."""

DEFAULT: Final = "dark"
PLAIN: Final = "plain"


class ThemeError(ValueError):
    """A theme file that cannot be used; the message names the file and the key."""


@dataclass(frozen=True)
class Palette:
    """A theme in use: styles by ink, made once each."""

    name: str
    colors: Mapping[str, str]
    dark: bool = True
    about: str = ""
    plain: bool = False
    """No colours at all (NO_COLOR): bold and reverse carry what colour would."""
    _styles: dict[Ink, Style] = field(default_factory=dict[Ink, Style], compare=False, repr=False)

    def style(self, ink: Ink) -> Style:
        """The terminal style of ``ink``."""
        found = self._styles.get(ink)
        if found is None:
            found = self._styles[ink] = _plain_style(ink) if self.plain else self._style(ink)
        return found

    def _style(self, ink: Ink) -> Style:
        return Style(
            color=Color.parse(self.colors[ink.fg]),
            bgcolor=Color.parse(self.colors[ink.bg]),
            bold=ink.bold or None,
        )

    @property
    def ansi(self) -> bool:
        """Whether it names the terminal's own colours."""
        return not self.colors["bg"].startswith("#")

    def textual(self) -> TextualTheme:
        """The same for Textual's own CSS (inputs, scrollbars)."""
        css = {role: _css(color) for role, color in self.colors.items()}
        names = {f"pilot-{role.replace('_', '-')}": color for role, color in css.items()}
        if self.ansi:
            # Textual's own widgets ask for these two of a theme of terminal colours.
            names |= {"ansi-background": css["bg"], "ansi-foreground": css["text"]}
        return TextualTheme(
            name=self.name,
            primary=css["accent"],
            secondary=css["dim"],
            warning=css["slow"],
            error=css["stuck"],
            success=css["passed"],
            accent=css["accent"],
            foreground=css["text"],
            background=css["bg"],
            surface=css["panel"],
            panel=css["panel"],
            dark=self.dark,
            ansi=self.ansi,
            variables=names,
        )


def _plain_style(ink: Ink) -> Style:
    """Without colour: reversed where the ground says something, bold where the text does."""
    ground = ink.bg not in ("bg", "panel", "slow_bg")
    loud = ink.bold or ink.fg in ("stuck", "slow", "hi") or ink.bg in ("stuck", "alarm")
    return Style(bold=loud or None, reverse=ground or None)


def _css(color: str) -> str:
    """Textual's name of a colour: the terminal's own are called ``ansi_...`` there."""
    return color if color.startswith("#") else f"ansi_{color}"


PLAIN_PALETTE: Final = Palette(
    name=PLAIN, colors=dict.fromkeys(ROLES, "default"), about="no colours (NO_COLOR)", plain=True
)


def shipped_folder() -> Path:
    """Where the shipped themes lie: beside this file in a wheel, one folder up in a tree."""
    here = Path(__file__).parent
    inside = here / "themes"
    return inside if inside.is_dir() else here.parent / "themes"


def load_themes(folders: Iterable[Path]) -> tuple[dict[str, Palette], list[str]]:
    """All themes of these folders by name, later folders win, and what is wrong with others.

    A theme that cannot be used is left out and told; it never stops the program.
    """
    found: dict[str, Palette] = {}
    problems: list[str] = []
    for folder in folders:
        for path in sorted(folder.glob("*.toml")):
            try:
                palette = read_theme(path, found)
            except ThemeError as error:
                problems.append(str(error))
            else:
                found[palette.name] = palette
    found[PLAIN] = PLAIN_PALETTE
    return found, problems


def read_theme(path: Path, known: Mapping[str, Palette]) -> Palette:
    """The theme of one file; `ThemeError` where it is no theme."""
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ThemeError(f"{path.name}: {error}") from error
    colors = dict(_base(path, raw, known))
    given = raw.get("colors", {})
    if not isinstance(given, dict):
        raise ThemeError(f"{path.name}: colors is not a table")
    for role, color in cast("dict[str, Any]", given).items():
        if role not in ROLES:
            raise ThemeError(f"{path.name}: colors.{role}: no such role; one of {', '.join(ROLES)}")
        colors[role] = _checked(path, role, color)
    missing = [role for role in ROLES if role not in colors]
    if missing:
        raise ThemeError(f"{path.name}: colors.{missing[0]} is missing (or name a base: extends)")
    return Palette(
        name=path.stem,
        colors=colors,
        dark=bool(raw.get("dark", True)),
        about=str(raw.get("about", "")),
    )


def _base(path: Path, raw: Mapping[str, Any], known: Mapping[str, Palette]) -> Mapping[str, str]:
    name = raw.get("extends")
    if name is None:
        return {}
    if name not in known:
        raise ThemeError(f"{path.name}: extends = {name!r}: no such theme; one of {_names(known)}")
    return known[name].colors


def _checked(path: Path, role: str, color: object) -> str:
    """A colour as ``#rrggbb`` or one of the terminal's sixteen by name."""
    text = str(color)
    try:
        Color.parse(text)
    except ColorParseError:
        text = ""
    ours = text == "default" or ANSI_COLOR_NAMES.get(text, 16) < 16
    if not ours and not (text.startswith("#") and len(text) == 7):
        raise ThemeError(f"{path.name}: colors.{role} = {color!r} is no #rrggbb or terminal colour")
    return text


def _names(themes: Mapping[str, Palette]) -> str:
    return ", ".join(sorted(themes))


def pick(themes: Mapping[str, Palette], asked: str, environ: Mapping[str, str]) -> Palette:
    """The theme to start with; `ThemeError` for an unknown name, with those that there are.

    NO_COLOR wins over all; a terminal of sixteen colours gets ``ansi-16`` unless a name was given.
    """
    if environ.get("NO_COLOR"):
        return themes[PLAIN]
    if asked:
        if asked not in themes:
            raise ThemeError(f"there is no theme {asked!r}; one of {_names(themes)}")
        return themes[asked]
    term = environ.get("TERM", "")
    few = term in ("linux", "screen", "xterm", "vt100", "ansi") and not environ.get("COLORTERM")
    return themes["ansi-16" if few and "ansi-16" in themes else DEFAULT]


def luminance(color: str) -> float:
    """Relative luminance of ``#rrggbb`` as WCAG 2.1 defines it, 0..1."""
    parts = [int(color[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours, 1..21 (WCAG 2.1)."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def weak_pairs(palette: Palette) -> list[str]:
    """Every text that is too faint on its ground; empty for the terminal's own colours."""
    if palette.ansi:
        return []
    found: list[str] = []
    for text, ground in TEXT_ON:
        ratio = contrast(palette.colors[text], palette.colors[ground])
        if ratio < LEAST_CONTRAST:
            found.append(f"{text} on {ground}: {ratio:.2f}")
    return found
