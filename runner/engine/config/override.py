"""``KEY=VALUE`` from a command line or a screen, put into a plan.

Apart because keys of the command line name models and endpoints (``models.o4-mini.limits.attempt``)
where the file has lists of tables, because names hold dots (``models.gpt-4.1.workers``), and
because ``models=NAME,NAME`` is all that a plan without models lacks.
"""

import copy
import re
import tomllib
from collections.abc import Mapping
from typing import Any

from runner.engine.config.findings import as_list, as_table, is_table, nearest
from runner.engine.config.lines import Path
from runner.engine.config.schema import PLAN, Tables, child
from runner.engine.config.secrets import looks_secret, scrub
from runner.errors import Problem

_WORD = re.compile(r"[A-Za-z_][\w.:/@+-]*")


class BadOverrideError(ValueError):
    """A key or value that cannot be put into the plan; the problem says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.text)
        self.problem = problem


def argument(key: str) -> str:
    """What messages call an override. Its value stays out: it may be a pasted key."""
    return f"--set {scrub(key)}"


def apply(
    raw: Mapping[str, Any], overrides: Mapping[str, str]
) -> tuple[dict[str, Any], dict[Path, str], list[Problem]]:
    """A copy of ``raw`` with the overrides in it, the place each one went to, and the bad ones."""
    changed = copy.deepcopy(dict(raw))
    places: dict[Path, str] = {}
    problems: list[Problem] = []
    for key, text in overrides.items():
        try:
            path = locate(changed, key)
            _put(changed, path, key, value_of(key, text))
            places[path] = argument(key)
        except BadOverrideError as error:
            problems.append(error.problem)
    return changed, places, problems


def value_of(key: str, text: str) -> Any:
    """The TOML value; a bare word is taken as text, because a shell eats quotes.

    `BadOverrideError` for what is neither, and for what looks like a pasted key.
    """
    if looks_secret(text.strip("\"' ")):
        raise _bad(key, "a key may not stand in a plan", "name a variable in api_key_env")
    words = [word.strip() for word in text.split(",")]
    if key.strip() == "models" and all(_WORD.fullmatch(word) for word in words):
        return words
    if "\n" not in text:
        try:
            values = tomllib.loads(f"value = {text}")
        except (ValueError, RecursionError):
            values = {}
        if values.keys() == {"value"}:
            return values["value"]
        if _WORD.fullmatch(text.strip()):
            return text.strip()
    raise _bad(key, "the value is not TOML", 'e.g. 120, true, "text" or ["a", "b"]')


def locate(raw: Mapping[str, Any], key: str) -> Path:
    """The place in the plan that a dotted key means; `BadOverrideError` if there is none."""
    section, dot, rest = key.strip().partition(".")
    if section not in PLAN:
        raise _bad(key, "unknown key", nearest(section, PLAN))
    if isinstance(PLAN[section], Tables) and dot:
        return _locate_element(raw, key, section, rest)
    return (section, *_parts(key, rest)) if dot else (section,)


def _put(raw: dict[str, Any], path: Path, key: str, value: Any) -> None:
    """Set the value at ``path``; tables on the way there are made."""
    inner: Any = raw
    for part in path[:-1]:
        if isinstance(part, int):
            inner = inner[part]
        elif is_table(inner):
            inner = inner.setdefault(part, {})
    if not is_table(inner):
        raise _bad(key, "what stands before the last dot is not a table")
    inner[str(path[-1])] = _models(raw, value) if path == ("models",) else value


def _models(raw: Mapping[str, Any], value: Any) -> Any:
    """Names as models: those that the plan has as they are, others on its first endpoint."""
    names = as_list(value)
    if not names or not all(isinstance(name, str) for name in names):
        return value
    known = {as_table(model).get("name"): model for model in as_list(raw.get("models"))}
    endpoints = as_list(raw.get("endpoints"))
    first = as_table(endpoints[0]).get("name", "") if endpoints else ""
    return [known.get(name, {"name": name, "endpoint": first}) for name in names]


def _locate_element(raw: Mapping[str, Any], key: str, section: str, rest: str) -> Path:
    """``NAME.key``: of the known names the longest that fits, with or without quotes."""
    found = {
        name: index
        for index, element in enumerate(as_list(raw.get(section)))
        if isinstance(name := as_table(element).get("name"), str) and name
    }
    for name in sorted(found, key=len, reverse=True):
        for form in (name, f'"{name}"', f"'{name}'"):
            if rest.startswith(f"{form}."):
                return (section, found[name], *_parts(key, rest[len(form) + 1 :]))
    inner = child(PLAN, section)
    name = rest
    for part in inner:
        name = name.partition(f".{part}")[0]
    what = section.removesuffix("s")
    if name in found:
        raise _bad(key, f"names the {what}, but no key of it", f"e.g. {key}.{next(iter(inner))}")
    raise _bad(key, f"no {what} of that name", nearest(name, found))


def _parts(key: str, rest: str) -> list[str]:
    parts = rest.split(".")
    if not all(re.fullmatch(r"[\w-]+", part) for part in parts):
        raise _bad(key, "is not a dotted key", "e.g. limits.attempt")
    return parts


def _bad(key: str, text: str, hint: str = "") -> BadOverrideError:
    return BadOverrideError(
        Problem(file="--set", key=scrub(key.strip()) or '""', text=text, hint=hint)
    )
