"""Values give way in one order: model, then reasoning, then section, then the plain default."""

from pathlib import Path
from typing import Any

import pytest

from runner.core.plan import INTERACTIVE_LOOPS, Loops, Plan
from runner.engine.config import PlanDocument, change, read_plan
from runner.errors import PlanError, format_problems

BASE = """\
[[endpoints]]
name = "local"
base_url = "http://127.0.0.1:9/v1"
[[models]]
name = "gpt-4.1"
endpoint = "local"
[[models]]
name = "o4-mini"
endpoint = "local"
reasoning = true
{model}
[tasks]
executor = "{executor}"
source = "tasks.jsonl"
argv = ["true"]
{rest}
"""


def read(folder: Path, overrides: dict[str, str] | None = None, **parts: str) -> PlanDocument:
    (folder / "tasks.jsonl").write_text(
        '{"id": "a", "description": "d", "required_tools": ["x"]}\n'
    )
    text = BASE.format(**{"model": "", "executor": "command", "rest": "", **parts})
    (folder / "plan.toml").write_text(text)
    return read_plan(folder / "plan.toml", overrides, environ={}, check_entry=False)


def reasoning(plan: Plan) -> dict[str, float]:
    model = plan.model("o4-mini")
    limits = {
        name: getattr(model.limits, name)
        for name in ("connect", "first_byte", "idle", "call", "attempt")
    }
    return {**limits, "slow": model.watch.slow_after, "stuck": model.watch.stuck_after}


def test_a_reasoning_model_may_be_silent_for_long(tmp_path: Path):
    plan = read(tmp_path).plan
    assert reasoning(plan) == {
        "connect": 5,
        "first_byte": 900,
        "idle": 900,
        "call": 900,
        "attempt": 3600,
        "slow": 450,
        "stuck": 720,
    }
    assert plan.model("gpt-4.1").limits == plan.limits
    assert plan.limits.first_byte == 30


CASES: dict[str, tuple[dict[str, str], dict[str, float]]] = {
    "reasoning-wins-over-section": (
        {"rest": "[limits]\nfirst_byte = 100\nconnect = 3\n[watch]\nslow_after = 7"},
        {"first_byte": 900, "idle": 900, "slow": 450, "stuck": 720, "connect": 3},
    ),
    "model-wins-over-reasoning": (
        {
            "model": "limits = {first_byte = 200, attempt = 1200}\nwatch = {stuck_after = 60}",
            "rest": "[limits]\nfirst_byte = 100\n[watch]\nslow_after = 7\nstuck_after = 9",
        },
        {"first_byte": 200, "idle": 900, "attempt": 1200, "slow": 100, "stuck": 60},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_said_explicitly_wins(tmp_path: Path, case: str):
    parts, expected = CASES[case]
    found = reasoning(read(tmp_path, None, **parts).plan)
    assert {name: found[name] for name in expected} == expected


def test_loop_rules_are_the_executors_own_unless_set(tmp_path: Path):
    assert read(tmp_path).plan.loops == Loops()
    assert read(tmp_path, executor="interactive").plan.loops == INTERACTIVE_LOOPS
    set_one = read(tmp_path, executor="interactive", rest='[loops]\ndone = "off"').plan.loops
    assert (set_one.done, set_one.repeat) == ("off", "kill")


def test_deployments_default_to_the_name(tmp_path: Path):
    assert read(tmp_path).plan.models[0].deployments == ("gpt-4.1",)
    plan = read(tmp_path, model='deployments = ["a", "b"]').plan
    assert plan.model("o4-mini").deployments == ("a", "b")


def test_a_key_command_may_be_one_text(tmp_path: Path):
    plan = read(tmp_path, {"endpoints.local.api_key_command": "\"printf '%s' 'a b'\""}).plan
    assert plan.endpoints[0].api_key_command == ("printf", "%s", "a b")


@pytest.mark.parametrize(
    ("key", "value", "path", "expected"),
    [
        ("run.workers", "7", ("run", "workers"), 7),
        ("run.name", "night-2", ("run", "name"), "night-2"),
        ("run.name", '"a b"', ("run", "name"), "a b"),
        ("limits.turns", "3", ("limits", "turns"), 3),
        ("limits.retry_on", '["timeout"]', ("limits", "retry_on"), ("timeout",)),
        ("models.gpt-4.1.limits.attempt", "9", ("models", 0, "limits", "attempt"), 9),
        ('models."gpt-4.1".workers', "9", ("models", 0, "workers"), 9),
        ("models.o4-mini.reasoning", "false", ("models", 1, "limits", "attempt"), 300),
        ("endpoints.local.qps", "2.5", ("endpoints", 0, "qps"), 2.5),
        ("models", '[{name="z", endpoint="local"}]', ("models", 0, "name"), "z"),
        ("tasks.matrix.instances", "4", ("tasks", "instances"), 4),
    ],
)
def test_set_reaches_every_key(
    tmp_path: Path, key: str, value: str, path: tuple[Any, ...], expected: object
):
    found: Any = read(tmp_path, {key: value}).plan
    for part in path:
        found = found[part] if isinstance(part, int) else getattr(found, part)
    assert found == expected


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        (
            "limits.atempt",
            "3",
            "--set limits.atempt: limits.atempt: unknown key (did you mean attempt?)",
        ),
        ("limit.attempt", "3", "--set: limit.attempt: unknown key (did you mean limits?)"),
        (
            "models.o4-mni.workers",
            "3",
            "--set: models.o4-mni.workers: no model of that name (did you mean o4-mini?)",
        ),
        (
            "models.o4-mini",
            "3",
            "--set: models.o4-mini: names the model, but no key of it (e.g. models.o4-mini.name)",
        ),
        (
            "run.workers",
            "]",
            '--set: run.workers: the value is not TOML (e.g. 120, true, "text" or ["a", "b"])',
        ),
        (
            "run.workers",
            "1\nseed = 2",
            '--set: run.workers: the value is not TOML (e.g. 120, true, "text" or ["a", "b"])',
        ),
        ("run..workers", "1", "--set: run..workers: is not a dotted key (e.g. limits.attempt)"),
        ("", "1", '--set: "": unknown key'),
        ("run.seed.x", "1", "--set run.seed.x: run.seed: must be a whole number"),
    ],
)
def test_a_bad_set_is_told_like_a_bad_plan(tmp_path: Path, key: str, value: str, line: str):
    with pytest.raises(PlanError) as caught:
        read(tmp_path, {key: value})
    assert any(found.startswith(line) for found in format_problems(caught.value.problems))


def test_a_change_takes_effect_and_tells_the_old_value(tmp_path: Path):
    first = read(tmp_path, {"run.seed": "5"})
    second, old = change(first, "limits.attempt", "120")
    third, older = change(second, "limits.attempt", "60")
    assert (old, older, third.plan.limits.attempt) == (300, 120, 60)
    assert third.plan.model("gpt-4.1").limits.attempt == 60
    assert third.overrides == {"run.seed": "5", "limits.attempt": "60"}
    assert first.plan.limits.attempt == 300
    again = read(tmp_path, dict(third.overrides))
    assert again.plan == third.plan


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("run.workers", "0", "from 1 to 4096"),
        ("run.seed", "3", "cannot change under a run"),
        ("tasks.source", '"other.jsonl"', "cannot change under a run"),
        ("models.gpt-4.1.endpoint", '"x"', "cannot change under a run"),
        ("endpoints.local.base_url", '"http://localhost"', "cannot change under a run"),
        ("limits", "{}", "cannot change under a run"),
        ("loops.repeat", "maybe", '"kill" or "warn" or "off"'),
        ("models.nobody.workers", "1", "no model of that name"),
    ],
)
def test_a_change_is_checked_like_the_plan(tmp_path: Path, key: str, value: str, words: str):
    document = read(tmp_path)
    with pytest.raises(PlanError, match=words):
        change(document, key, value)
