"""Every key that a plan may have, with the rule for its value.

Apart and declarative because the checker, the docs and ``set`` read the same table: a key that is
not here does not exist. Defaults are not repeated: they stand in `runner.core.plan`.
"""

import math
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, cast

from runner.engine.config.findings import as_list, describe, is_list, is_table, nearest

MAX_WORKERS: Final = 4096
LONGEST_S: Final = 2_000_000
"""23 days: one poll() waits at most 2**31 milliseconds."""
_MAX_NAME_CHARS = 200
_MAX_COUNT = 10**9


class Complaint(NamedTuple):
    """Why a value is not allowed."""

    text: str
    hint: str = ""


Check = Callable[[object], Complaint | None]


@dataclass(frozen=True, slots=True)
class Key:
    """A key with a plain value."""

    check: Check
    required: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table: ``[limits]``. Its keys are the only ones it may have."""

    keys: Mapping[str, "Node"]
    required: bool = False


@dataclass(frozen=True, slots=True)
class Tables:
    """A list of tables, at least one: ``[[models]]``."""

    keys: Mapping[str, "Node"]
    required: bool = True


Node = Key | Table | Tables


def is_number(value: object) -> bool:
    """A finite number that the wire carries, so below 2**63; ``true`` is none, as Python thinks."""
    if isinstance(value, bool):
        return False
    if isinstance(value, int):
        return abs(value) < 2**63
    return isinstance(value, float) and math.isfinite(value)


def seconds(value: object) -> Complaint | None:
    """A duration above 0."""
    if is_number(value) and 0 < cast("float", value) <= LONGEST_S:
        return None
    return Complaint(
        f"must be a number of seconds above 0 and at most {LONGEST_S}, not {describe(value)}"
    )


def number(low: float, high: float = math.inf) -> Check:
    """A number from ``low`` to ``high``, both allowed."""

    def check(value: object) -> Complaint | None:
        if is_number(value) and low <= cast("float", value) <= high:
            return None
        return Complaint(f"must be a number {_range(low, high)}, not {describe(value)}")

    return check


def count(low: int, high: int = _MAX_COUNT) -> Check:
    """A whole number from ``low`` to ``high``, both allowed."""

    def check(value: object) -> Complaint | None:
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return None
        return Complaint(f"must be a whole number {_range(low, high)}, not {describe(value)}")

    return check


def choice(*valid: str) -> Check:
    """One of a few words."""

    def check(value: object) -> Complaint | None:
        if value in valid:
            return None
        words = " or ".join(f'"{word}"' for word in valid)
        hint = nearest(value, valid) if isinstance(value, str) else ""
        return Complaint(f"must be {words}, not {describe(value)}", hint)

    return check


def choices(*valid: str) -> Check:
    """A list of words, each one of a few."""
    one = choice(*valid)

    def check(value: object) -> Complaint | None:
        if not is_list(value):
            return Complaint(f"must be a list of words, not {describe(value)}")
        complaints = (one(item) for item in value)
        return next((found for found in complaints if found is not None), None)

    return check


def flag(value: object) -> Complaint | None:
    """``true`` or ``false``."""
    if isinstance(value, bool):
        return None
    return Complaint(f"must be true or false, not {describe(value)}")


def name(value: object) -> Complaint | None:
    """A short text that can stand in a table, a file and a command line."""
    if not isinstance(value, str) or not value.strip():
        return Complaint(f"must be a text, not {_describe_text(value)}")
    if not value.isprintable() or len(value) > _MAX_NAME_CHARS:
        return Complaint(f"must be printable and at most {_MAX_NAME_CHARS} characters")
    return None


def text(value: object) -> Complaint | None:
    """Any text without NUL, empty ones included."""
    if isinstance(value, str) and "\0" not in value:
        return None
    return Complaint(f"must be a text, not {describe(value)}")


def texts(value: object) -> Complaint | None:
    """A list of texts, at least one, the first not empty."""
    items = as_list(value)
    if items and items[0] and all(text(item) is None for item in items):
        return None
    return Complaint(f"must be a list of texts, not {_describe_list(value)}")


def names(value: object) -> Complaint | None:
    """A list of different names, at least one."""
    items = as_list(value)
    if not items:
        return Complaint(f"must be a list of names, not {_describe_list(value)}")
    complaint = next((found for item in items if (found := name(item)) is not None), None)
    if complaint is None and len(set(items)) < len(items):
        return Complaint("has the same name twice")
    return complaint


def name_or_names(value: object) -> Complaint | None:
    """A name, or a list of different ones."""
    return names(value) if is_list(value) else name(value)


def command(value: object) -> Complaint | None:
    """A command line: one text, or a list of texts."""
    if texts(value) is None:
        return None
    if isinstance(value, str) and "\0" not in value:
        try:
            if shlex.split(value):
                return None
        except ValueError as error:
            return Complaint(f"is no command line: {error}")
    return Complaint(f"must be a command or a list of its words, not {describe(value)}")


def variable(value: object) -> Complaint | None:
    """The name of an environment variable; what is pasted instead of one is not repeated."""
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value):
        return None
    return Complaint(
        "must be the name of an environment variable",
        "the key itself may not stand in a plan: put it in a variable and name that here",
    )


def header(value: object) -> Complaint | None:
    """The name of an HTTP header; one that could carry a key or frame the request is refused."""
    if isinstance(value, str) and re.fullmatch(r"[Xx]-[A-Za-z0-9-]{1,60}", value):
        return None
    return Complaint('must be the name of a header that begins with "x-"')


def hosts(value: object) -> Complaint | None:
    """``"auto"`` or a number of processes."""
    if value == "auto" or count(1, MAX_WORKERS)(value) is None:
        return None
    return Complaint(
        f'must be "auto" or a whole number from 1 to {MAX_WORKERS}, not {describe(value)}'
    )


def entry(value: object) -> Complaint | None:
    """``module:function``, both possibly dotted."""
    if isinstance(value, str):
        module, colon, function = value.partition(":")
        parts = [*module.split("."), *function.split(".")]
        if colon and all(part.isidentifier() for part in parts):
            return None
    return Complaint(f'must look like "module:function", not {_describe_text(value)}')


def json_table(value: object) -> Complaint | None:
    """A table of what JSON can carry: no dates, no infinity."""
    if not is_table(value):
        return Complaint(f"must be a table, not {describe(value)}")
    if _is_json(value):
        return None
    return Complaint("may hold only what JSON can: no dates, no inf or nan")


def any_table(value: object) -> Complaint | None:
    """A table; what is in it is checked elsewhere."""
    return None if is_table(value) else Complaint(f"must be a table, not {describe(value)}")


def _is_json(value: object) -> bool:
    if is_table(value):
        return all(_is_json(item) for item in value.values())
    if is_list(value):
        return all(_is_json(item) for item in value)
    return isinstance(value, bool | str) or is_number(value)


def _range(low: float, high: float) -> str:
    return f"of at least {low}" if high in (math.inf, _MAX_COUNT) else f"from {low} to {high}"


def _describe_text(value: object) -> str:
    return "an empty one" if isinstance(value, str) and not value.strip() else describe(value)


def _describe_list(value: object) -> str:
    if is_list(value):
        return "an empty list" if not value else "a list with something else in it"
    return describe(value)


LIMITS: Final[Mapping[str, Node]] = {
    **{
        key: Key(seconds)
        for key in (
            *("connect", "first_byte", "idle", "call", "prepare", "score", "attempt", "run"),
            *("retry_wait", "retry_total"),
        )
    },
    "turns": Key(count(1, 100_000)),
    "retries": Key(count(0, 1000)),
    "retry_on": Key(choices("rate_limit", "server", "connection", "timeout")),
}
WATCH: Final[Mapping[str, Node]] = {
    "slow_after": Key(seconds),
    "stuck_after": Key(seconds),
    "heartbeat": Key(number(0.05, 60)),
}
ENDPOINT: Final[Mapping[str, Node]] = {
    "name": Key(name, required=True),
    "base_url": Key(text, required=True),
    "api_key_env": Key(variable),
    "api_key_command": Key(command),
    "kind": Key(choice("openai", "azure")),
    "api_version": Key(name),
    "qps": Key(number(0)),
    "max_in_flight": Key(count(0)),
    "task_header": Key(header),
}
MODEL: Final[Mapping[str, Node]] = {
    "name": Key(name, required=True),
    "endpoint": Key(name_or_names, required=True),
    "deployments": Key(names),
    "workers": Key(count(0, MAX_WORKERS)),
    "reasoning": Key(flag),
    "params": Key(json_table),
    "price": Table({"in": Key(number(0)), "out": Key(number(0))}),
    "limits": Table(LIMITS),
    "watch": Table(WATCH),
}
PLAN: Final[Mapping[str, Node]] = {
    "run": Table(
        {
            "name": Key(name),
            "workers": Key(count(1, MAX_WORKERS)),
            "seed": Key(count(-(2**63), 2**63 - 1)),
            "order": Key(choice("interleaved", "by-model")),
            "max_attempts": Key(count(1, 1000)),
            "start_interval": Key(number(0, 3600)),
        }
    ),
    "limits": Table(LIMITS),
    "watch": Table(WATCH),
    "stop": Table(
        {
            "error_rate": Key(number(0, 1)),
            "over": Key(count(1, 1_000_000)),
            "tokens": Key(count(0, 10**15)),
            "cost": Key(number(0)),
        }
    ),
    "loops": Table(
        dict.fromkeys(
            ("repeat", "cycle", "search", "unclosed_tag", "no_action", "done"),
            Key(choice("kill", "warn", "off")),
        )
    ),
    "resources": Table(
        {
            "isolation": Key(choice("thread", "process")),
            "hosts": Key(hosts),
            "freeze_after": Key(seconds),
            "max_memory_percent": Key(number(1, 100)),
            "max_host_memory_mb": Key(number(0)),
            "adaptive": Key(flag),
            "min_workers": Key(count(1, MAX_WORKERS)),
        }
    ),
    "notify": Table({"on_trouble": Key(command), "on_end": Key(command)}),
    "endpoints": Tables(ENDPOINT),
    "models": Tables(MODEL),
    "tasks": Table(
        {
            "executor": Key(choice("interactive", "python", "command", "wrap"), required=True),
            "source": Key(text),
            "tools": Key(text),
            "entry": Key(entry),
            "argv": Key(texts),
            "python": Key(text),
            "protocol": Key(choice("tags", "functions")),
            "matrix": Key(any_table),
        },
        required=True,
    ),
}


def child(nodes: Mapping[str, Node], key: str) -> Mapping[str, Node]:
    """The keys inside ``key``, empty for a plain value or an unknown key."""
    node: Any = nodes.get(key)
    return node.keys if isinstance(node, Table | Tables) else {}
