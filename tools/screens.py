"""Rebuild the pictures in screenshots/: every screen of a fixed run, as SVG and PNG.

    python tools/screens.py [--check | --list] [NAME ...]

``--check`` builds the SVGs in memory and exits 1 if one differs from the file. A script and not
Textual's own screenshot command, because the pictures wait for what is read in the background
instead of sleeping, and because their clock stands still.
"""

import argparse
import asyncio
import os
import re
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "screens"))

from rig import app_on  # noqa: E402  # the path above is what makes it importable
from scene import START, fleet_log, small_log, view_of, write_run  # noqa: E402
from textual.pilot import Pilot  # noqa: E402

from tui.app import PilotApp  # noqa: E402
from tui.runview import RunView  # noqa: E402
from tui.source import ReplaySource  # noqa: E402

FOLDER = ROOT / "screenshots"
REPLAYED_AT = START + 1_632
"""The replay stands in the middle of the hang of an endpoint."""
SETTLE_S = 10.0
"""What is read in the background is there after this time at most."""


@dataclass(frozen=True)
class Shot:
    """One picture: which run, which keys lead there, how large, how coloured."""

    name: str
    keys: tuple[str, ...] = ()
    size: tuple[int, int] = (120, 40)
    theme: str = "dark"
    run: str = "fleet"
    waits_for: str = ""
    """Text that is on the screen once it is complete."""


def _shots() -> list[Shot]:
    """The run at each size and in both grounds, and every other screen once."""
    pages: tuple[tuple[str, tuple[str, ...], str], ...] = (
        ("attempt", ("enter",), "test suite now"),
        ("endpoints", ("2",), "azure-eu"),
        ("results", ("3",), "RESULTS 395"),
        ("incidents", ("4",), "azure-us"),
        ("errors", ("5",), "deadline"),
        ("report", ("6",), "optimal"),
        ("palette", ("colon", *"st"), "stack"),
    )
    return [
        Shot("run-120x40-dark"),
        Shot("run-120x40-light", theme="light"),
        Shot("run-80x24-dark", size=(80, 24)),
        Shot("run-80x24-light", size=(80, 24), theme="light"),
        Shot("run-200x60-dark", size=(200, 60)),
        Shot("phone-40x12-dark", size=(40, 12)),
        Shot("cards-120x40-dark", run="small"),
        Shot("kill-120x40-dark", keys=("x",)),
        Shot("replay-120x40-dark", run="replay", waits_for="space play"),
        *(Shot(f"{name}-120x40-dark", keys, waits_for=words) for name, keys, words in pages),
    ]


async def _draw(shot: Shot, run_dir: Path) -> str:
    """The SVG of one picture."""
    app = _replayed(run_dir) if shot.run == "replay" else _still(shot, run_dir)
    async with app.run_test(size=shot.size) as pilot:
        await pilot.pause()
        await pilot.press(*shot.keys)
        await _settled(app, pilot, shot)
        svg = app.export_screenshot(title="pilot-tui", simplify=True)
    return _stable(svg)


def _still(shot: Shot, run_dir: Path) -> PilotApp:
    """The app on a run whose clock stands still."""
    view: RunView = view_of(fleet_log() if shot.run == "fleet" else small_log())
    view.run_dir = run_dir
    return app_on(view, theme=shot.theme)[0]


def _replayed(run_dir: Path) -> PilotApp:
    """The app on a replay that stands where something went wrong."""
    view = RunView(run_dir, kind="replay", read_only=True)
    source = ReplaySource(run_dir, at=REPLAYED_AT, playing=False)
    return PilotApp(view, source)


async def _settled(app: PilotApp, pilot: Pilot[str], shot: Shot) -> None:
    """Wait until the words are there and two frames in a row look the same."""
    until = time.monotonic() + SETTLE_S
    last = ""
    while time.monotonic() < until:
        await pilot.pause(0.05)
        read_whole = _read_whole(app)  # before the frame that is to show it
        app.frame()
        await pilot.pause()
        now = app.export_screenshot(simplify=True)
        if now == last and read_whole and _has(now, shot.waits_for):
            return
        last = now
    raise TimeoutError(f"{shot.name}: {shot.waits_for!r} did not come to the screen")


def _read_whole(app: PilotApp) -> bool:
    """Whether a replay has read its log to the end: its graph grows until then."""
    timeline = app.view.timeline
    return app.view.kind != "replay" or (
        timeline is not None and timeline.last_at == fleet_log()[-1].at
    )


def _has(svg: str, words: str) -> bool:
    text = re.sub(r"<[^>]+>", "", svg).replace("&#160;", " ")
    return words in text


def _stable(svg: str) -> str:
    """Without fonts from the network: none is loaded, and the picture looks the same everywhere."""
    svg = re.sub(r"@font-face \{[^}]*\}\s*", "", svg)
    return svg.replace("Fira Code,", "Fira Code, DejaVu Sans Mono,")


def _png(svg: str) -> bytes:
    import resvg_py

    return bytes(resvg_py.svg_to_bytes(svg_string=svg.replace("Fira Code, ", "")))


def main() -> int:
    """Build or check the pictures; the number of stale ones is told on stdout."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--check", action="store_true")
    asked.add_argument("--list", action="store_true", help="only say which pictures there are")
    asked.add_argument("names", nargs="*")
    given = asked.parse_args()
    if given.list:
        print("\n".join(shot.name for shot in _shots()))
        return 0
    os.environ["TZ"] = "UTC"
    time.tzset()
    chosen = [shot for shot in _shots() if not given.names or shot.name in given.names]
    FOLDER.mkdir(exist_ok=True)
    stale = 0
    with tempfile.TemporaryDirectory() as folder:
        run_dir = Path(folder) / "7f3a"
        write_run(run_dir)
        for shot in chosen:
            svg = asyncio.run(_draw(shot, run_dir))
            path = FOLDER / f"{shot.name}.svg"
            if path.exists() and path.read_text("utf-8") == svg:
                continue
            stale += 1
            print(("stale: " if given.check else "wrote: ") + path.name)
            if not given.check:
                path.write_text(svg, "utf-8")
                path.with_suffix(".png").write_bytes(_png(svg))
    print(f"{len(chosen)} pictures, {stale} {'stale' if given.check else 'written'}")
    return 1 if given.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
