"""Each key of the table does something where it counts, and so does each place to click."""

import asyncio
import re
import time
from pathlib import Path
from typing import Any

import pytest
from rig import StillSource, drawn
from rig import themes as all_themes
from scene import START, fleet_log, small_log, view_of, write_run
from textual.pilot import Pilot

from tui.app import PilotApp
from tui.keys import BY_ID, KEYS
from tui.options import Options
from tui.runview import RunView
from tui.source import ReplaySource
from tui.widgets.fleet import Fleet
from tui.widgets.lines import LinesWidget

PLACES = {
    "all": (),
    "fleet": (),
    "attempt": ("enter",),
    "table": ("5",),
    "endpoints": ("2",),
    "results": ("3",),
    "report": ("6",),
}
"""The keys that lead to where the keys of a place count; a replay is another source."""
FIRST = {
    "back": ("right",),
    "screen_1": ("2",),
    "previous_trouble": ("n",),
}
"""Keys without which a key has nothing to do."""
EACH = [(key.id, name) for key in KEYS for name in key.keys.split(",")]
WAIT_S = 10.0
READING = re.compile(r"reading (the|\d+%)")


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("targets") / "7f3a"
    write_run(folder)
    return folder


@pytest.fixture(autouse=True)
def at_home(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(run_dir.parent / "state"))


def app_on(run_dir: Path, *, replayed: bool = False, small: bool = False) -> PilotApp:
    found = all_themes()
    options = Options(themes=found, palette=found["dark"])
    if replayed:
        view = RunView(run_dir, kind="replay", read_only=True)
        return PilotApp(view, ReplaySource(run_dir, at=START + 1_680, playing=False), options)
    view = view_of(SMALL if small else FLEET)
    view.run_dir = run_dir
    return PilotApp(view, StillSource(view), options)


def told(app: PilotApp) -> tuple[Any, ...]:
    """Everything by which a person could notice that a key did something."""
    orders = list(app.source.sent) if isinstance(app.source, StillSource) else []
    told = (app.clipboard, app._exit, app.palette.name, type(app.source).__name__)
    return (type(app.screen).__name__, drawn(app), orders, *told)


async def quiet(app: PilotApp, pilot: Pilot[str]) -> tuple[Any, ...]:
    """What is told once two looks in a row are the same and nothing is being read.

    How much of a replay's log was read stands in its bar, and moves what can be clicked there.
    """
    until = time.monotonic() + WAIT_S
    last: tuple[Any, ...] = ()
    while time.monotonic() < until:
        await pilot.pause(0.03)
        app.frame()
        await pilot.pause()
        now = told(app)
        if now == last and not READING.search(str(now[1])):
            return now
        last = now
    raise AssertionError("the screen never came to rest:\n" + "\n".join(last[1]))


async def changes(app: PilotApp, pilot: Pilot[str], before: tuple[Any, ...]) -> None:
    """Wait until something is told that was not told before."""
    until = time.monotonic() + WAIT_S
    while told(app) == before:
        assert time.monotonic() < until, "nothing happened:\n" + "\n".join(before[1])
        await pilot.pause(0.03)
        app.frame()


@pytest.mark.parametrize(("key_id", "key"), EACH, ids=[f"{one}-{two}" for one, two in EACH])
def test_every_key_does_something_where_it_counts(
    run_dir: Path, key_id: str, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = BY_ID[key_id].place
    forgotten: list[bool] = []

    async def run() -> None:
        app = app_on(run_dir, replayed=place == "replay")
        async with app.run_test(size=(120, 40)) as pilot:
            await pilot.press(*PLACES.get(place, ()), *FIRST.get(key_id, ()))
            before = await quiet(app, pilot)
            if key_id == "redraw":
                monkeypatch.setattr(app, "wire_forget", lambda: forgotten.append(True))
            await pilot.press(key)
            if key_id == "redraw":
                await pilot.pause()
                assert forgotten, "the terminal would not be drawn anew"
            else:
                await changes(app, pilot, before)

    asyncio.run(run())


PAGES = {
    "fleet": (),
    "cards": (),
    "rows": ("S",),
    "attempt": ("enter",),
    "endpoints": ("2",),
    "results": ("3",),
    "incidents": ("4",),
    "errors": ("5",),
    "report": ("6",),
    "limits": ("L",),
    "runs": ("0",),
    "palette": ("colon",),
    "kill": ("x",),
    "leave": ("q",),
    "replay": (),
}
NOTHING_NEW = {
    ("attempt", "tab:talk"),
    ("runs", "row"),
}
"""Where a click leads to what is there already."""
FOOTERS = ("fleet", "attempt", "replay")
"""The keys of the footer are clicked here only: it is the same widget everywhere."""
FLEET, SMALL = fleet_log(), small_log()


def targets(app: PilotApp) -> dict[str, tuple[int, int]]:
    """Every kind of target in sight and where the last of its kind can be hit."""
    found: dict[str, tuple[int, int]] = {}
    for widget in app.screen.query("*"):
        if not isinstance(widget, (LinesWidget, Fleet)) or not widget.display:
            continue
        for y, line in enumerate(widget._lines[: widget.size.height]):
            x = 0
            for piece in line.pieces:
                kind = piece.target.partition(":")[0]
                if piece.target:
                    name = piece.target if kind in ("key", "tab", "answer") else kind
                    found[name] = (widget.region.x + x, widget.region.y + y)
                x += len(piece.text)
    return found


@pytest.mark.timeout(180)  # an app for each place, some of which may take 10 s to come to rest
@pytest.mark.parametrize("page", PAGES)
def test_every_place_to_click_does_something(run_dir: Path, page: str) -> None:
    def made() -> PilotApp:
        return app_on(run_dir, replayed=page == "replay", small=page == "cards")

    async def look() -> dict[str, tuple[int, int]]:
        app = made()
        async with app.run_test(size=(120, 40)) as pilot:
            await pilot.press(*PAGES[page])
            await quiet(app, pilot)
            return targets(app)

    async def click(name: str, at: tuple[int, int]) -> None:
        app = made()
        async with app.run_test(size=(120, 40)) as pilot:
            await pilot.press(*PAGES[page])
            before = await quiet(app, pilot)
            await pilot.click(offset=at)
            try:
                await changes(app, pilot, before)
            except AssertionError as error:
                raise AssertionError(f"{name} at {at}: {error}") from None

    found = asyncio.run(look())
    assert found, "nothing can be clicked"
    for name, at in found.items():
        footer = name.startswith("key:")
        if (
            (page, name) in NOTHING_NEW
            or name == "key:screen_1"
            or (footer and page not in FOOTERS)
        ):
            continue
        asyncio.run(click(name, at))
