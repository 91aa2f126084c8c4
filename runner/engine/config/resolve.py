"""Turns a sound plan into the resolved one: every default filled in, every model on its own.

Apart because the order in which values give way is a rule of its own: what a model says, by
``[models.limits]`` and ``[models.watch]`` first and by ``reasoning = true`` next, wins over
``[limits]`` and ``[watch]``, which win over the plain defaults. A plan that spells out the limits
of its other models would otherwise end every reasoning model after their ``first_byte``.
"""

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from runner.core.plan import INTERACTIVE_LOOPS, Limits, Loops, Plan, Watch
from runner.engine.config.findings import as_list, as_table

REASONING_LIMITS: Final = {"first_byte": 900.0, "idle": 900.0, "call": 900.0, "attempt": 3600.0}
"""A reasoning model may think in silence for many minutes before its first byte."""
REASONING_SLOW, REASONING_STUCK = 0.5, 0.8
"""Shares of ``first_byte`` after which such silence is shown."""


def limits_of(plan: Mapping[str, Any], model: Mapping[str, Any]) -> Limits:
    """The limits that bind ``model``; an empty model gives those of ``[limits]``."""
    implied = REASONING_LIMITS if model.get("reasoning") else {}
    return msgspec.convert(
        {**as_table(plan.get("limits")), **implied, **as_table(model.get("limits"))}, Limits
    )


def watch_of(plan: Mapping[str, Any], model: Mapping[str, Any]) -> Watch:
    """The thresholds for ``model``; an empty model gives those of ``[watch]``."""
    implied: dict[str, float] = {}
    if model.get("reasoning"):
        first_byte = limits_of(plan, model).first_byte
        implied = {
            "slow_after": REASONING_SLOW * first_byte,
            "stuck_after": REASONING_STUCK * first_byte,
        }
    return msgspec.convert(
        {**as_table(plan.get("watch")), **implied, **as_table(model.get("watch"))}, Watch
    )


def resolve(sound: Mapping[str, Any], folder: Path) -> Plan:
    """The plan to run, out of one without problems; files are named by absolute paths."""
    tasks = _tasks(as_table(sound["tasks"]), folder)
    defaults = INTERACTIVE_LOOPS if tasks["executor"] == "interactive" else Loops()
    values = {
        **sound,
        "run": as_table(sound.get("run")),
        "limits": limits_of(sound, {}),
        "watch": watch_of(sound, {}),
        "stop": as_table(sound.get("stop")),
        "loops": {**msgspec.to_builtins(defaults), **as_table(sound.get("loops"))},
        "resources": as_table(sound.get("resources")),
        "notify": _notify(as_table(sound.get("notify"))),
        "endpoints": [_endpoint(endpoint) for endpoint in as_list(sound["endpoints"])],
        "models": [_model(sound, model) for model in as_list(sound["models"])],
        "tasks": tasks,
    }
    return msgspec.convert(values, Plan)


def endpoints_of(model: Mapping[str, Any]) -> list[str]:
    """The endpoints that serve a model: one name or a list of them; empty where none is said."""
    said = model.get("endpoint")
    return [said] if isinstance(said, str) else as_list(said)


def in_folder(name: str, folder: Path) -> Path:
    """The file that ``name`` means in a plan of that folder. Links stay: a venv's python is one."""
    return folder / os.path.expanduser(name)  # noqa: PTH111  (Path's raises for ~nobody)


def _endpoint(endpoint: Mapping[str, Any]) -> dict[str, Any]:
    if "api_key_command" in endpoint:
        return {**endpoint, "api_key_command": _words(endpoint["api_key_command"])}
    return dict(endpoint)


def _notify(notify: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _words(command) for key, command in notify.items()}


def _words(command: str | list[str]) -> list[str]:
    """The words of a command line that may be written as one text."""
    return shlex.split(command) if isinstance(command, str) else command


def _model(sound: Mapping[str, Any], model: Mapping[str, Any]) -> dict[str, Any]:
    first, *more = endpoints_of(model)
    return {
        "deployments": [model["name"]],
        **model,
        "endpoint": first,
        "more_endpoints": more,
        "limits": limits_of(sound, model),
        "watch": watch_of(sound, model),
    }


def _tasks(tasks: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    matrix = dict(as_table(tasks.get("matrix")))
    instances = matrix.pop("instances", 0)
    files = {
        key: str(in_folder(tasks[key], folder)) for key in ("source", "tools") if tasks.get(key)
    }
    return {
        **tasks,
        **files,
        "python": interpreter(tasks.get("python", ""), folder),
        "matrix": matrix,
        "instances": instances,
    }


def interpreter(python: str, folder: Path) -> str:
    """``[tasks] python`` as hosts are started: empty for our own, a bare name is left to PATH."""
    if not python or "/" not in python:
        return python
    return str(in_folder(python, folder))
