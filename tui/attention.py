"""Calling a person whose eyes are elsewhere: the bell, and a desktop notice by OSC 9.

Apart from the app because this is a small rule of its own: only new trouble calls, only while the
terminal is not looked at, and a worker that stays stuck calls once.
"""

from collections.abc import Iterable

from runner import Trouble, one_line

BELL = "\a"
_OSC_9 = "\x1b]9;{}\x1b\\"
"""Shown by iTerm2, kitty, WezTerm, Windows Terminal and others; ignored by the rest."""


class Attention:
    """Remembers which attempts were stuck when the terminal was last looked at."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def call(self, troubles: Iterable[Trouble], verdict: str, *, blurred: bool) -> str:
        """What to write to the terminal now: empty, or a bell and a notice with the verdict."""
        stuck = {item.worker.attempt_id for item in troubles if item.health == "stuck"}
        new = stuck - self._known
        self._known = stuck
        if not new or not blurred:
            return ""
        return BELL + _OSC_9.format(one_line(verdict, 120))
