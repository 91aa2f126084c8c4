"""Fixtures over runs that never ran (`runmaker`)."""

from pathlib import Path

import pytest
from runmaker import RunMaker


@pytest.fixture
def make_run(tmp_path: Path):
    """A factory of `RunMaker`; all are closed at the end."""
    makers: list[RunMaker] = []

    def make(name: str = "run-1", workers: int = 4, tasks: int = 20) -> RunMaker:
        maker = RunMaker(tmp_path / name, workers, tasks)
        makers.append(maker)
        return maker

    yield make
    for maker in makers:
        maker.close()


@pytest.fixture
def lively(make_run) -> RunMaker:
    """A run of a few thousand events, finished."""
    maker = make_run(workers=8, tasks=100)
    maker.engine()
    maker.chatter(3000)
    maker.finish()
    return maker
