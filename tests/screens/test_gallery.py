"""Every screen at every size, dark, light, without colours and in ASCII: as it was recorded.

``PILOT_SNAPSHOTS=write`` makes what is drawn now the record; read it before it is kept.
"""

import asyncio
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from gallery import gallery
from rig import StillSource, compare, themes
from scene import (
    START,
    disk_full_log,
    ended_log,
    fleet_log,
    paused_log,
    small_log,
    view_of,
    write_run,
)

from runner import ev
from tui.app import PilotApp
from tui.options import Options
from tui.runview import RunView
from tui.source import ReplaySource

FLEET = {
    "attempt": (("enter",), "test suite now"),
    "attempt-calls": (("enter", "tab", "tab"), "1st byte"),
    "attempt-tools": (("enter", *["tab"] * 3), "took  what"),
    "attempt-stack": (("s",), "newest first"),
    "attempt-output": (("enter", *["tab"] * 5), "printed nothing"),
    "attempt-events": (("enter", *["tab"] * 6), "ToolStarted"),
    "endpoints": (("2",), "of 5 min at most"),
    "results": (("3",), "RESULTS 395"),
    "results-sorted": (("3", "left", "left", "left", "left"), "took"),
    "incidents": (("4",), "429s"),
    "errors": (("5",), "ERRORS 1"),
    "report": (("6",), "optimal"),
    "limits": (("L",), "ana@lab"),
    "runs": (("0",), "flawed-5.3"),
    "rows": (("v", "v", "v"), "of limit"),
    "strip": (("v",), "one sign"),
    "marked": (("space", "n", "space"), "2 marked"),
    "filter": (("slash", *"model:o4"), "30 match"),
    "palette": (("colon",), "narrow"),
    "palette-narrowed": (("colon", *"th l"), "theme light"),
    "prompt": (("w",), "workers: 1 to"),
    "kill": (("x",), "End this attempt?"),
    "kill-many": (("space", "n", "space", "r"), "End 2 attempts?"),
    "pause": (("P",), "Start no new tasks?"),
    "leave": (("q",), "pilot-tui attach"),
    "help": (("question_mark",), "Everywhere"),
}
"""Screen -> the keys that lead there, and words that are on it once it is complete."""
REPLAYED = {
    "replay": ((), "space play"),
    "replay-incidents": (("4",), "first byte"),
    "replay-results": (("3",), "django-"),
    "replay-errors": (("5",), "rate_limit"),
    "replay-report": (("6",), "optimal"),
}


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gallery")
    write_run(folder / "runs" / "7f3a")
    return folder


@pytest.fixture(autouse=True)
def at_home(run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No path and no run of this machine gets into a record."""
    monkeypatch.chdir(run_folder)
    monkeypatch.setenv("XDG_STATE_HOME", str(run_folder / "state"))


SCENES: dict[str, Callable[[], list[ev.Event]]] = {
    "fleet": fleet_log,
    "small": small_log,
    "one": lambda: fleet_log(1, ended=3, lasted_s=600),
    "ended": ended_log,
    "paused": paused_log,
    "disk-full": disk_full_log,
}
_logs = cache(lambda scene: SCENES[scene]())  # events are never changed, states are folded anew


def still(options: Options, scene: str = "fleet") -> PilotApp:
    view = view_of(_logs(scene))
    return PilotApp(view, StillSource(view), options)


def replayed(options: Options) -> PilotApp:
    view = RunView(Path("runs/7f3a"), kind="replay", read_only=True)
    return PilotApp(view, ReplaySource(view.run_dir, at=START + 1_680, playing=False), options)


def read_whole(app: PilotApp) -> bool:
    """Whether the replay has read the log to its end: its graph grows until then."""
    timeline, place = app.view.timeline, app.view.position
    end = _logs("fleet")[-1].at
    return timeline is not None and place is not None and timeline.last_at == end == place.last_at


@pytest.mark.parametrize("name", FLEET)
def test_every_screen_is_as_recorded(name: str) -> None:
    keys, words = FLEET[name]
    compare(f"{name}.txt", asyncio.run(gallery(still, themes(), keys, words)))


@pytest.mark.parametrize("scene", SCENES)
def test_the_run_screen_is_as_recorded(scene: str) -> None:
    found = asyncio.run(gallery(lambda o: still(o, scene), themes(), (), "q leave"))
    compare(f"run-{scene}.txt", found)


@pytest.mark.parametrize("name", REPLAYED)
def test_every_replayed_screen_is_as_recorded(name: str) -> None:
    keys, words = REPLAYED[name]
    compare(f"{name}.txt", asyncio.run(gallery(replayed, themes(), keys, words, ready=read_whole)))
