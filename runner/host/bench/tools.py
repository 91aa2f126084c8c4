"""The simulated tools: what a call returns, decided by the attempt's seed alone.

Apart from the executor because its rule is the benchmark's own and is tested figure by figure.
Each draw depends on (seed, tool, how many calls of this tool came before) and not on other draws,
so two models with the same seed meet the same luck whatever else they do.
"""

import json
from collections import deque
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from runner.host.bench.library import Fault, Library, Tool, ValueType

DEPENDENCY_NOT_RUN: Final = 0.5
DEPENDENCY_FAILED: Final = 0.7
RECENT_FAILURE: Final = 0.9
RECENT: Final = 3
LOWEST, HIGHEST = 0.1, 0.95

UNKNOWN_TOOL: Final = "UNKNOWN_TOOL"

_PYTHON_TYPES: Final[Mapping[ValueType, tuple[type, ...]]] = {
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}


class CallResult(NamedTuple):
    """What a call returned. ``error`` is empty on success; ``text`` is what the model is shown.

    ``issues`` names mistakes in the arguments (missing_argument, undeclared_argument, wrong_type).
    They are counted and shown but change no probability.
    """

    tool: str
    ok: bool
    error: str
    text: str
    issues: tuple[str, ...] = ()


class ToolSimulation:
    """All tools of one attempt, with the memory that the rule asks for. Not shared by threads."""

    def __init__(self, library: Library, seed: int, success_rate: float) -> None:
        self._library = library
        self._seed = seed
        self._success_rate = success_rate
        self._last_ok: dict[str, bool] = {}
        self._count: dict[str, int] = {}
        self._recent: deque[bool] = deque(maxlen=RECENT)
        self.succeeded: list[str] = []
        """Tools that returned a success, in order, repetitions included."""

    def probability(self, tool: Tool) -> float:
        """The chance that the next call of ``tool`` succeeds, as the benchmark defines it.

        The success rate, halved for each dependency that has not run, x 0.7 if the latest run of a
        dependency failed, x 0.9 for each failure among the latest three calls; then clamped.
        """
        chance = self._success_rate
        chance *= DEPENDENCY_NOT_RUN ** sum(one not in self._last_ok for one in tool.dependencies)
        if any(self._last_ok.get(one) is False for one in tool.dependencies):
            chance *= DEPENDENCY_FAILED
        chance *= RECENT_FAILURE ** self._recent.count(False)
        return min(max(chance, LOWEST), HIGHEST)

    def call(self, name: str, args: Mapping[str, Any]) -> CallResult:
        """Run the tool called ``name``. An unknown name is a failure that uses up no luck."""
        tool = self._library.find(name)
        if tool is None:
            return self._unknown(name)
        number = self._count.get(tool.name, 0)
        digest = blake2b(f"{self._seed}\0{tool.name}\0{number}".encode(), digest_size=16).digest()
        luck = int.from_bytes(digest[:7]) / 2**56
        ok = luck < self.probability(tool)
        self._count[tool.name] = number + 1
        self._last_ok[tool.name] = ok
        self._recent.append(ok)
        issues, notes = _argument_issues(tool, args)
        if not ok:
            fault = tool.errors[digest[8] % len(tool.errors)]
            return CallResult(tool.name, ok, fault.code, _failure(tool, fault, notes), issues)
        self.succeeded.append(tool.name)
        return CallResult(tool.name, ok, "", _success(tool, digest, notes), issues)

    def _unknown(self, name: str) -> CallResult:
        near = self._library.nearest(name)
        text = f"There is no tool {name[:100]!r}."
        text += f" Similar names: {', '.join(near)}." if near else " Search for one."
        reply = _json({"ok": False, "error": UNKNOWN_TOOL, "description": text})
        return CallResult(name[:100], False, UNKNOWN_TOOL, reply)


def _argument_issues(tool: Tool, args: Mapping[str, Any]) -> tuple[tuple[str, ...], list[str]]:
    """Kinds of mistakes in ``args``, and a note on each for the model."""
    issues: list[str] = []
    notes: list[str] = []
    declared = {one.name: one for one in tool.parameters}
    for one in tool.parameters:
        if one.name not in args:
            if one.required:
                issues.append("missing_argument")
                notes.append(f"{one.name} was not given and was taken from the context")
        elif not _fits(args[one.name], one.type):
            issues.append("wrong_type")
            notes.append(f"{one.name} should be of type {one.type} and was converted")
    for name in args:
        if name not in declared:
            issues.append("undeclared_argument")
            notes.append(f"{name[:60]!a} is not a parameter of this tool and was left out")
    return tuple(issues), notes[:6]


def _fits(value: object, wanted: ValueType) -> bool:
    if isinstance(value, bool):
        return wanted == "boolean"
    return isinstance(value, _PYTHON_TYPES[wanted])


def _failure(tool: Tool, fault: Fault, notes: list[str]) -> str:
    reply: dict[str, Any] = {"ok": False, "tool": tool.name, "error": fault.code}
    reply["description"] = fault.description
    return _json(reply | ({"notes": notes} if notes else {}))


def _success(tool: Tool, digest: bytes, notes: list[str]) -> str:
    values = {
        one.name: _value(one.type, f"{tool.name}.{one.name}", digest[9 + number % 7])
        for number, one in enumerate(tool.returns)
    }
    reply: dict[str, Any] = {"ok": True, "tool": tool.name, "result": values}
    return _json(reply | ({"notes": notes} if notes else {}))


def _value(kind: ValueType, name: str, byte: int) -> Any:
    """A plausible value: later steps need something to refer to, not the data itself."""
    handle = f"{name}#{byte:02x}"
    values: dict[ValueType, Any] = {
        "string": handle,
        "integer": 10 + 3 * byte,
        "number": round(0.5 + byte / 600, 3),
        "boolean": True,
        "array": [f"{handle}: {10 + 3 * byte} items"],
        "object": {"handle": handle},
    }
    return values[kind]


def _json(reply: Mapping[str, Any]) -> str:
    return json.dumps(reply, ensure_ascii=False)
