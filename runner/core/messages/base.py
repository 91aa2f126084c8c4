"""What all messages share."""

from msgspec import Struct


class Message(Struct, array_like=True, tag=True):
    """Anything on the wire."""
