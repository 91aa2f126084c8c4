"""Hosts as the engine sees them: start, send, receive, kill. Local processes today.

This is the seam to other machines: everything else in the engine knows a host by its number.
"""

from runner.engine.hosts.link import HostLink
from runner.engine.hosts.local import LocalHosts
from runner.engine.hosts.rests import Rests

__all__ = ["HostLink", "LocalHosts", "Rests"]
