"""What every screen draws from: the state of one run, a clock, and what is known of its engine.

Apart from the source because screens must not care whether a run is live, attached or replayed, and
apart from Textual so that every line of every screen is tested without an app.
"""

from collections.abc import Callable, Generator, Hashable
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

from runner import ENGINE_SILENT_S, EngineSeen, State
from tui.source.messages import Position, Timeline

T = TypeVar("T")
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
    attempt_stack: bool = False
    """Whether the attempt screen begins with its stack instead of what was said."""
    position: Position | None = None
    """Where the replay stands; None in a live run."""
    timeline: Timeline | None = None
    """What the replay's bar draws; None in a live run, or until the log was read."""
    _now: dict[Hashable, Any] | None = field(default=None, compare=False, repr=False)
    _known: dict[Hashable, Any] = field(
        default_factory=dict[Hashable, Any], compare=False, repr=False
    )

    @contextmanager
    def still(self) -> Generator[None]:
        """Within this block nothing of the run changes: `once` need not work anything out twice."""
        outer = self._now
        self._now = {} if outer is None else outer
        try:
            yield
        finally:
            self._now = outer

    @property
    def standing(self) -> bool:
        """Whether this is within `still`."""
        return self._now is not None

    def once(self, name: Hashable, work: Callable[[], T]) -> T:
        """What ``work`` returns; within `still` it is asked only once under that name."""
        if self._now is None:
            return work()
        if name not in self._now:
            self._now[name] = work()
        return cast("T", self._now[name])

    def as_long_as(self, name: Hashable, facts: Hashable, work: Callable[[], T]) -> T:
        """What ``work`` returned under that name, until ``facts`` differ; outside `still` anew.

        ``facts`` are all that the answer shows, e.g. whole seconds. Another state is another fact.
        """
        if self._now is None:
            return work()
        known = self._known.get(name)
        if known is None or known[0] is not self.state or known[1] != facts:
            known = self._known[name] = (self.state, facts, work())
        return cast("T", known[2])

    def each_second(self, name: Hashable, facts: Hashable, work: Callable[[], T]) -> T:
        """`as_long_as`, and no longer than this second of the run: for figures that cost much."""
        return self.as_long_as(name, (int(self.now), facts), work)

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
