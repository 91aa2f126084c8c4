"""Going through a run's time, and from one run to another: which source feeds the screens.

Apart from the orders that change a run, because nothing here does.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from runner import engine_alive
from tui.actions import Play
from tui.moments import moment
from tui.screens.dialogs import Prompt
from tui.seen import Seen, last_seen, note_seen
from tui.source import LiveSource, ReplaySource
from tui.view.words import NO_RUN

if TYPE_CHECKING:
    from tui.app import PilotApp

T = TypeVar("T")


class Travel:
    """The part of `tui.actions.Actions` that only looks."""

    def __init__(self, app: "PilotApp") -> None:
        self._app = app
        self._from_live = app.view.kind != "replay"

    def fetch(self, job: Callable[[], T], done: Callable[[T | None, str], None]) -> None:
        """Run ``job`` in the source's reading thread; ``done(value, error)`` comes back here."""
        self._app.source.fetch(job, done)

    def open_run(self, run_dir: Path) -> None:
        """Watch another run: attach where its engine lives, else replay from its end."""

        def known(found: tuple[bool, Seen | None] | None, error: str) -> None:
            if found is None:
                self._app.notice(error)
                return
            note_seen(self._app.view)
            self._from_live, self._app.seen = found
            self._app.view.run_dir = run_dir
            if self._from_live:
                self._app.switch(LiveSource(run_dir), "attach")
            else:
                end = float("inf")
                self._app.switch(ReplaySource(run_dir, at=end, playing=False), "replay")
            self._app.action_screen_1()

        self.fetch(lambda: (engine_alive(run_dir), last_seen(run_dir)), known)

    def replay(self, at: float | None) -> None:
        """Show this run's past from ``at`` on; None goes back to the present, or to the end."""
        app = self._app
        source = app.source
        if at is not None:
            if isinstance(source, ReplaySource):
                source.seek(at)
            else:
                app.switch(ReplaySource(app.view.run_dir, at=at, playing=False), "replay")
        elif app.view.kind == "replay" and self._from_live:
            app.switch(LiveSource(app.view.run_dir), "attach")
        elif isinstance(source, ReplaySource):
            source.seek(float("inf"))

    def play(self, order: Play, value: float = 0.0) -> None:
        """An order to the replay; in a live run stepping back begins one."""
        source = self._app.source
        if self._app.view.kind == "home":
            self._app.notice(NO_RUN)
            return
        if not isinstance(source, ReplaySource):
            self.replay(self._app.view.now)
            return
        match order:
            case "toggle":
                source.toggle()
            case "step":
                source.step(int(value))
            case "faster":
                source.faster(int(value))
            case "jump":
                source.jump(int(value))
            case "seek":
                source.seek(value)
            case "set_speed":
                source.set_speed(value)

    def go_to(self) -> None:
        """Ask for a moment and show it."""
        if self._app.view.kind == "home":
            self._app.notice(NO_RUN)
            return
        title = "go to: 21:07, 21:07:30, +2h10m from the start, or seconds"
        self._app.push_screen(Prompt(title), self._go)

    def _go(self, text: str | None) -> None:
        if not text or not text.strip():
            return
        view = self._app.view
        place = view.position
        first_at = place.first_at if place else view.state.first_at
        last_at = place.last_at if place else view.now
        try:
            self.replay(moment(text, first_at, last_at))
        except ValueError as error:
            self._app.notice(str(error))
