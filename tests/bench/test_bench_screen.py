"""What the dashboard costs: bytes to the terminal, CPU, memory, time from key to screen.

A pty reader stands for the terminal, near or at the far end of a thin line. Bytes are asserted; CPU
and times are printed, because they depend on what else the machine does: `make bench` on a quiet
one. htop and btop stand beside it where they are installed.
"""

import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from bench.figures import ms, quantile, tell
from bench.ptys import Line, Reader, on_a_pty

from tui.glyphs import UNICODE

CHILD = (sys.executable, str(Path(__file__).with_name("screen_child.py")))
POINTER = UNICODE.pointer.encode()
"""It is sent when it moves, never else: the answer to n and N."""
WARM_S = 5.0
MEASURED_S = 10.0
KEYS = 100
FROZEN_S = 20.0
WORST_LAG_S = 0.3

pytestmark = [pytest.mark.bench, pytest.mark.timeout(150)]


def thin() -> Line:
    """20 KB/s, 150 ms there and back."""
    return Line(bytes_per_s=20_000.0, one_way_s=0.075)


def shown(terminal: Reader) -> None:
    """Wait for the first frame, and until start is over."""
    assert terminal.read(30, until=b"FLEET") is not None, "no first frame"
    terminal.read(WARM_S)


def spent(terminal: Reader, seconds: float = MEASURED_S) -> tuple[float, float]:
    """Bytes per second and percent of a core, over some seconds."""
    before, count, began = terminal.cpu_s(), terminal.count, time.monotonic()
    terminal.read(seconds)
    took = time.monotonic() - began
    return (terminal.count - count) / took, 100 * (terminal.cpu_s() - before) / took


def walked(terminal: Reader, keys: int) -> list[float]:
    """Seconds until the pointer had moved, for each of ``keys`` presses of n and N."""
    waits: list[float] = []
    for index in range(keys):
        waits.append(terminal.press("nN"[index % 4 // 2], POINTER))
        terminal.read(0.03 + 0.007 * (index % 10))  # at all moments between two frames
    return waits


@pytest.mark.parametrize(
    ("workers", "size", "most"),
    [(100, (120, 40), 4096), (100, (200, 60), 8192), (400, (120, 40), 4096),
     (1000, (120, 40), 4096)],
    ids=["100@120x40", "100@200x60", "400@120x40", "1000@120x40"],
)  # fmt: skip
def test_cost_of_a_live_screen(workers: int, size: tuple[int, int], most: int) -> None:
    with on_a_pty((*CHILD, str(workers)), size) as terminal:
        shown(terminal)
        per_s, cpu = spent(terminal)
        waits = walked(terminal, KEYS)
        tell(
            f"{workers} workers {size[0]}x{size[1]}: {per_s:,.0f} B/s, {cpu:.1f} % of a core, "
            f"key to screen p50 / p99 {ms(waits)} ms, {terminal.rss_mb():.0f} MB"
        )
        assert per_s <= most


def test_first_frame_against_an_empty_app() -> None:
    times: dict[str, list[float]] = {"0": [], "-1": []}
    for _ in range(5):
        for workers, words in (("0", b"READY"), ("-1", b"FLEET")):
            began = time.monotonic()
            with on_a_pty((*CHILD, workers)) as terminal:
                assert terminal.read(30, until=words) is not None
                times[workers].append(time.monotonic() - began)
    empty, ours = min(times["0"]), min(times["-1"])
    tell(f"first frame: empty {empty:.2f} s, dashboard {ours:.2f} s ({ours / empty:.2f}x)")


@pytest.mark.parametrize("size", [(120, 40), (200, 60)], ids=["120x40", "200x60"])
@pytest.mark.parametrize("program", ["dashboard", "htop", "btop"])
def test_side_by_side(program: str, size: tuple[int, int], tmp_path: Path) -> None:
    command: Sequence[str] = (*CHILD, "100")
    if program != "dashboard":
        found = shutil.which(program)
        if found is None:
            pytest.skip(f"{program} is not installed")
        # htop counts its delay in tenths of a second; btop takes 250 ms from its config file.
        command = (found, "-d", "3") if program == "htop" else (found,)
    config = tmp_path / "btop" / "btop.conf"
    config.parent.mkdir()
    config.write_text("update_ms=250\n")
    with on_a_pty(command, size, environ={"XDG_CONFIG_HOME": str(tmp_path)}) as terminal:
        terminal.read(WARM_S)
        per_s, cpu = spent(terminal)
        tell(
            f"{program} {size[0]}x{size[1]} at 4 Hz: {per_s:,.0f} B/s, {cpu:.1f} % of a core, "
            f"{terminal.rss_mb():.0f} MB"
        )
        assert per_s > 0, "it draws nothing"


def test_keys_over_a_thin_line() -> None:
    with on_a_pty((*CHILD, "100"), line=thin()) as terminal:
        shown(terminal)
        per_s, _ = spent(terminal)
        waits = walked(terminal, KEYS // 2)
        tell(
            f"thin line (20 KB/s, 150 ms): {per_s:,.0f} B/s, key to screen p50 / p99 {ms(waits)} ms"
        )
        assert quantile(waits, 0.5) <= 0.25


def test_whole_screens_over_a_thin_line() -> None:
    """The other screens, and back: the heading is there when the first bytes are."""
    heads = {"2": b"ENDPOINTS", "3": b"RESULTS", "5": b"ERRORS", "6": b"REPORT", "1": b"FLEET"}
    with on_a_pty((*CHILD, "100"), line=thin()) as terminal:
        shown(terminal)
        rows: list[str] = []
        for key, head in heads.items():
            terminal.drain()
            began, before = time.monotonic(), terminal.count
            os.write(terminal.fd, key.encode())
            first = terminal.read(3.0, until=head[:3])  # a later letter may be there already
            assert first is not None, f"{head!r} never came"
            terminal.read(0.8)
            rows.append(f"{key}: {first - began:.2f} s, {terminal.count - before:,} B")
        tell("whole screens over a thin line, heading after: " + "; ".join(rows))


def test_a_reader_that_is_frozen(tmp_path: Path) -> None:
    lags = tmp_path / "lags"
    with on_a_pty((*CHILD, "100"), environ={"SCREEN_LAGS": str(lags)}) as terminal:
        shown(terminal)
        rss, cpu, began = terminal.rss_mb(), terminal.cpu_s(), time.monotonic()
        time.sleep(FROZEN_S)
        used = 100 * (terminal.cpu_s() - cpu) / FROZEN_S
        grown = terminal.rss_mb() - rss
        samples = [line.split() for line in lags.read_text().splitlines()]
        worst = max(float(lag) for at, lag in samples if float(at) > began + 1)
        back = time.monotonic()
        stale = terminal.drain(0.05, 1.0)
        tell(
            f"reader frozen for {FROZEN_S:.0f} s: loop lag at most {worst * 1e3:.0f} ms, "
            f"{used:.1f} % of a core, {grown:+.1f} MB; then {stale:,} B in "
            f"{time.monotonic() - back:.2f} s"
        )
        assert worst <= WORST_LAG_S
        assert grown < 10


def test_memory_over_ten_minutes() -> None:
    """Ten minutes of a run with 100 workers, lived in one."""
    with on_a_pty((*CHILD, "100"), environ={"SCREEN_SPEED": "10"}) as terminal:
        shown(terminal)
        terminal.read(10)  # windows of calls and tokens fill up to their bound first
        sizes = [terminal.rss_mb()]
        for _ in range(5):
            terminal.read(10)
            sizes.append(terminal.rss_mb())
        tell("memory over ten minutes: " + ", ".join(f"{size:.1f}" for size in sizes) + " MB")
        assert sizes[-1] - sizes[0] < 5
