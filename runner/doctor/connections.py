"""How long TCP connections have been silent: asked of the kernel by netlink, without privileges.

Apart because it is a wire format. ``/proc/net/tcp`` names states but no ages, and the age is what
tells a call that waits for its answer from one that nobody will ever answer.
"""

import socket
import struct
from typing import Final, NamedTuple

_SOCK_DIAG: Final = 4
_BY_FAMILY: Final = 20
_DONE: Final = 3
_ERROR: Final = 2
_DUMP_REQUEST: Final = 0x301
_WANT_INFO: Final = 1 << 1
_INFO: Final = 2
_ALL_STATES: Final = 0xFFF
_HEADER: Final = struct.Struct("=IHHII")
_MESSAGE_BYTES: Final = 72
"""``struct inet_diag_msg`` of linux/inet_diag.h; its last field is the inode."""
_LAST_RECEIVED: Final = 52
"""``tcpi_last_data_recv`` of linux/tcp.h, milliseconds."""
_BYTES_RECEIVED: Final = 128
_TIMEOUT_S: Final = 2.0


class Silence(NamedTuple):
    """Of one connection: seconds since data last came (since it was made, if none did)."""

    silent_s: float
    received_bytes: int


def silences() -> dict[int, Silence]:
    """By inode, for all TCP sockets of this network namespace.

    `OSError` where it is not told: macOS has no such door, and a strict jail shuts it.
    """
    found: dict[int, Silence] = {}
    for family in (socket.AF_INET, socket.AF_INET6):
        with socket.socket(_netlink(), socket.SOCK_RAW, _SOCK_DIAG) as link:
            link.settimeout(_TIMEOUT_S)
            request = struct.pack("=BBBxI", family, socket.IPPROTO_TCP, _WANT_INFO, _ALL_STATES)
            request += bytes(48)
            head = _HEADER.pack(_HEADER.size + len(request), _BY_FAMILY, _DUMP_REQUEST, 1, 0)
            link.send(head + request)
            while _take(link.recv(1 << 18), found):
                pass
    return found


def _netlink() -> int:
    family = getattr(socket, "AF_NETLINK", None)
    if family is None:
        raise OSError("this system has no netlink")
    return family


def _take(data: bytes, found: dict[int, Silence]) -> bool:
    """Read one datagram of the dump; whether more will follow."""
    at = 0
    while at + _HEADER.size <= len(data):
        length, kind = _HEADER.unpack_from(data, at)[:2]
        if kind == _DONE:
            return False
        if kind == _ERROR:
            (code,) = struct.unpack_from("=i", data, at + _HEADER.size)
            raise OSError(-code, "the kernel does not list connections")
        if length < _HEADER.size + _MESSAGE_BYTES:
            raise OSError("the kernel's list of connections is garbled")
        body = data[at + _HEADER.size : at + length]
        (inode,) = struct.unpack_from("=I", body, _MESSAGE_BYTES - 4)
        silence = _silence(body[_MESSAGE_BYTES:])
        if silence is not None:
            found[inode] = silence
        at += (length + 3) & ~3
    return True


def _silence(attributes: bytes) -> Silence | None:
    at = 0
    while at + 4 <= len(attributes):
        length, kind = struct.unpack_from("=HH", attributes, at)
        if length < 4:
            return None
        if kind == _INFO and length >= 4 + _BYTES_RECEIVED + 8:
            (last_ms,) = struct.unpack_from("=I", attributes, at + 4 + _LAST_RECEIVED)
            (received,) = struct.unpack_from("=Q", attributes, at + 4 + _BYTES_RECEIVED)
            return Silence(last_ms / 1000, received)
        at += (length + 3) & ~3
    return None
