"""What the engine and the zygote say to each other.

Apart from `messages` because it is another wire with another peer: a SEQPACKET socket pair, one
msgpack message a packet, so a message is whole or absent and file descriptors stay with the one
they belong to. Pure data: the engine starts the zygote by module name and never imports
``runner.host``.

Start: ``PYTHON -m runner.host.zygote --fd N --parent PID``, from the engine's main thread, with
``start_new_session=True`` and ``pass_fds=(N,)``. ``PILOT_RUN`` must stand in the environment given
to it: hosts are forks, so this is the environment that ``/proc/PID/environ`` shows for them too.
"""

from typing import Final

import msgspec
from msgspec import Struct

MAX_PACKET_BYTES: Final = 64 * 1024
"""No packet is larger; texts in `Failed` are cut to fit."""

MAX_TEXT_CHARS: Final = 8 * 1024


class Fork(Struct, array_like=True, tag=True, frozen=True):
    """Fork a host. Three descriptors ride along: the host's socket, its log file (for its own lines
    and stacks), and where its standard output and error go.

    The zygote closes its copies at once; the engine must close its own copy of the socket.
    """

    host: int
    oom_score_adj: int = 500


class Ready(Struct, array_like=True, tag=True, frozen=True):
    """Everything is imported and the guard's self-test has passed: the first packet, sent once.

    `Fork` may be sent before it; it waits in the socket.
    """

    pid: int
    python: str
    took_s: float


class Forked(Struct, array_like=True, tag=True, frozen=True):
    """The answer to `Fork`."""

    host: int
    pid: int


class Died(Struct, array_like=True, tag=True, frozen=True):
    """A host is dead and reaped. ``status`` as of ``os.waitstatus_to_exitcode``: -9 for SIGKILL."""

    pid: int
    status: int


class Failed(Struct, array_like=True, tag=True, frozen=True):
    """No host can be forked: an import or the self-test failed, or fork itself did.

    ``host`` is None when nothing will ever be forked here; the zygote ends after saying so.
    """

    text: str
    host: int | None = None


ZygoteMessage = Ready | Forked | Died | Failed

_encoder = msgspec.msgpack.Encoder()
_forks: msgspec.msgpack.Decoder[Fork] = msgspec.msgpack.Decoder(Fork)
_answers: msgspec.msgpack.Decoder[ZygoteMessage] = msgspec.msgpack.Decoder(ZygoteMessage)


def packet(message: Fork | ZygoteMessage) -> bytes:
    """One packet; a text that would not fit in it is cut."""
    if isinstance(message, Failed) and len(message.text) > MAX_TEXT_CHARS:
        message = msgspec.structs.replace(message, text=message.text[-MAX_TEXT_CHARS:])
    return _encoder.encode(message)


def to_fork(data: bytes) -> Fork:
    """What the zygote reads; ``msgspec.DecodeError`` for anything else."""
    return _forks.decode(data)


def from_zygote(data: bytes) -> ZygoteMessage:
    """What the engine reads; ``msgspec.DecodeError`` for anything else."""
    return _answers.decode(data)
