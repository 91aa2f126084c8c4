"""A dashboard over a made-up live run, as a program of its own: what the screen bench watches.

python screen_child.py WORKERS     (0: an empty Textual app; -1: the dashboard on an empty run)

$SCREEN_LAGS names a file that gets a line each second: when, and the longest that the event loop
took to answer in that second. $SCREEN_SPEED is how many of its seconds the run lives in one.
"""

import os
import random
import sys
import threading
import time
from pathlib import Path
from typing import Any

from runner import ev

sys.path.insert(0, str(Path(__file__).parents[1] / "screens"))


def empty() -> None:
    """The least that Textual can show."""
    from textual.app import App
    from textual.widgets import Static

    class Empty(App[None]):
        def compose(self) -> Any:
            yield Static("READY")

    Empty().run()


def dashboard(workers: int) -> None:
    """Each healthy worker ends a call every four seconds or so; four are in trouble."""
    from runner import EngineSeen, State, fold
    from tui.app import PilotApp
    from tui.runview import RunView
    from tui.source import Events, Loaded, Source

    found: list[ev.Event] = []
    troubled: tuple[int, ...] = ()
    if workers > 0:
        from scene import TROUBLED, fleet_story  # pyright: ignore[reportMissingImports]

        troubled = tuple(TROUBLED)
        found = fleet_story(workers, ended=max(workers, min(395, workers * 4))).log.lines()
    state: State = fold(found)
    speed = float(os.environ.get("SCREEN_SPEED", "1"))
    at = found[-1].at if found else 1.0

    class Busy(Source):
        def __init__(self) -> None:
            super().__init__(Path())
            self.began = time.monotonic()

        def now(self) -> float:
            return at + (time.monotonic() - self.began) * speed

        def engine(self) -> EngineSeen:
            return EngineSeen(alive=True, silent_s=0.1)

        def _begin(self) -> None:
            threading.Thread(target=self.live, daemon=True).start()

        def _end(self) -> None: ...

        def _order(self, request_id: int, op: str, fields: dict[str, Any], /) -> None: ...

        def live(self) -> None:
            self._say(Loaded(state))
            rng = random.Random(3)
            due = {n: self.now() + rng.random() * 4 for n in range(workers) if n not in troubled}
            calls = dict.fromkeys(due, 3)
            while not self._closed.is_set():
                time.sleep(0.1)
                if batch := _batch(self.now(), due, calls, rng):
                    self._say(Events(batch))

    app = PilotApp(RunView(Path()), Busy())
    if told := os.environ.get("SCREEN_LAGS"):
        threading.Thread(target=_watch, args=(app, Path(told)), daemon=True).start()
    app.run()


def _watch(app: Any, told: Path) -> None:
    """Ask the loop for a sign fifty times a second; note how long it took at worst."""
    while not app.is_running:
        time.sleep(0.05)
    with told.open("w", buffering=1) as file:
        while True:
            worst, until = 0.0, time.monotonic() + 1
            while time.monotonic() < until:
                time.sleep(0.02)
                began = time.monotonic()
                app.call_from_thread(lambda: None)
                worst = max(worst, time.monotonic() - began)
            file.write(f"{time.monotonic()} {worst}\n")


def _batch(
    now: float, due: dict[int, float], calls: dict[int, int], rng: random.Random
) -> list[ev.Event]:
    """Calls that end by now; each worker's next one ends some seconds later."""
    batch: list[ev.Event] = []
    for number in [number for number, at in due.items() if at <= now]:
        calls[number] += 1
        due[number] = now + 1 + rng.expovariate(0.33)
        batch += _call(number, calls[number], now, rng.random() * 6)
    return batch


def _call(number: int, n: int, now: float, took: float) -> list[ev.Event]:
    who: dict[str, Any] = {"attempt_id": f"a{number:04d}-1", "worker": number, "at": now}
    return [
        ev.CallEnded(**who, n=n, latency_s=took, bytes=100, how="ok", tokens_out=50),
        ev.TurnStarted(**who, turn=n % 50, max_turns=50),
        ev.CallStarted(**who, n=n + 1, stream=True),
    ]


if __name__ == "__main__":
    count = int(sys.argv[1])
    dashboard(count) if count else empty()
