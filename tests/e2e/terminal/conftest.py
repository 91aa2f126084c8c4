"""Fixtures of the tests that look at the program in a terminal."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.terminal import Terminal


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    """Terminals that are gone after the test; called with a name and a size."""
    opened: list[Terminal] = []

    def make(name: str, size: tuple[int, int] = (120, 40)) -> Terminal:
        opened.append(Terminal(tmp_path, name, size))
        return opened[-1]

    yield make
    for found in opened:
        found.close()
