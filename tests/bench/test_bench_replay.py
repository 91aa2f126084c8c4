"""Figures of the real viewer on the log of a million events: first frame, keys, memory.

`pilot-tui replay` on a terminal of ours, beside the same on a run of one event: what is between the
two is what the log costs.
"""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from bench.figures import ms, own_cpu_s, tell
from bench.long_run import write_long_run
from support.viewer import Desk

pytestmark = [pytest.mark.bench, pytest.mark.timeout(600)]

EVENTS = 1_000_000
MEMORY_TARGET_MB = 150
FRAME_TARGET_S = 1.0
ROUNDS = 3
PRESSES = 20
PAGES = (("2", "ENDPOINTS"), ("1", "FLEET"))
"""Keys, and the words that are on the screen that they open and on no other."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Run folders by their number of events."""
    folders = {events: tmp_path_factory.mktemp(f"run-{events}") for events in (1, EVENTS)}
    for events, folder in folders.items():
        write_long_run(folder, events)
    return folders


@contextmanager
def viewer(run_dir: Path) -> Iterator[tuple[Desk, psutil.Process]]:
    desk = Desk([sys.executable, "-m", "tui", "replay", str(run_dir)])
    try:
        yield desk, psutil.Process(desk.process.pid)
    finally:
        desk.close()


def first_frame_s(run_dir: Path) -> float:
    began = time.monotonic()
    with viewer(run_dir) as (desk, _):
        desk.until("FLEET")
        return time.monotonic() - began


def test_first_frame(runs: dict[int, Path]) -> None:
    took = {events: min(first_frame_s(runs[events]) for _ in range(ROUNDS)) for events in runs}
    tell(
        f"replay, first frame: {took[1]:.2f} s with one event, {took[EVENTS]:.2f} s with"
        f" {EVENTS:,} (target {FRAME_TARGET_S:.0f} s)"
    )
    assert took[EVENTS] < took[1] + FRAME_TARGET_S


def test_keys_are_answered_while_the_log_is_read(runs: dict[int, Path]) -> None:
    waits: dict[str, list[float]] = {"while reading": [], "after": []}
    with viewer(runs[EVENTS]) as (desk, process):
        desk.until("reading")
        began, cpu_began = time.monotonic(), own_cpu_s(process)
        read_s = read_cpu_s = 0.0
        while len(waits["after"]) < PRESSES:
            name = "while reading" if "reading" in desk.text() else "after"
            waits[name] += [answer_s(desk, key, words) for key, words in PAGES]
            if name == "while reading":
                read_s, read_cpu_s = time.monotonic() - began, own_cpu_s(process) - cpu_began
            time.sleep(0.2)
    assert waits["while reading"], "the log was read before a key could be pressed"
    rows = "".join(f"\n  {name:14} {ms(found)} ms" for name, found in waits.items())
    tell(
        f"replay of {EVENTS:,} events: read in {read_s:.1f} s (CPU with all that was drawn"
        f" {read_cpu_s:.1f} s); key to page p50 / p99:{rows}"
    )


def answer_s(desk: Desk, key: str, words: str) -> float:
    """Seconds until the page is there."""
    began = time.monotonic()
    os.write(desk.master, key.encode())
    desk.until(words)
    return time.monotonic() - began


def test_memory_of_the_viewer(runs: dict[int, Path]) -> None:
    peaks = {events: peak_mb(runs[events]) for events in runs}
    tell(
        f"memory of the viewer, replay of {EVENTS:,} events read to the end:"
        f" {peaks[EVENTS]:.0f} MB, {peaks[EVENTS] - peaks[1]:+.0f} over one event"
        f" (target +{MEMORY_TARGET_MB})"
    )
    assert peaks[EVENTS] - peaks[1] < MEMORY_TARGET_MB


def peak_mb(run_dir: Path) -> float:
    """The most that the viewer's memory was until the log was read and sought in."""
    with viewer(run_dir) as (desk, process):
        most, quiet = 0.0, 0
        desk.until("FLEET")
        os.write(desk.master, b"4")  # a screen that reads the whole log once more
        while quiet < 40:
            most = max(most, process.memory_info().rss / 1e6)
            quiet = 0 if "reading" in desk.text() else quiet + 1
            time.sleep(0.05)
        return most
