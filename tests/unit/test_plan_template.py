"""The plan that ``init`` writes runs as it stands, and its comments tell the truth."""

import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec

from runner.core.plan import Plan
from runner.engine.config import plan_template, read_plan
from runner.engine.config.schema import PLAN, Key, Node

_COMMENTED = re.compile(r"^# (?=[a-z_]+ = )", re.MULTILINE)


def read_text(folder: Path, text: str) -> Plan:
    (folder / "plan.toml").write_text(text)
    document = read_plan(folder / "plan.toml", environ={"OPENAI_API_KEY": "x"})
    assert document.warnings == ()
    return document.plan


def test_it_runs_as_it_stands(tmp_path: Path):
    plan = read_text(tmp_path, plan_template())
    assert plan.tasks.executor == "interactive"


def test_every_default_it_names_is_the_default(tmp_path: Path):
    as_it_stands = msgspec.to_builtins(read_text(tmp_path, plan_template()))
    uncommented = msgspec.to_builtins(read_text(tmp_path, _COMMENTED.sub("", plan_template())))
    # Two lines are examples and not defaults, and say so.
    assert uncommented["endpoints"][0].pop("api_key_env") == "OPENAI_API_KEY"
    assert uncommented["models"][0].pop("params") == {"temperature": 0}
    as_it_stands["endpoints"][0].pop("api_key_env")
    as_it_stands["models"][0].pop("params")
    assert uncommented == as_it_stands


def test_it_shows_every_key_there_is():
    shown = tomllib.loads(_COMMENTED.sub("", plan_template()))
    text = plan_template()

    def missing(nodes: dict[str, Node] | Any, table: Any, path: str) -> list[str]:
        lost: list[str] = []
        for key, node in nodes.items():
            value = table.get(key) if isinstance(table, dict) else None
            if value is None and not re.search(rf"\b{key} = ", text):
                lost.append(f"{path}{key}")
            elif not isinstance(node, Key) and path == "":
                inner = value[0] if isinstance(value, list) else value
                lost += missing(node.keys, inner, f"{key}.")
        return lost

    assert missing(PLAN, shown, "") == []


def test_the_schema_and_the_resolved_plan_have_the_same_keys():
    def fields(kind: Any) -> set[str]:
        return {field.encode_name for field in msgspec.structs.fields(kind)}

    sections = {field.name: field.type for field in msgspec.structs.fields(Plan)}
    assert set(PLAN) == set(sections)
    for name, node in PLAN.items():
        kind = sections[name]
        kind = kind.__args__[0] if hasattr(kind, "__args__") else kind
        extra = {"tasks": {"instances"}, "models": {"more_endpoints"}}.get(name, set[str]())
        assert not isinstance(node, Key)
        assert set(node.keys) | extra == fields(kind), name
