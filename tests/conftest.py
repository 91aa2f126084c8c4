"""What every test gets: no trace on the user's machine, no proxy between two loopback sockets.

Fixtures that only one folder needs live in that folder's own conftest.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from support.running import Project

# The first examples import modules and two test processes share the cores: a time limit for one
# example would fail on the machine, not on the code. In CI the examples are the same at each run.
settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")

_FOREIGN = (
    "PILOT_RUNS",
    "PYTHONPATH",
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "NO_COLOR",
    "FORCE_COLOR",
    "COLUMNS",  # set by the test runner where it has no terminal; the terminals of tests have sizes
    "LINES",
)

_ENGINES_S = 180
"""Tests of whole engines wait for several things, for a minute for the last: the watchdog is to
come after them, for what they say when nothing comes is more than that a test took too long."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give tests of whole engines that name no watchdog's limit the longer one."""
    for item in items:
        engines = "project" in getattr(item, "fixturenames", ()) or "e2e" in item.path.parts
        if engines and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(_ENGINES_S))


@pytest.fixture(autouse=True)
def isolated_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Keep tests and the programs that they start off the user's run list, keys and proxies."""
    state = tmp_path_factory.mktemp("xdg-state")
    monkeypatch.setenv("XDG_STATE_HOME", str(state))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost,::1")
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost,::1")
    for name in _FOREIGN:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "Iterator[Project]":
    """A plan folder with an endpoint; whatever was started from it ends with the test, by pid."""
    from support.running import PACKAGE, Project  # most tests need neither an engine nor polars

    monkeypatch.setenv("PYTHONPATH", str(PACKAGE))
    monkeypatch.setenv("PILOT_RUNS", str(tmp_path / "runs"))
    found = Project(tmp_path)
    try:
        yield found
    finally:
        found.close()
