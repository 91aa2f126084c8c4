"""When a thread may be interrupted from outside: only while it runs executor code.

Apart from the ladder because it is the one place that uses CPython's asynchronous exceptions. They
arrive between any two bytecodes, skip ``finally`` clauses and may land after the code that they
were meant for. So the sender and the thread agree by a lock: nothing is sent while the gate is
shut, and what was sent but has not arrived is withdrawn when the gate shuts.
"""

import ctypes
import threading

from runner.host.scope import Aborted


class Interrupted(Aborted):
    """What the ladder raises in executor code. The scope knows the reason."""

    def __init__(self) -> None:
        super().__init__("interrupted")


class Gate:
    """Open while its one thread is in executor code."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_sent = False
        self.ident = 0
        """The thread that may be interrupted (``threading.get_ident``), 0 for none."""

    def open(self) -> None:
        """The calling thread enters executor code."""
        self.ident = threading.get_ident()

    def shut(self) -> None:
        """The thread has left executor code; nothing arrives after this returns.

        `Interrupted` may still be raised in here before it does. Shutting twice is fine.
        """
        if not self.ident and not self._is_sent:
            return
        with self._lock:
            self.ident = 0
            if self._is_sent:
                _withdraw()
                self._is_sent = False

    def interrupt(self) -> bool:
        """Raise `Interrupted` in the thread; False if it is not in executor code."""
        with self._lock:
            if not self.ident:
                return False
            self._is_sent = True
            _raise_in(self.ident, Interrupted)
            return True

    def shut_for_block(self) -> "_Block | _Shut":
        """``with gate.shut_for_block():`` keeps interruptions out of our own code.

        Every entry from executor code takes it before it touches a lock that others need: an
        interruption between a lock's taking and its ``with`` would leave it taken for ever.
        """
        # Shut, it cannot be opened for the caller by anybody else.
        return _Block(self) if self.ident else _SHUT


class _Block:
    """Shuts the gate for a ``with`` block if the calling thread is the one it is open for."""

    __slots__ = ("_gate", "_reopen")

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._reopen = False

    def __enter__(self) -> None:
        # Helper threads of the executor are not the gate's, and nested blocks find it shut.
        self._reopen = self._gate.ident == threading.get_ident()
        if self._reopen:
            self._gate.shut()

    def __exit__(self, *exception: object) -> None:
        if self._reopen:
            self._gate.open()


class _Shut:
    """The block of a gate that is shut already."""

    __slots__ = ()

    def __enter__(self) -> None:
        return

    def __exit__(self, *exception: object) -> None:
        return


_SHUT = _Shut()


class _Withdrawn(BaseException):
    """Takes the place of an interruption that has not arrived, and ends in `_withdraw`."""


def _withdraw() -> None:
    """Take back what the calling thread has been sent but has not raised.

    By raising something else here: to clear the exception only (NULL) would leave CPython 3.11's
    note that one waits. Every thread then asks for it at each call and loop, 5 % of a host's CPU,
    and one that is profiled or traced asks for ever.
    """
    try:
        _raise_in(threading.get_ident(), _Withdrawn)
        while True:  # it arrives at the next jump back
            pass
    except _Withdrawn:
        return


def _raise_in(ident: int, error: type[BaseException]) -> None:
    """Set the exception that a thread raises next, in place of one that it has not raised yet."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), ctypes.py_object(error))
