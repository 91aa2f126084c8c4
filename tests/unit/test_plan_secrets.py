"""A plan is copied into the run folder: one that holds a key is refused, and the key not told."""

from pathlib import Path

import pytest

from runner.engine.config import read_plan
from runner.errors import PlanError, format_problems

PLAN = """\
[[endpoints]]
name = "local"
base_url = "http://127.0.0.1:9/v1"
[[models]]
name = "m"
endpoint = "local"
[tasks]
executor = "command"
argv = ["true"]
source = "tasks.jsonl"
"""
KEY = "sk-proj-4f9aQ2xT7mNb81LzYw"
HEX = "0123456789abcdef0123456789abcdef"


def refusal(
    folder: Path,
    text: str,
    *,
    changes: dict[str, str] | None = None,
    environ: dict[str, str] | None = None,
) -> str:
    (folder / "tasks.jsonl").write_text('{"id": "a"}\n')
    (folder / "plan.toml").write_text(text)
    with pytest.raises(PlanError) as caught:
        read_plan(folder / "plan.toml", changes, environ=environ or {})
    return "\n".join(format_problems(caught.value.problems))


PASTED = {
    "api_key": (
        'name = "local"',
        f'name = "local"\napi_key = "{KEY}"',
        "plan.toml:3: endpoints.local.api_key: ",
    ),
    "opaque-api_key": (
        'name = "local"',
        'name = "local"\napi_key = "hunter2"',
        "endpoints.local.api_key",
    ),
    "in-place-of-its-variable": (
        'name = "local"',
        f'name = "local"\napi_key_env = "{KEY}"',
        "endpoints.local.api_key_env: must be the name of an environment variable",
    ),
    "hex-in-place-of-its-variable": (
        'name = "local"',
        f'name = "local"\napi_key_env = "a{HEX}"',
        "endpoints.local.api_key_env: names a variable that is not set",
    ),
    "in-a-comment": ('name = "m"', f'name = "m"  # {KEY}', "plan.toml:5"),
    "in-a-list": ('["true"]', f'["true", "{KEY}"]', "plan.toml:9: tasks.argv"),
    "in-params-header": (
        'name = "m"',
        'name = "m"\nparams = {extra_headers = {Authorization = "Bearer abc"}}',
        "models.m.params.extra_headers.Authorization",
    ),
    "in-the-url": (
        "http://127.0.0.1",
        "http://me:pass@127.0.0.1",
        "endpoints.local.base_url: carries a user or password",
    ),
    "in-the-query": (":9/v1", f":9/v1?api-key={HEX}", "endpoints.local.base_url: carries a key"),
    "as-a-name": ('name = "m"', f'name = "{KEY}"', "plan.toml:5"),
    "as-a-word": ('executor = "command"', f'executor = "{KEY}"', "tasks.executor: must be"),
    "as-a-key": ("[tasks]", f"[tasks]\n{KEY} = 1", "plan.toml:8: tasks.***: unknown key"),
}


@pytest.mark.parametrize("case", PASTED)
def test_a_pasted_key_is_refused_and_not_repeated(tmp_path: Path, case: str):
    old, new, words = PASTED[case]
    assert old in PLAN
    text = refusal(tmp_path, PLAN.replace(old, new))
    assert words in text
    for secret in (KEY, HEX, "hunter2", "me:pass", "Bearer abc"):
        assert secret not in text


def test_the_value_of_a_key_variable_is_found_wherever_it_stands(tmp_path: Path):
    secret = "Zq81-plain-looking-77"
    text = PLAN.replace('name = "local"', 'name = "local"\napi_key_env = "MY_KEY"')
    text = refusal(tmp_path, f"# {secret}\n{text}", environ={"MY_KEY": secret})
    assert "plan.toml:1" in text
    assert secret not in text


def test_a_key_given_by_set_is_refused_and_not_repeated(tmp_path: Path):
    text = refusal(tmp_path, PLAN, changes={"run.name": f'"{KEY}"'})
    assert "--set: run.name: a key may not stand in a plan" in text
    assert KEY not in text


@pytest.mark.parametrize(
    "harmless",
    [
        'params = {max_tokens = 100, stop = "</s>", prompt_cache_key = "bench"}',
        'deployments = ["task-scheduler-prod", "m-2024-08-06"]',
    ],
)
def test_words_that_only_sound_like_keys_pass(tmp_path: Path, harmless: str):
    (tmp_path / "tasks.jsonl").write_text('{"id": "a"}\n')
    (tmp_path / "plan.toml").write_text(PLAN.replace('name = "m"', f'name = "m"\n{harmless}'))
    read_plan(tmp_path / "plan.toml", environ={})
