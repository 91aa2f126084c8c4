"""What every screen draws from: the state of one run, a clock, and what is known of its engine.

Apart from the source because screens must not care whether a run is live, attached or replayed, and
apart from Textual so that every line of every screen is tested without an app.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from runner import ENGINE_SILENT_S, EngineSeen, State
from tui.source.messages import Position, Timeline

Kind = Literal["live", "attach", "replay", "home"]
"""``home``: no run is chosen yet, only the list of runs is there."""


@dataclass(slots=True)
class RunView:
    """One run as this viewer sees it.

    ``now`` is unix seconds on the run's axis: set by the viewer's own clock at each frame in a live
    run, so that ages count on when nothing arrives; the replay position in a replay.
    """

    run_dir: Path
    state: State = field(default_factory=State)
    kind: Kind = "live"
    now: float = 0.0
    engine: EngineSeen = field(default_factory=EngineSeen)
    read_only: bool = False
    notice: str = ""
    """What the last action did, in words, e.g. ``killed in 2 ms: connection closed``."""

    attempt_id: str = ""
    """The attempt that the attempt screen is about."""
    position: Position | None = None
    """Where the replay stands; None in a live run."""
    timeline: Timeline | None = None
    """What the replay's bar draws; None in a live run, or until the log was read."""

    @property
    def ended(self) -> bool:
        """Whether the run is over: nothing of it can be changed, nothing is lost by leaving."""
        return self.state.status in ("finished", "stopped")

    @property
    def quiet(self) -> bool:
        """Whether the numbers are old because the engine says nothing: screens grey them."""
        if self.kind in ("replay", "home") or self.ended:
            return False
        return not self.engine.alive or self.engine.silent_s >= ENGINE_SILENT_S

    @property
    def acting(self) -> bool:
        """Whether keys that change the run are on: not in a replay, not read-only, engine there."""
        return self.kind in ("live", "attach") and not self.read_only and self.engine.alive
