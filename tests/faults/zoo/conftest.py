"""The fixture of the zoo: a folder for a run; whatever was started from it ends with the test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.running import PACKAGE, Project


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """A folder of its own; engines and endpoints that still run are ended by pid."""
    monkeypatch.setenv("PYTHONPATH", str(PACKAGE))
    found = Project(tmp_path)
    try:
        yield found
    finally:
        found.close()
