"""Fixtures of the benches: a folder for a run, and the peer's interpreter where it can be had."""

from pathlib import Path

import pytest
from bench.figures import tell
from bench.inspect_env import NotInstalledError, inspect_python


@pytest.fixture(scope="session")
def peer() -> Path | None:
    """The interpreter that has ``inspect_ai``; None, and a line that says why, where it has not."""
    try:
        return inspect_python()
    except NotInstalledError as error:
        tell(f"inspect-ai could not be installed, so its rows are missing: {error}")
        return None
