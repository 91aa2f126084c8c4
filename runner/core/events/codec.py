"""How an event is a line of the log, and a line an event."""

from typing import Final, Union

import msgspec
from msgspec import Struct

from runner.core.events import attempts, hosts, pulse, run, storage
from runner.core.events.base import Event
from runner.core.text import encodable

EVENT_TYPES: Final[tuple[type[Event], ...]] = tuple(
    kind
    for module in (run, hosts, attempts, storage, pulse)
    for kind in vars(module).values()
    if isinstance(kind, type) and issubclass(kind, Event) and kind is not Event
)
"""Each event that is declared beside this module is a line that can be read."""
_encode = msgspec.json.Encoder().encode
_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(
    Union[EVENT_TYPES]  # noqa: UP007 - a tuple has no other form
)


class _Head(Struct, tag=False):
    type: str
    seq: int = 0
    at: float = 0.0


class Unknown(Event, tag="?"):
    """A line of a type that this version does not know; it is kept and counted, never guessed."""

    name: str


_head_decoder = msgspec.json.Decoder(_Head)
# A flipped bit makes text that is no UTF-8; a hostile line nests deeper than the decoder goes.
_GARBAGE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_KNOWN: Final = frozenset(kind.__name__ for kind in EVENT_TYPES)


class BadLineError(ValueError):
    """A line of the log that is no event."""


def encode(event: Event) -> bytes:
    """The event's line, newline included. Lone surrogates become U+FFFD: they have no UTF-8."""
    try:
        return _encode(event) + b"\n"
    except UnicodeEncodeError:
        return _encode(encodable(msgspec.to_builtins(event))) + b"\n"


def decode(line: bytes | memoryview) -> Event:
    """The event of a line; `Unknown` for a type of a newer version; `BadLineError` for garbage."""
    try:
        return _decoder.decode(line)
    except _GARBAGE as error:
        try:
            head = _head_decoder.decode(line)
        except _GARBAGE:
            raise BadLineError(str(error)) from error
        if head.type in _KNOWN:
            raise BadLineError(str(error)) from error
        return Unknown(seq=head.seq, at=head.at, name=head.type)


def decode_lines(data: bytes) -> tuple[list[Event], int]:
    """All events of whole lines, and how many lines were garbage and are not among them.

    The common case is decoded at once (3.1 M events/s measured); a line of a newer version or a
    garbled one makes it fall back to one by one.
    """
    try:
        return _decoder.decode_lines(data), 0
    except _GARBAGE:
        found: list[Event] = []
        bad = 0
        for line in filter(None, data.split(b"\n")):
            try:
                found.append(decode(line))
            except BadLineError:
                bad += 1
        return found, bad
