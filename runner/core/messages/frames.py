"""Frames: a message as bytes, and bytes as messages."""

from typing import Any, Final, Generic, TypeVar

import msgspec

from runner.core.messages.base import Message
from runner.core.messages.orders import EngineMessage
from runner.core.messages.reports import HostMessage
from runner.core.text import encodable

MAX_FRAME_BYTES: Final = 16 * 1024 * 1024
_LENGTH_BYTES: Final = 4
_NO_LENGTH: Final = bytes(_LENGTH_BYTES)


class GarbledFrameError(ValueError):
    """Bytes that no host of ours sends: the connection is of no more use."""


M = TypeVar("M")

_encoder = msgspec.msgpack.Encoder()


def frame(*messages: Message) -> bytearray:
    """Messages as they go over the wire; `GarbledFrameError` if one is larger than a frame may be.

    Lone surrogates, which an executor's strings may hold, arrive as U+FFFD.
    """
    buffer = bytearray()
    for message in messages:
        start = len(buffer)
        buffer += _NO_LENGTH
        body = start + _LENGTH_BYTES
        try:
            _encoder.encode_into(message, buffer, body)
        except UnicodeEncodeError:
            del buffer[body:]
            _encoder.encode_into(encodable(msgspec.to_builtins(message)), buffer, body)
        size = len(buffer) - body
        if size > MAX_FRAME_BYTES:
            name = type(message).__name__
            raise GarbledFrameError(f"{name} of {size} bytes is over the frame limit")
        buffer[start:body] = size.to_bytes(_LENGTH_BYTES, "little")
    return buffer


class Unframer(Generic[M]):
    """Bytes in, whole messages out; a torn frame waits for its rest.

    A length over the cap raises at once: 100 bytes of 0xff read as a length would otherwise swallow
    everything that follows, in silence.
    """

    def __init__(self, kind: Any) -> None:
        self._buffer = bytearray()
        self._decoder: msgspec.msgpack.Decoder[M] = msgspec.msgpack.Decoder(kind)

    @property
    def torn_bytes(self) -> int:
        """How much of an unfinished frame waits."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[M]:
        """The messages that ``data`` completes; `GarbledFrameError` for what cannot be one.

        Whole messages before the garbage are returned first; the next call raises.
        """
        self._buffer += data
        found: list[M] = []
        start, end = 0, len(self._buffer)
        view = memoryview(self._buffer)
        try:
            while end - start >= _LENGTH_BYTES:
                body = start + _LENGTH_BYTES
                size = int.from_bytes(view[start:body], "little")
                if size > MAX_FRAME_BYTES:
                    raise GarbledFrameError(f"a frame of {size} bytes was announced")
                if end - body < size:
                    break
                found.append(self._decode(view[body : body + size]))
                start = body + size
        except GarbledFrameError:
            if not found:
                raise
        finally:
            view.release()
            del self._buffer[:start]
        return found

    def _decode(self, body: memoryview) -> M:
        try:
            return self._decoder.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise GarbledFrameError(f"undecodable frame: {error}") from error


def from_host() -> Unframer[HostMessage]:
    """A reader for the engine's end."""
    return Unframer[HostMessage](HostMessage)


def from_engine() -> Unframer[EngineMessage]:
    """A reader for the host's end."""
    return Unframer[EngineMessage](EngineMessage)
