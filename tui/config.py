"""The user's own settings: ``config.toml`` in the config folder, and ``$PILOT_*`` above it.

Apart from the app because it is read once, before the start. A setting that cannot be used is told
on the screen and left out; it never stops the program.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast, get_args

from runner import home_folder
from tui.keys import remapped
from tui.view.look import Mode


@dataclass(slots=True)
class Config:
    """Settings in force; ``problems`` name file and key of those that are not."""

    theme: str = ""
    view: Mode = "auto"
    keys: dict[str, str] = field(default_factory=dict[str, str])
    problems: list[str] = field(default_factory=list[str])


def config_folder(environ: Mapping[str, str]) -> Path:
    """``$XDG_CONFIG_HOME/pilot-tui``, else ``~/.config/pilot-tui``."""
    base = environ.get("XDG_CONFIG_HOME") or str(home_folder() / ".config")
    return Path(base) / "pilot-tui"


def read_config(folder: Path, environ: Mapping[str, str] = os.environ) -> Config:
    """The settings of ``folder``/config.toml with ``$PILOT_THEME`` and ``$PILOT_VIEW`` above."""
    config = Config()
    path = folder / "config.toml"
    raw: dict[str, Any] = {}
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        config.problems.append(f"{path.name}: {error}")
    for name, value in raw.items():
        if name not in ("theme", "view", "keys"):
            config.problems.append(f"{path.name}: {name}: no such setting; theme, view or keys")
        elif name == "keys":
            _keys(config, path.name, value)
        else:
            _set(config, name, value, f"{path.name}: {name}")
    for name in ("theme", "view"):
        if value := environ.get(f"PILOT_{name.upper()}"):
            _set(config, name, value, f"PILOT_{name.upper()}")
    return config


def _set(config: Config, name: str, value: object, where: str) -> None:
    if name == "theme" and isinstance(value, str):
        config.theme = value
    elif name == "view" and value in get_args(Mode):
        config.view = cast("Mode", value)
    else:
        wanted = "a name" if name == "theme" else f"one of {', '.join(get_args(Mode))}"
        config.problems.append(f"{where} = {value!r}: not {wanted}")


def _keys(config: Config, file: str, value: object) -> None:
    if not isinstance(value, dict):
        config.problems.append(f"{file}: keys is not a table")
        return
    changes = {str(name): str(key) for name, key in cast("dict[Any, Any]", value).items()}
    try:
        remapped(changes)
    except ValueError as error:
        config.problems.append(f"{file}: {error}")
    else:
        config.keys = changes
