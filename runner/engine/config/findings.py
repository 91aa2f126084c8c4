"""Collects everything that is wrong with a plan, each with its file, key and line.

Apart because every check adds to it and none of them should know where a key came from: a line of
the file, or a ``--set`` on the command line.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeGuard

from runner.engine.config.lines import Path
from runner.engine.config.secrets import looks_secret, scrub
from runner.errors import Problem

_SHOWN_CHARS = 40


class Findings:
    """Problems and warnings so far. ``overridden`` maps a place to the argument that set it."""

    def __init__(
        self,
        file: str,
        raw: Mapping[str, Any],
        lines: Mapping[Path, int],
        overridden: Mapping[Path, str],
    ) -> None:
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self._file = file
        self._raw = raw
        self._lines = lines
        self._overridden = overridden

    def problem(self, path: Path, text: str, hint: str = "") -> None:
        """The plan cannot run because of what stands at ``path``."""
        self.problems.append(self._found(path, text, hint))

    def warning(self, path: Path, text: str, hint: str = "") -> None:
        """The plan can run, but what stands at ``path`` will not do what it seems to."""
        self.warnings.append(self._found(path, text, hint))

    def _found(self, path: Path, text: str, hint: str) -> Problem:
        key, text, hint = scrub(dotted(path, self._raw)), scrub(text), scrub(hint)
        argument = self._argument(path)
        if argument is not None:
            return Problem(file=argument, key=key, text=text, hint=hint)
        return Problem(file=self._file, key=key, text=text, line=self._line(path), hint=hint)

    def _argument(self, path: Path) -> str | None:
        """The argument that set this place, or one around it, or one inside a table it made."""
        for size in range(len(path), 0, -1):
            if path[:size] in self._overridden:
                return self._overridden[path[:size]]
        if path in self._lines:
            return None
        inside = (place for place in self._overridden if place[: len(path)] == path)
        return next((self._overridden[place] for place in inside), None)

    def _line(self, path: Path) -> int | None:
        """The key's own line or, where it is missing, that of the nearest table around it."""
        for size in range(len(path), 0, -1):
            if path[:size] in self._lines:
                return self._lines[path[:size]]
        return None


def dotted(path: Path, raw: Mapping[str, Any]) -> str:
    """``models.o4-mini.limits.attempt``: list elements by their name, or ``models[0]`` without."""
    text = ""
    value: Any = raw
    for part in path:
        value = _child(value, part)
        if isinstance(part, str):
            word = part if re.fullmatch(r"[\w-]+", part, re.ASCII) else f'"{part}"'
            text += f".{word}" if text else word
        else:
            name = as_table(value).get("name")
            known = isinstance(name, str) and name and not looks_secret(name)
            text += f".{name}" if known else f"[{part}]"
    return text


def nearest(word: str, valid: Iterable[str]) -> str:
    """``did you mean attempt?``, or nothing if no valid word is near."""
    found = difflib.get_close_matches(word, list(valid), n=1, cutoff=0.6)
    return f"did you mean {found[0]}?" if found else ""


def describe(value: object) -> str:
    """The value in words for a message; a text that may be a key is never repeated."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"the number {value}" if abs(value) < 1e15 else "a huge number"
        case str():
            short = len(value) <= _SHOWN_CHARS and not looks_secret(value)
            return f'the text "{value}"' if short else "a text"
        case list():
            return "a list"
        case dict():
            return "a table"
        case _:
            return "a date or time"


def is_table(value: object) -> TypeGuard[dict[str, Any]]:
    """Whether TOML had a table there."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Whether TOML had a list there."""
    return isinstance(value, list)


def as_table(value: object) -> dict[str, Any]:
    """The value if it is a table, else an empty one: checks of other places go on."""
    return value if is_table(value) else {}


def as_list(value: object) -> list[Any]:
    """The value if it is a list, else an empty one."""
    return value if is_list(value) else []


def _child(value: object, part: str | int) -> object:
    if isinstance(part, str):
        return as_table(value).get(part)
    items = as_list(value)
    return items[part] if part < len(items) else None
