"""What every screen draws from: the state of one run, a clock, and what is known of its engine.

Apart from the source because screens must not care whether a run is live, attached or replayed, and
apart from Textual so that every line of every screen is tested without an app.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from runner import EngineSeen, State

Kind = Literal["live", "attach", "replay"]


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

    @property
    def acting(self) -> bool:
        """Whether keys that change the run are on: not in a replay, not read-only, engine there."""
        return self.kind != "replay" and not self.read_only and self.engine.alive
