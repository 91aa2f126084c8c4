"""From a file's bytes to what TOML says, or to the one problem that stops all further checks."""

import re
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from runner.engine.config import lines
from runner.errors import PlanError, Problem

MAX_PLAN_BYTES: Final = 1024 * 1024


class PlanText(NamedTuple):
    """A plan as it stands: its bytes, its text, what TOML makes of it, the line of each key."""

    content: bytes
    text: str
    raw: dict[str, Any]
    lines: Mapping[lines.Path, int]


def read_text(path: Path) -> PlanText:
    """The plan at ``path``; `PlanError` if it is no readable TOML file."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise _error(path, "is a folder: name the plan file in it")
        if not stat.S_ISREG(status.st_mode):
            raise _error(path, "is not a regular file")
        if status.st_size > MAX_PLAN_BYTES:
            raise _error(path, f"is larger than {MAX_PLAN_BYTES} bytes: not a plan")
        content = path.read_bytes()
    except FileNotFoundError as error:
        hint = "pilot-tui init writes one to begin with"
        raise _error(path, f"is not there in {path.absolute().parent}", hint=hint) from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise _error(path, f"cannot be read: {reason or error}") from error
    return parse(content, path)


def parse(content: bytes, path: Path) -> PlanText:
    """What the bytes of ``path`` say; `PlanError` with the line where they are not TOML."""
    try:
        text = content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise _error(path, "is not UTF-8 here", line) from error
    try:
        raw = tomllib.loads(text)
        return PlanText(content, text, raw, lines.key_lines(text))
    except RecursionError as error:
        raise _error(path, "is nested too deeply") from error
    except ValueError as error:
        raise _error(path, *_syntax(str(error), text)) from error


def _syntax(message: str, text: str) -> tuple[str, int | None]:
    """The decoder's message without its place, and the line; older Pythons only say it in words."""
    place = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", message)
    if place is None:
        return f"not TOML: {message}", None
    line = int(place[1]) if place[1] else text.rstrip("\n").count("\n") + 1
    return f"not TOML: {message[: place.start()]}", line


def _error(path: Path, text: str, line: int | None = None, hint: str = "") -> PlanError:
    name = path.name or str(path)
    return PlanError([Problem(file=name, key="", text=text, line=line, hint=hint)])
