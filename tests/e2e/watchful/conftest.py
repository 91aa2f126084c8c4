"""Fixtures of tests in which whole runs are looked at from outside."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.running import PACKAGE, Project


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """A folder of its own; whatever was started from it ends with the test."""
    monkeypatch.setenv("PYTHONPATH", str(PACKAGE))
    monkeypatch.setenv("PILOT_RUNS", str(tmp_path / "runs"))
    found = Project(tmp_path)
    try:
        yield found
    finally:
        found.close()
