"""`check --probe` against an endpoint that is well, refuses, hangs, or is not there."""

import time
from pathlib import Path

import pytest
from support.commands import Pilot
from support.running import Project

SECRET = "not-a-real-key-4711"


def probed(pilot: Pilot, plan: Path, *more: str) -> tuple[int, list[dict[str, object]]]:
    said = pilot("check", plan, "--probe", "--json", *more)
    return said.code, said.json["probes"]


def test_a_deployment_that_is_well(project: Project, pilot: Pilot):
    plan = project.write(tasks=1)
    code, (found,) = probed(pilot, plan)
    assert (code, found["ok"], found["streams"]) == (0, True, True)
    assert isinstance(found["first_byte_s"], float)
    assert "m (here, m): ok, streams, first byte" in pilot("check", plan, "--probe").out


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        pytest.param("429", "HTTP 429: too many requests", id="429"),
        pytest.param("500", "HTTP 500", id="500"),
        pytest.param("silent", "no answer in time", id="silent"),
        pytest.param("drip_sse", "did not end within", id="drip"),
        pytest.param("reset", "cannot be reached", id="reset"),
    ],
)
def test_a_deployment_that_is_not(project: Project, pilot: Pilot, behaviour: str, words: str):
    limits = "first_byte = 1\nidle = 1\ncall = 2"
    plan = project.write(tasks=1, script=f'default = "{behaviour}"', limits=limits)
    began = time.monotonic()
    code, (found,) = probed(pilot, plan)
    assert (code, found["ok"]) == (1, False)
    assert words in str(found["problem"])
    assert time.monotonic() - began < 15


def test_an_endpoint_that_is_not_there_and_a_key_that_is_not_shown(
    project: Project, pilot: Pilot, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SOME_KEY", SECRET)
    plan = project.write(tasks=1, base_url="http://127.0.0.1:9/v1")
    text = plan.read_text().replace("[[models]]", 'api_key_env = "SOME_KEY"\n[[models]]')
    plan.write_text(text)
    said = pilot("check", plan, "--probe")
    assert (said.code, "cannot be reached" in said.err) == (1, True)
    assert SECRET not in said.out + said.err
