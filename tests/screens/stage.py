"""The real app on a run folder through a real source, and what can be seen of it."""

import asyncio
import time
from pathlib import Path

from rig import drawn, themes

from tui.app import PilotApp
from tui.options import Options
from tui.runview import RunView
from tui.source import LiveSource


class Stage:
    """The app on a run folder, and what can be seen of it."""

    def __init__(self, app: PilotApp, pilot) -> None:
        self.app = app
        self.pilot = pilot

    @property
    def lines(self) -> list[str]:
        return drawn(self.app)

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    async def until(self, *words: str, timeout_s: float = 10.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not all(word in self.text for word in words):
            assert time.monotonic() < deadline, f"{words} never came:\n{self.text}"
            await self.pilot.pause(0.05)

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)


def on_stage(run_dir: Path, size: tuple[int, int], play) -> None:
    """Run ``play(stage)`` on the app over that run."""

    async def run() -> None:
        found = themes()
        app = PilotApp(
            RunView(run_dir), LiveSource(run_dir), Options(themes=found, palette=found["dark"])
        )
        async with app.run_test(size=size) as pilot:
            stage = Stage(app, pilot)
            await stage.until("q leave")
            await play(stage)

    asyncio.run(run())


def harmless(stage: Stage) -> bool:
    return not any(sign in stage.text for sign in ("\x1b", "\x07", "\u202e", "\u200b"))
