"""Host names to addresses, without letting a stalled resolver hold a slot.

getaddrinfo cannot be interrupted, so each look-up runs in a throwaway daemon thread and whoever
needs the answer waits under its own scope. Answers are kept for a minute per process: the resolver
is asked once, not once per call and slot (hang zoo 63: look-ups queued behind a full executor).
"""

import os
import socket
import threading
import time
from collections.abc import Callable
from typing import Final

Address = tuple[socket.AddressFamily, tuple[str, int] | tuple[str, int, int, int]]

TTL_S: Final = 60.0
_STALLED_AFTER_S: Final = 30.0  # then a new thread asks again; the old one may never return
_MAX_NAMES: Final = 512


class Lookup:
    """One question to the resolver, shared by all who ask it meanwhile."""

    def __init__(self, host: str, port: int, now: float) -> None:
        self.host = host
        self.port = port
        self.started = now
        self.answered_at: float | None = None
        self.addresses: list[Address] = []
        self.error: OSError | None = None
        self._waiting: list[Callable[[], None]] = []
        self._lock = threading.Lock()

    def on_answer(self, callback: Callable[[], None]) -> None:
        """Call back once there is an answer (at once if there is one); it must not raise."""
        with self._lock:
            if self.answered_at is None:
                self._waiting.append(callback)
                return
        callback()

    def run(self, clock: Callable[[], float]) -> None:
        """Ask the resolver; blocks for as long as it takes."""
        try:
            self.addresses = _ask(self.host, self.port)
        except OSError as error:
            self.error = error
        except UnicodeError as error:  # a label over 63 bytes
            self.error = OSError(f"not a host name: {error}")
        with self._lock:
            self.answered_at = clock()
            waiting, self._waiting = self._waiting, []
        for callback in waiting:
            callback()


class Resolver:
    """A cache of look-ups. One per process (`shared`)."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lookups: dict[tuple[str, int], Lookup] = {}
        self._lock = threading.Lock()

    def lookup(self, host: str, port: int) -> Lookup:
        """A fresh answer or a look-up under way. Never blocks."""
        now = self._clock()
        with self._lock:
            known = self._lookups.get((host, port))
            if known is not None and _usable(known, now):
                return known
            if len(self._lookups) >= _MAX_NAMES:
                self._lookups.clear()
            lookup = self._lookups[host, port] = Lookup(host, port, now)
        if _is_literal(host):
            lookup.run(self._clock)  # no resolver involved, nothing to wait for
        else:
            name = f"resolve {host}"
            threading.Thread(target=lookup.run, args=(self._clock,), name=name, daemon=True).start()
        return lookup

    def forget(self) -> None:
        """Drop everything; in a forked child the threads that would answer do not exist."""
        self._lock = threading.Lock()
        self._lookups = {}


def _usable(lookup: Lookup, now: float) -> bool:
    if lookup.answered_at is None:
        return now - lookup.started < _STALLED_AFTER_S
    return lookup.error is None and now - lookup.answered_at < TTL_S


def _ask(host: str, port: int) -> list[Address]:
    found: list[Address] = []
    for family, _, _, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        if family in {socket.AF_INET, socket.AF_INET6} and isinstance(address[0], str):
            found.append((family, address))  # type: ignore[arg-type]
    if not found:
        raise OSError(f"{host} has no address")
    return found


def _is_literal(host: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except (OSError, ValueError):
            continue
        return True
    return False


shared: Final = Resolver()
os.register_at_fork(after_in_child=shared.forget)
