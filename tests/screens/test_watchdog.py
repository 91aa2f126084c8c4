"""No call on the screen's thread takes long: 100 workers at 4 Hz, a burst of 5,000 events, and
every screen of a run with 100,000 results.

Measured as CPU time of that thread, one callback of its loop at a time: what other programs take
from the machine does not count, what the screen itself does, does.
"""

import asyncio
import gc
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from rig import app_on, drawn
from rows_on_disk import row, write
from scene import TROUBLED, fleet_log, view_of, write_run
from stage import Stage, on_stage

from runner import ev
from tui.app import PilotApp
from tui.source import Events, Loaded
from tui.source.messages import BATCH

LIMIT_S = 0.05
"""What design and issue allow a single call."""
SLACK = 3.0
"""The machine of a test may be several times slower than the one that the figure is for."""
FRAMES = 24


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, str]]:
    """CPU seconds of every callback that any loop of this thread runs, and what it was."""
    gc.unfreeze()
    gc.collect()  # what other tests left behind is theirs; the app freezes the rest when it loads
    took: list[tuple[float, str]] = []
    run = asyncio.Handle._run

    def timed(handle: Any) -> None:
        began = time.thread_time()
        run(handle)
        took.append((time.thread_time() - began, str(handle)[:300]))

    monkeypatch.setattr(asyncio.Handle, "_run", timed)
    return took


def live(view: Any, count: int) -> list[ev.Event]:
    """Calls that end and begin, worker after worker, as a run of 100 makes them."""
    healthy = [number for number in range(100) if number not in TROUBLED]
    found: list[ev.Event] = []
    while len(found) < count:
        turn = len(found) // (3 * len(healthy))
        for number in healthy:
            who: dict[str, Any] = {"attempt_id": f"a{number:04d}-1", "worker": number}
            who["at"] = view.now
            found += [
                ev.CallEnded(**who, n=turn, latency_s=1.5, bytes=100, how="ok", tokens_out=50),
                ev.TurnStarted(**who, turn=turn % 50, max_turns=50),
                ev.CallStarted(**who, n=turn + 1, stream=True),
            ]
    return found[:count]


async def paint(app: PilotApp, pilot: Any, batch: list[ev.Event]) -> None:
    """What a quarter of a second brings: its events, the clock, a frame."""
    app.view.now += 0.25
    asyncio.get_running_loop().call_soon(app.on_source, Events(batch))
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_soon(app._tick)
    await pilot.pause()


def worst(calls: list[tuple[float, str]]) -> str:
    return "\n".join(f"{took * 1000:.1f} ms {what}" for took, what in sorted(calls)[-3:])


@pytest.mark.parametrize("size", [(120, 40), (200, 60)], ids=["120x40", "200x60"])
def test_no_call_holds_the_screen(size: tuple[int, int], calls: list[tuple[float, str]]) -> None:
    async def run() -> None:
        app, _ = app_on(view_of(fleet_log()))
        async with app.run_test(size=size) as pilot:
            app.on_source(Loaded(app.view.state))
            await pilot.pause()
            calls.clear()  # the start is another matter: `make bench` has its figure
            for _ in range(FRAMES):
                await paint(app, pilot, live(app.view, 75))
            await paint(app, pilot, live(app.view, BATCH))
            assert "100" in drawn(app)[1]

    asyncio.run(run())
    times = sorted(took for took, _ in calls)
    assert len(times) > 2 * FRAMES, "the loop was not watched"
    assert times[-1] < SLACK * LIMIT_S, worst(calls)
    assert times[int(0.99 * len(times))] < LIMIT_S, worst(calls)


RESULTS = 100_000


@pytest.fixture(scope="module")
def big_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fleet's night, and as many rows as a long benchmark leaves."""
    folder = tmp_path_factory.mktemp("runs") / "big"
    write_run(folder)
    for part in (folder / "results").iterdir():
        part.unlink()
    models, outcomes = ("qwen", "mini", "deep"), ("passed", "failed", "partial", "errored")
    rows = [
        row(
            number,
            f"task-{number:06}@{models[number % 3]}/prompt=p{number % 7}",
            outcomes[number % 4],
            model=models[number % 3],
            elapsed_s=float(number * 7919 % 900),
        )
        for number in range(RESULTS)
    ]
    (folder / "results").rmdir()
    return write(folder, rows)


def test_no_screen_of_a_big_run_holds_the_screen(
    big_run: Path, calls: list[tuple[float, str]]
) -> None:
    async def play(stage: Stage) -> None:
        await stage.until("FLEET 100")
        calls.clear()
        await stage.press("3")
        await stage.until("RESULTS 100000", timeout_s=30)
        for _ in range(3):  # the orders by other columns
            await stage.press("right")
            await stage.pilot.pause(0.3)
        await stage.press("end", "pageup", "home", "pagedown")
        await stage.press("slash", *"00042")
        await stage.until("task-000042", timeout_s=30)
        await stage.press("enter", "escape", "a")
        await stage.until("RESULTS 100000", timeout_s=30)
        for key, words in (
            ("2", "ENDPOINTS"),
            ("4", "INCIDENTS"),
            ("5", "ERRORS"),
            ("6", "REPORT"),
            ("L", "LIMITS"),
        ):
            await stage.press(key)
            await stage.until(words, timeout_s=30)
            await stage.pilot.pause(0.6)
            await stage.press("down", "end")
        await stage.press("1", "v", "v", "v", "v", "question_mark", "escape", "enter")
        await stage.pilot.pause(0.6)

    on_stage(big_run, (120, 40), play)
    times = sorted(took for took, _ in calls)
    assert len(times) > 200, "the loop was not watched"
    assert times[-1] < SLACK * LIMIT_S, worst(calls)
    assert times[int(0.99 * len(times))] < LIMIT_S, worst(calls)


def test_no_screen_brings_a_large_library_with_it() -> None:
    """Screens are imported when they are first opened, on the loop: polars takes 250 ms."""
    look = """
import importlib, pkgutil, sys
import tui.screens, tui.view, tui.view.pages, tui.widgets
for package in (tui.screens, tui.view, tui.view.pages, tui.widgets):
    for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
print(*sorted({"polars", "pyarrow", "numpy", "openai", "httpx2"} & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_the_watchdog_sees_a_call_that_is_too_long(calls: list[tuple[float, str]]) -> None:
    def spin() -> None:
        until = time.thread_time() + SLACK * LIMIT_S
        while time.thread_time() < until:
            pass

    async def run() -> None:
        asyncio.get_running_loop().call_soon(spin)
        await asyncio.sleep(0.01)

    asyncio.run(run())
    assert max(took for took, _ in calls) >= SLACK * LIMIT_S
