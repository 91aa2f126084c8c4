"""Screens are drawn in one time zone, whatever the machine's: clock times stand in snapshots."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

# Scenes and rig are modules beside the tests, which are files and no package (importlib mode).
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()
