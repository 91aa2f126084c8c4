"""What every test gets: no trace on the user's machine, no proxy between two loopback sockets.

Fixtures that only one folder needs live in that folder's own conftest.
"""

import os

import pytest
from hypothesis import settings

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
