"""Whatever stands in a plan: a plan comes out, or problems that say where, and nothing else."""

import datetime as dt
import json
import math
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.core.plan import Plan
from runner.engine.config import PlanDocument, change, read_plan
from runner.engine.config.lines import key_lines
from runner.engine.config.schema import ENDPOINT, LIMITS, MODEL, PLAN, WATCH
from runner.errors import PlanError, format_problems

KEYS = sorted({"", "api_key", "x", *PLAN, *LIMITS, *WATCH, *ENDPOINT, *MODEL, "executor", "matrix"})
SCALARS = st.one_of(
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    st.sampled_from(
        ["m", "local", "kill", "command", "sk-1234567890abcdef", "http://a:b@c/", "\x1b[0m"]
    ),
    st.dates(),
    st.times(),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
    ),
    max_leaves=8,
)
SOUND: dict[str, Any] = {
    "run": {"workers": 3},
    "endpoints": [{"name": "local", "base_url": "http://127.0.0.1:9/v1"}],
    "models": [
        {"name": "m", "endpoint": "local"},
        {"name": "o4", "endpoint": "local", "reasoning": True},
    ],
    "tasks": {"executor": "command", "argv": ["true"], "source": "tasks.jsonl"},
}


def toml(value: Any) -> str:
    """The value as TOML writes it; tables inline, so that any nesting of them is one line."""
    match value:
        case bool():
            return "true" if value else "false"
        case float():
            return repr(value) if math.isfinite(value) else str(value)
        case str():
            return json.dumps(value, ensure_ascii=True).replace("\\u007f", "\\u007F")
        case list():
            items: list[Any] = value
            return f"[{', '.join(map(toml, items))}]"
        case dict():
            table: dict[str, Any] = value
            return "{" + ", ".join(f"{json.dumps(k)} = {toml(v)}" for k, v in table.items()) + "}"
        case dt.date() | dt.time():
            return value.isoformat()
        case _:
            return str(value)


def document_text(plan: dict[str, Any]) -> str:
    return "".join(f"{json.dumps(key)} = {toml(value)}\n" for key, value in plan.items())


def read(content: bytes, overrides: dict[str, str] | None = None) -> PlanDocument | None:
    """The document, or None if there were problems; every problem must say where it is."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "tasks.jsonl").write_text('{"id": "a"}\n{"id": "b"}\n')
        (folder / "plan.toml").write_bytes(content)
        try:
            return read_plan(folder / "plan.toml", overrides, environ={}, check_entry=False)
        except PlanError as error:
            problems = error.problems
    assert problems
    for problem, line in zip(problems, format_problems(problems), strict=True):
        assert problem.key or problem.line, line
        assert problem.text, line
        assert line.isprintable(), line
        assert "sk-1234567890abcdef" not in line
    return None


@given(st.binary(max_size=300))
def test_any_bytes(content: bytes):
    assert read(content) is None


@given(st.text(st.sampled_from("[]{}=.,\"'#\n ab1_-\\"), max_size=60))
def test_any_text_of_toml_characters(text: str):
    assert read(text.encode()) is None


@given(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=6))
def test_any_toml(plan: dict[str, Any]):
    read(document_text(plan).encode("utf-8", "surrogatepass"))


@st.composite
def damaged_plans(draw: st.DrawFn) -> dict[str, Any]:
    """A sound plan with one or two values replaced, removed or added."""
    plan = json.loads(json.dumps(SOUND))
    for _ in range(draw(st.integers(1, 2))):
        table: Any = plan
        for _ in range(draw(st.integers(0, 3))):
            inner = [value for value in _children(table) if isinstance(value, dict | list)]
            if inner:
                table = draw(st.sampled_from(inner))
        if isinstance(table, list):
            table[:] = [draw(VALUES)]
        elif table and draw(st.booleans()):
            key = draw(st.sampled_from(sorted(table)))
            if draw(st.booleans()):
                table[key] = draw(VALUES)
            else:
                del table[key]
        else:
            table[draw(st.sampled_from(KEYS))] = draw(VALUES)
    return plan


def _children(value: Any) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else list(value)


@settings(max_examples=300)
@given(damaged_plans())
def test_a_damaged_plan(plan: dict[str, Any]):
    read(document_text(plan).encode("utf-8", "surrogatepass"))


@given(
    st.dictionaries(
        st.one_of(
            st.text(max_size=12),
            st.sampled_from(
                ["limits.attempt", "models.m.limits.idle", "models", "run", "tasks.argv"]
            ),
            st.tuples(st.sampled_from(KEYS), st.sampled_from(KEYS)).map(".".join),
        ),
        st.one_of(st.text(max_size=12), VALUES.map(toml)),
        min_size=1,
        max_size=3,
    )
)
def test_any_overrides(overrides: dict[str, str]):
    read(document_text(SOUND).encode(), overrides)


@given(
    st.text(max_size=12) | st.sampled_from(["limits.call", "models.o4.watch.stuck_after"]), VALUES
)
def test_any_change(key: str, value: Any):
    document = read(document_text(SOUND).encode())
    assert document is not None
    try:
        changed, _ = change(document, key, toml(value))
    except PlanError as error:
        problems = error.problems
    else:
        assert changed.overrides[key] == toml(value)
        return
    assert problems
    assert all(problem.key and problem.text for problem in problems)


DURATIONS = st.floats(0.001, 1_000_000, allow_nan=False)
SECTIONS = st.fixed_dictionaries(
    {},
    optional={
        "limits": st.dictionaries(
            st.sampled_from(["connect", "first_byte", "idle", "call", "attempt", "run"]), DURATIONS
        ),
        "watch": st.dictionaries(st.sampled_from(["slow_after", "stuck_after"]), DURATIONS),
        "stop": st.fixed_dictionaries({"error_rate": st.floats(0, 1), "over": st.integers(1, 99)}),
        "loops": st.dictionaries(
            st.sampled_from(["repeat", "cycle", "done"]), st.sampled_from(["kill", "warn", "off"])
        ),
        "run": st.fixed_dictionaries(
            {"workers": st.integers(1, 4096), "seed": st.integers(-(2**63), 2**63 - 1)}
        ),
    },
)


@given(SECTIONS)
def test_a_sound_plan_says_what_it_was_given_and_survives_the_wire(sections: dict[str, Any]):
    document = read(document_text({**SOUND, **sections}).encode())
    assert document is not None
    resolved: Any = msgspec.to_builtins(document.plan)
    for section, values in sections.items():
        for key, value in values.items():
            assert resolved[section][key] == value
            if section in {"limits", "watch"}:
                assert resolved["models"][0][section][key] == value
    for codec in (msgspec.json, msgspec.msgpack):
        assert codec.decode(codec.encode(document.plan), type=Plan) == document.plan


LAYOUTS = st.lists(
    st.sampled_from(
        [
            "[t{n}]",
            "[[l]]",
            "[l.in{n}]",
            "[[l.deep]]",
            "k{n} = 1",
            "'q {n}' = \"#=[\"",
            "",
            "a{n}.b.c = [1, {{x = 1}}, [2]]",
            "i{n} = {{ y = {{ z = '}}' }}, w = 1 }}",
            "# [no] = 1",
            'm{n} = """\nline [x]\n\\""" = """',
            "f{n} = [\n  1, # one ]\n  '''\n]''',\n]",
            "d{n} = 1979-05-27 07:32:00.5",
        ]
    ),
    max_size=12,
)


@given(LAYOUTS)
def test_every_key_of_a_valid_text_has_the_line_it_stands_on(pieces: list[str]):
    text = "\n".join(piece.format(n=number) for number, piece in enumerate(pieces))
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    lines = key_lines(text)
    rows = text.split("\n")

    def visit(value: Any, path: tuple[str | int, ...]) -> None:
        if path:
            assert path in lines
            if isinstance(path[-1], str):
                assert path[-1] in rows[lines[path] - 1]
        if isinstance(value, dict):
            for key, inner in value.items():
                visit(inner, (*path, key))
        elif isinstance(value, list):
            for index, inner in enumerate(value):
                visit(inner, (*path, index))

    visit(raw, ())
    assert len(lines) == sum(1 for _ in _places(raw))


def _places(value: Any) -> list[Any]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [place for child in inner for place in (child, *_places(child))]
