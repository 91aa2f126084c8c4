"""How ``qps`` and ``max_in_flight`` of an endpoint are dealt to the hosts, once a second.

A host never exceeds its share, so no call waits for a round trip to the engine. Shares go by demand
(attempts on that endpoint), and each host with demand gets something: a bound smaller than the
number of hosts is dealt to as many of them as it reaches, in turn.
"""

from collections.abc import Mapping

from runner.core.plan import Endpoint


def deal(bound: int, demand: Mapping[int, int], turn: int) -> dict[int, int]:
    """``bound`` whole permits over hosts by ``demand`` (host -> attempts), adding up to it.

    Each host with demand gets one at least, if there are as many. Where the bound is smaller than
    the number of hosts, ``turn`` rotates who gets some, so that no host waits for ever; elsewhere
    nothing moves while demand does not, since a host keeps the calls that it has begun.
    """
    hosts = sorted(host for host, wanted in demand.items() if wanted > 0)
    if not hosts or bound <= 0:
        return {}
    total = sum(demand[host] for host in hosts)
    one_each = int(bound >= len(hosts))
    spread = bound - one_each * len(hosts)
    shares = {host: one_each + spread * demand[host] // total for host in hosts}
    rest = bound - sum(shares.values())
    offset = 0 if one_each else turn % len(hosts)
    for host in (hosts[offset:] + hosts[:offset])[:rest]:
        shares[host] += 1
    return shares


def deal_rate(qps: float, demand: Mapping[int, int]) -> dict[int, float]:
    """``qps`` requests a second over hosts by demand."""
    total = sum(wanted for wanted in demand.values() if wanted > 0)
    if not total or qps <= 0:
        return {}
    return {host: qps * wanted / total for host, wanted in demand.items() if wanted > 0}


def bounded(endpoint: Endpoint) -> bool:
    """Whether the endpoint needs dealing at all."""
    return endpoint.qps > 0 or endpoint.max_in_flight > 0
