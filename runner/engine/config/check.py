"""Checks a plan as TOML gave it: first every key by its own rule, then keys against each other.

Apart from reading so that a plan changed in mid-run passes exactly the same checks. Nothing here
raises: problems and warnings go to `Findings`, and what comes back holds the sound keys only.
"""

from collections.abc import Mapping
from typing import Any

from runner.engine.config import rules
from runner.engine.config.findings import Findings, as_list, describe, is_table, nearest
from runner.engine.config.lines import Path
from runner.engine.config.schema import PLAN, Key, Node, Table, Tables, child
from runner.engine.config.secrets import names_secret

_PASTED = "a key may not stand in a plan"
_NAME_IT = "put it in an environment variable and name that in api_key_env"


def check(raw: Mapping[str, Any], findings: Findings) -> dict[str, Any]:
    """The sound part of ``raw``; everything else is in ``findings``."""
    sound = _table(raw, PLAN, (), findings)
    rules.check_endpoints(sound, findings)
    rules.check_models(sound, findings)
    rules.check_times(sound, findings)
    rules.check_heartbeat(sound, findings)
    rules.check_workers(sound, findings)
    rules.check_tasks(sound, findings)
    return sound


def _table(
    raw: Mapping[str, Any], nodes: Mapping[str, Node], path: Path, findings: Findings
) -> dict[str, Any]:
    sound: dict[str, Any] = {}
    for key, value in raw.items():
        here = (*path, key)
        if key not in nodes:
            _unknown(here, value, nodes, findings)
            continue
        found = _node(value, nodes[key], here, findings)
        if found is not None:
            sound[key] = found
    for key, node in nodes.items():
        if node.required and key not in raw:
            what = f"missing: a plan needs [[{key}]]" if isinstance(node, Tables) else "missing"
            named = (*path, key) == ("models",) and "endpoints" in raw
            hint = "or name them: --set models=NAME,NAME" if named else ""
            findings.problem((*path, key), what, hint)
    return sound


def _node(value: object, node: Node, path: Path, findings: Findings) -> Any:
    """The value with its unsound parts left out, None if nothing of it can be used."""
    if isinstance(node, Key):
        complaint = node.check(value)
        if complaint is None:
            return value
        findings.problem(path, *complaint)
        return None
    if isinstance(node, Table):
        if is_table(value):
            return _table(value, node.keys, path, findings)
        findings.problem(path, f"must be a table, not {describe(value)}", f"write [{path[-1]}]")
        return None
    items = as_list(value)
    if not items:
        findings.problem(
            path, f"must be a list of tables, not {describe(value)}", f"write [[{path[-1]}]]"
        )
        return None
    return [_element(item, node, (*path, index), findings) for index, item in enumerate(items)]


def _element(value: object, node: Tables, path: Path, findings: Findings) -> dict[str, Any]:
    """A list element. An unsound one stays as an empty table, so that indices keep their sense."""
    if is_table(value):
        return _table(value, node.keys, path, findings)
    findings.problem(path, f"must be a table, not {describe(value)}")
    return {}


def _unknown(path: Path, value: object, nodes: Mapping[str, Node], findings: Findings) -> None:
    key = str(path[-1])
    if isinstance(value, str) and names_secret(key):
        findings.problem(path, _PASTED, _NAME_IT)
        return
    homes = [section for section in PLAN if key in child(PLAN, section)]
    hint = f"{key} belongs to [{homes[0]}]" if homes else nearest(key, nodes)
    findings.problem(path, "unknown key", hint)
