"""Which host goes when memory runs out: the one over its own bound, or the one that grew most.

New attempts are held back long before (`brakes.memory_pressure`); this is for what is already
running and does not stop growing.
"""

from typing import Final, NamedTuple

from runner.core.state.model import HostState, State

CRITICAL_PERCENT: Final = 95.0
"""Above this the kernel is about to choose for us."""
_MB: Final = 1024 * 1024


class Victim(NamedTuple):
    """A host to end, and why."""

    host: int
    why: str


def victim(state: State, rss_bytes: dict[int, int]) -> Victim | None:
    """The host to end now; ``rss_bytes`` are fresh readings, the state has the last pulse's."""
    plan = state.plan
    if plan is None or not rss_bytes:
        return None
    most = plan.resources.max_host_memory_mb * _MB
    if most:
        host = max(rss_bytes, key=lambda number: rss_bytes[number])
        if rss_bytes[host] > most:
            used = rss_bytes[host] // _MB
            return Victim(host, f"used {used} MB, over max_host_memory_mb = {most // _MB:g}")
    if state.memory_percent >= CRITICAL_PERCENT and len(rss_bytes) > 1:
        host = max(rss_bytes, key=lambda number: _grown(state.hosts.get(number), rss_bytes[number]))
        return Victim(host, f"grew most while memory was {state.memory_percent:.0f} % used")
    return None


def _grown(host: HostState | None, rss_bytes: int) -> int:
    return rss_bytes - (host.first_rss_bytes if host else 0)
