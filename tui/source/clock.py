"""The run's axis on the viewer's own clock, so that ages count on when nothing arrives.

Apart because the rule is pure and tested with numbers. Viewer and engine share the machine's
monotonic clock, so the freshest delivery gives the axis and nothing drifts afterwards.
"""


class RunClock:
    """Turns the viewer's monotonic seconds into ``at``. Never behind the newest event."""

    def __init__(self) -> None:
        self._offset: float | None = None
        self._newest = 0.0
        self._frozen: float | None = None

    def hear(self, at: float, monotonic: float) -> None:
        """An event of ``at`` arrived at ``monotonic``: the axis is at least that far."""
        self._newest = max(self._newest, at)
        offset = at - monotonic
        if self._offset is None or offset > self._offset:
            self._offset = offset

    def restart(self, at: float, monotonic: float) -> None:
        """Another engine took the run, whose axis began anew at ``at``."""
        self._offset, self._newest, self._frozen = at - monotonic, at, None

    def freeze(self, monotonic: float) -> None:
        """The engine is gone: from now on the axis stands still."""
        if self._frozen is None:
            self._frozen = self.now(monotonic)

    def thaw(self) -> None:
        """An engine is there (again)."""
        self._frozen = None

    def now(self, monotonic: float) -> float:
        """The moment on the run's axis; 0 before anything was heard."""
        if self._frozen is not None:
            return max(self._frozen, self._newest)
        if self._offset is None:
            return 0.0
        return max(self._newest, self._offset + monotonic)
