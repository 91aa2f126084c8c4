"""What all events carry."""

from msgspec import Struct


class Event(Struct, tag_field="type", tag=True, kw_only=True, omit_defaults=True):
    """What all events carry: ``seq`` counts from 1 without a hole over the whole run."""

    seq: int = 0
    at: float = 0.0
