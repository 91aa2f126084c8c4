"""Files that are there whole and durable, or not at all; and the one narrow seam to the disk.

Apart because run.json, result parts and compressed transcripts all need the same five steps in the
same order (temporary file in the same folder, fsync, rename, fsync of the folder), and because
fault tests put errnos and stalls in at this seam (`Disk`) and nowhere else.
"""

import errno
import fcntl
import hashlib
import os
import secrets
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self

TMP_SUFFIX: Final = ".tmp"
DIGEST_BYTES: Final = 16
_BUFFER_BYTES: Final = 1024 * 1024
"""A part is some 160 pieces, one or more a column: joined, they cost one call."""

_WORDS: Final = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EIO: "the disk reports an I/O error",
    errno.EROFS: "the disk is mounted read-only",
    errno.EMFILE: "this process has too many open files",
    errno.ENFILE: "the machine has too many open files",
    errno.EFBIG: "the file would exceed the size limit",
    errno.ENOENT: "the folder is gone",
    errno.ENOTDIR: "the folder is gone",
    errno.ESTALE: "the folder is gone from its server",
    errno.EACCES: "writing here is not permitted",
}


class Disk(Protocol):
    """What the writers ask of a disk. Every method may raise OSError or take for ever."""

    def create(self, path: Path) -> int:
        """Open a new file for writing; FileExistsError if it is there."""
        ...

    def append(self, path: Path) -> int:
        """Open a file for writing at any offset; it is made if it is not there."""
        ...

    def write(self, fd: int, data: memoryview, offset: int) -> int:
        """Write some of ``data`` at ``offset``; how many bytes went."""
        ...

    def sync(self, fd: int) -> None:
        """Return when the file's bytes are on the medium."""
        ...

    def truncate(self, fd: int, size: int) -> None:
        """Cut the file to ``size`` bytes."""
        ...

    def close(self, fd: int) -> None:
        """Close; an error is raised once and the descriptor is gone all the same."""
        ...

    def replace(self, source: Path, target: Path) -> None:
        """Rename over whatever is there."""
        ...

    def sync_folder(self, folder: Path) -> None:
        """Return when the folder's names are on the medium."""
        ...

    def unlink(self, path: Path) -> None:
        """Remove the file; no error if it is not there."""
        ...


class RealDisk:
    """The operating system's own calls, each as it is."""

    def create(self, path: Path) -> int:
        """Open a new file for writing; FileExistsError if it is there."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def append(self, path: Path) -> int:
        """Open a file for writing at any offset; it is made if it is not there."""
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def write(self, fd: int, data: memoryview, offset: int) -> int:
        """Write some of ``data`` at ``offset``; how many bytes went."""
        return os.pwrite(fd, data, offset)

    def sync(self, fd: int) -> None:
        """Return when the file's bytes are on the medium (macOS needs its own call for that)."""
        full = getattr(fcntl, "F_FULLFSYNC", None)
        if full is None:
            os.fsync(fd)
            return
        try:
            fcntl.fcntl(fd, full)
        except OSError as error:
            if error.errno not in {errno.ENOTSUP, errno.EINVAL, errno.ENOTTY}:
                raise
            os.fsync(fd)

    def truncate(self, fd: int, size: int) -> None:
        """Cut the file to ``size`` bytes."""
        os.ftruncate(fd, size)

    def close(self, fd: int) -> None:
        """Close the descriptor."""
        os.close(fd)

    def replace(self, source: Path, target: Path) -> None:
        """Rename over whatever is there."""
        source.replace(target)

    def sync_folder(self, folder: Path) -> None:
        """Return when the folder's names are on the medium."""
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def unlink(self, path: Path) -> None:
        """Remove the file; no error if it is not there."""
        path.unlink(missing_ok=True)


REAL_DISK: Final[Disk] = RealDisk()


def digest(data: bytes | memoryview) -> str:
    """blake2b-16 in hex: what ``RowsWritten`` carries and ``verify`` compares."""
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES).hexdigest()


def digest_file(path: Path) -> tuple[str, int]:
    """`digest` of a file of any size, and its size in bytes."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=DIGEST_BYTES))
        return found.hexdigest(), file.tell()


def explain(error: OSError) -> str:
    """The error in words for a person, the system's own text included."""
    words = _WORDS.get(error.errno or 0)
    name = errno.errorcode.get(error.errno or 0, "")
    text = error.strerror or str(error)
    return f"{words} ({name}: {text})" if words else f"{name}: {text}" if name else text


class NewFile:
    """A file under construction: it appears under its name by `commit`, or leaves no trace.

    It has what pyarrow asks of a file object (given a path, pyarrow deletes the path on failure,
    even a device node). All bytes are hashed as they go, so `digest` costs no second read. A file
    whose write or fsync failed is never synced again: the kernel may have dropped its pages and
    would report success.
    """

    def __init__(self, target: Path, disk: Disk = REAL_DISK) -> None:
        self.target = target
        self.temporary = target.with_name(f"{target.name}.{secrets.token_hex(4)}{TMP_SUFFIX}")
        self.size = 0
        self._buffer = bytearray()
        self._disk = disk
        self._fd = -1
        self._hash = hashlib.blake2b(digest_size=DIGEST_BYTES)
        self._synced = False
        self._committed = False

    def __enter__(self) -> Self:
        self._fd = self._disk.create(self.temporary)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._close()
        finally:
            if not self._committed:
                self._remove()

    @property
    def closed(self) -> bool:
        """Part of the file protocol."""
        return self._fd < 0

    @property
    def digest(self) -> str:
        """`digest` of the file, once it is synced."""
        return self._hash.hexdigest()

    def write(self, data: bytes | memoryview) -> int:
        """Take all of ``data``; its length in bytes. Raises OSError, maybe of an earlier piece."""
        view = memoryview(data).cast("B")
        self._buffer += view
        self.size += len(view)
        if len(self._buffer) >= _BUFFER_BYTES:
            self._drain()
        return len(view)

    def tell(self) -> int:
        """Bytes written so far."""
        return self.size

    def writable(self) -> bool:
        """Part of the file protocol."""
        return True

    def readable(self) -> bool:
        """Part of the file protocol."""
        return False

    def seekable(self) -> bool:
        """Part of the file protocol."""
        return False

    def flush(self) -> None:
        """Part of the file protocol; `sync` is what empties the buffer."""

    def close(self) -> None:
        """Left to the end of the ``with`` block: pyarrow closes what it is given."""

    def sync(self) -> None:
        """Bring the bytes to the medium, under the temporary name still. Raises OSError."""
        self._drain()
        self._disk.sync(self._fd)
        self._close()
        self._synced = True

    def commit(self) -> None:
        """Take the name, durably. Raises OSError; the name may be taken even so."""
        if not self._synced:
            self.sync()
        self._disk.replace(self.temporary, self.target)
        self._committed = True
        self._disk.sync_folder(self.target.parent)

    def _drain(self) -> None:
        view = memoryview(bytes(self._buffer))
        self._buffer.clear()
        start = self.size - len(view)
        done = 0
        while done < len(view):
            done += self._disk.write(self._fd, view[done:], start + done)
        self._hash.update(view)

    def _close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            self._disk.close(fd)

    def _remove(self) -> None:
        try:
            self._disk.unlink(self.temporary)
        except OSError:
            pass  # start-up removes *.tmp; the error that led here is the one to tell


def write_file(path: Path, data: bytes, disk: Disk = REAL_DISK) -> None:
    """Replace a small file atomically and durably. Raises OSError; the old content stays then."""
    with NewFile(path, disk) as file:
        file.write(data)
        file.commit()


def remove_temporary(folder: Path, disk: Disk = REAL_DISK) -> list[str]:
    """Remove what a killed writer left in ``folder``; the names removed."""
    left = sorted(path for path in folder.glob(f"*{TMP_SUFFIX}") if path.is_file())
    for path in left:
        disk.unlink(path)
    return [path.name for path in left]
