"""Message bodies by (offset, length), from the plain file or from its compressed form.

Apart because a viewer reads single bodies out of gigabytes. The compressed form is zstd's own
"seekable format" (facebook/zstd, contrib/seekable_format): frames of `FRAME_BYTES` of text and a
table of them in a skippable frame, so that ``zstd -d`` reads the file as well.
"""

import bisect
import os
import struct
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any, Final

from runner.engine.durable import REAL_DISK, Disk, NewFile

TRANSCRIPT: Final = "transcript.jsonl"
SEALED: Final = TRANSCRIPT + ".zst"
SET_ASIDE: Final = SEALED + ".bad"
FRAME_BYTES: Final = 256 * 1024
"""A body costs the decompression of a frame or two: under a millisecond."""

_SKIPPABLE: Final = struct.Struct("<II")
_SKIPPABLE_MAGIC: Final = 0x184D2A5E
_ENTRY: Final = struct.Struct("<II")
_FOOTER: Final = struct.Struct("<IBI")
_FOOTER_MAGIC: Final = 0x8F92EAB1


class SealError(ValueError):
    """The compressed transcript is damaged: ``str(error)`` says where."""


class TranscriptReader:
    """Bodies of one run. The file is opened at each read, so it may be sealed at any time."""

    def __init__(self, run_dir: Path) -> None:
        self._plain = run_dir / TRANSCRIPT
        self._sealed = run_dir / SEALED
        self._index: _Index | None = None
        self._identity = (0, 0, 0)

    def read(self, offset: int, length: int) -> bytes | None:
        """The body, or None: it is not written (yet), or not any more. Raises OSError, SealError.

        A hole of zeros, as a power cut leaves it, is "not written" too.
        """
        if offset < 0 or length <= 0:
            return None
        try:
            body = _slice(self._plain, offset, length)
        except FileNotFoundError:
            try:
                body = self._unpack(offset, length)
            except FileNotFoundError:
                return None
        return body if len(body) == length and body[:1] != b"\0" else None

    def _unpack(self, offset: int, length: int) -> bytes:
        with self._sealed.open("rb") as file:
            # The run may have been resumed and sealed anew since the last read.
            found = os.fstat(file.fileno())
            identity = (found.st_ino, found.st_size, found.st_mtime_ns)
            if self._index is None or self._identity != identity:
                self._index, self._identity = _Index(file), identity
            index = self._index
            end = min(offset + length, index.raw[-1])
            first = bisect.bisect_right(index.raw, offset) - 1
            pieces: list[bytes] = []
            at = first
            while at < index.frames and index.raw[at] < end:
                pieces.append(index.frame(file, at))
                at += 1
            start = offset - index.raw[first]
            return b"".join(pieces)[start : start + length]


class _Index:
    """Where the frames begin: ``packed`` and ``raw`` offsets, one more than there are frames."""

    def __init__(self, file: Any) -> None:
        size = os.fstat(file.fileno()).st_size
        tail = _at(file, max(0, size - _FOOTER.size), _FOOTER.size)
        if len(tail) < _FOOTER.size:
            raise SealError("it is too short")
        self.frames, _, magic = _FOOTER.unpack(tail)
        table = self.frames * _ENTRY.size
        if magic != _FOOTER_MAGIC or table + _FOOTER.size > size:
            raise SealError("its table of frames is not there")
        entries = _ENTRY.iter_unpack(_at(file, size - _FOOTER.size - table, table))
        packed, raw = zip(*entries, strict=True) if self.frames else ((), ())
        self.packed: list[int] = list(accumulate(packed, initial=0))
        self.raw: list[int] = list(accumulate(raw, initial=0))

    def frame(self, file: Any, number: int) -> bytes:
        """The text of one frame."""
        start, end = self.packed[number : number + 2]
        return _decompress(_at(file, start, end - start), self.raw[number + 1] - self.raw[number])


def seal_transcript(run_dir: Path, disk: Disk = REAL_DISK) -> None:
    """Compress the transcript of a run that has ended, and remove the plain file. Raises OSError.

    A kill at any point leaves one whole form; nothing happens where there is no plain file.
    """
    plain = run_dir / TRANSCRIPT
    if not plain.exists():
        return
    entries: list[tuple[int, int]] = []
    with NewFile(run_dir / SEALED, disk) as file:
        entries.extend((file.write(_compress(text)), len(text)) for text in _blocks(plain))
        table = b"".join(_ENTRY.pack(*entry) for entry in entries)
        footer = _FOOTER.pack(len(entries), 0, _FOOTER_MAGIC)
        file.write(_SKIPPABLE.pack(_SKIPPABLE_MAGIC, len(table) + len(footer)) + table + footer)
        file.sync()
        _compare(file.temporary, plain)
        file.commit()
    disk.unlink(plain)


def unseal_transcript(run_dir: Path, disk: Disk = REAL_DISK) -> None:
    """Make the plain transcript again, for a finished run that is resumed.

    Raises OSError, SealError; the sealed form stays then.
    """
    plain, sealed = run_dir / TRANSCRIPT, run_dir / SEALED
    if not sealed.exists():
        return
    if not plain.exists():
        with NewFile(plain, disk) as file:
            for text in _frames(sealed):
                file.write(text)
            file.commit()
    disk.unlink(sealed)


def open_transcript(run_dir: Path, disk: Disk = REAL_DISK) -> str:
    """`unseal_transcript` for a resume, which a damaged transcript must not prevent.

    What is wrong with the sealed form, which is set aside then, or "". Raises OSError.
    """
    try:
        unseal_transcript(run_dir, disk)
    except SealError as error:
        disk.replace(run_dir / SEALED, run_dir / SET_ASIDE)
        lost = "its messages cannot be shown"
        return f"{SEALED} is damaged ({error}) and lies aside as {SET_ASIDE}: {lost}"
    return ""


def _compare(sealed: Path, plain: Path) -> None:
    for packed, text in zip(_frames(sealed), _blocks(plain), strict=True):
        if packed != text:
            raise OSError("the compressed transcript reads back wrong; the plain one stays")


def _frames(sealed: Path) -> Iterator[bytes]:
    with sealed.open("rb") as file:
        index = _Index(file)
        for number in range(index.frames):
            yield index.frame(file, number)


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while text := file.read(FRAME_BYTES):
            yield text


def _slice(path: Path, offset: int, length: int) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.pread(fd, length, offset) if offset < os.fstat(fd).st_size else b""
    finally:
        os.close(fd)


def _at(file: Any, offset: int, length: int) -> bytes:
    return os.pread(file.fileno(), length, offset)


def _compress(text: bytes) -> bytes:
    return _codec().compress(text, asbytes=True)


def _decompress(packed: bytes, size: int) -> bytes:
    try:
        return _codec().decompress(packed, decompressed_size=size, asbytes=True)
    except OSError as error:
        raise SealError(f"a frame is damaged: {error}") from error


def _codec() -> Any:
    """pyarrow's zstd: Python has its own only from 3.14 on. Loaded when a sealed body is wanted."""
    from pyarrow import Codec  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]

    return Codec("zstd", compression_level=3)
