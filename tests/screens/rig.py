"""What screen tests share: a source that stands still, an app on a scene, snapshots in files."""

import os
from pathlib import Path
from typing import Any

from textual._compositor import LayoutUpdate

from runner import EngineSeen
from tui.app import PilotApp
from tui.glyphs import UNICODE, Glyphs
from tui.options import Options
from tui.runview import RunView
from tui.source import Answer, Source
from tui.theme import Palette, load_themes, shipped_folder

SNAPSHOTS = Path(__file__).parent / "snapshots"


def themes() -> dict[str, Palette]:
    found, problems = load_themes([shipped_folder()])
    assert problems == []
    return found


class StillSource(Source):
    """A run that stands still: what was ordered is noted, nothing happens by itself."""

    def __init__(self, view: RunView) -> None:
        super().__init__(view.run_dir)
        self.view = view
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.closed = False

    def now(self) -> float:
        return self.view.now

    def engine(self) -> EngineSeen:
        return self.view.engine

    def close(self) -> None:
        self.closed = True
        super().close()

    def _begin(self) -> None: ...

    def _end(self) -> None: ...

    def _order(self, request_id: int, op: str, fields: dict[str, Any], /) -> None:
        self.sent.append((op, fields))


def app_on(
    view: RunView, *, theme: str = "dark", glyphs: Glyphs = UNICODE, **options: Any
) -> tuple[PilotApp, StillSource]:
    """The app on a view that stands still."""
    source = StillSource(view)
    found = themes()
    chosen = Options(themes=found, palette=found[theme], glyphs=glyphs, **options)
    return PilotApp(view, source, chosen), source


def answer(app: PilotApp, text: str, *, ok: bool = True) -> None:
    """What the engine would say to the last order."""
    app.on_source(Answer(1, text, ok))


def whole_frame(app: PilotApp) -> LayoutUpdate:
    """What Textual would send for the whole screen, dialogs over it included."""
    update = app.screen._compositor.render_update(full=True, screen_stack=app._background_screens)
    assert isinstance(update, LayoutUpdate)
    return update


def drawn(app: PilotApp) -> list[str]:
    """The lines on the screen, as text, from what the compositor would send."""
    width, height = app.size
    rows = [[" "] * width for _ in range(height)]
    update = whole_frame(app)
    for y, line in enumerate(update.strips):
        text = "".join(segment.text for strip in line for segment in strip)
        rows[y] = list(text)
    return ["".join(row).rstrip() for row in rows]


def styles(app: PilotApp) -> list[str]:
    """For each line the runs of one style: ``0-12 bold #f2f6f9 on #0e1318``."""
    found: list[str] = []
    update = whole_frame(app)
    for y, line in enumerate(update.strips):
        x, runs, last, start = 0, [], None, 0
        for strip in line:
            for segment in strip:
                style = str(segment.style)
                if style != last:
                    if last is not None:
                        runs.append(f"{start}-{x - 1} {last}")
                    last, start = style, x
                x += segment.cell_length
        runs.append(f"{start}-{x - 1} {last}")
        found.append(f"{y:>2}: " + "; ".join(runs))
    return found


def compare(name: str, text: str) -> None:
    """Compare with the file of that name; ``PILOT_SNAPSHOTS=write`` makes it what is drawn now."""
    path = SNAPSHOTS / name
    if os.environ.get("PILOT_SNAPSHOTS") == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        return
    assert path.exists(), f"{path.name} is missing: run once with PILOT_SNAPSHOTS=write"
    assert text == path.read_text("utf-8"), f"{path.name} differs: PILOT_SNAPSHOTS=write renews it"
