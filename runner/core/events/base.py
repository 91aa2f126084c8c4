"""What all events carry."""

from msgspec import Struct


class Event(Struct, tag_field="type", tag=True, kw_only=True, omit_defaults=True, gc=False):
    """What all events carry: ``seq`` counts from 1 without a hole over the whole run.

    No event can be part of a cycle, and a collector that need not look at them makes a long log
    a quarter faster to decode.
    """

    seq: int = 0
    at: float = 0.0
