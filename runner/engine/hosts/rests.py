"""Which hosts are not listened to for a moment, so that one turn takes up what many calls said.

Apart from the loop because it is a rule of time. Only the host of a wrapped script rests: its calls
wait for no order of ours. What it says waits in its socket, where its own death does not take it.
"""

from typing import Final

from runner.engine.hosts.link import HostLink

REST_S: Final = 0.05
"""A turn for each message was half of what a proxied call cost the engine. A person sees a change
that much later; what a person orders is not waited for."""


class Rests:
    """Times are monotonic seconds."""

    def __init__(self) -> None:
        self._until: dict[HostLink, float] = {}

    def begin(self, link: HostLink, now: float) -> None:
        """It has just been read, and rests from now on."""
        self._until[link] = now + REST_S

    def end(self, link: HostLink) -> None:
        """It is listened to again."""
        self._until.pop(link, None)

    def over(self, now: float) -> list[HostLink]:
        """Those that have rested enough, or were sent an order that they may answer."""
        return [link for link, until in self._until.items() if now >= until or link.is_asked]

    def patience(self, now: float, most_s: float) -> float:
        """Seconds until the first has rested enough, ``most_s`` at most."""
        if not self._until:
            return most_s
        return max(0.0, min(most_s, min(self._until.values()) - now))
