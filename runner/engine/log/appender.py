"""One append-only file that survives a disk in trouble without a torn or doubled line.

Apart from the thread that uses it because the rule is the same for the log and the transcript, and
is tested call by call.
"""

import errno
import os
from pathlib import Path
from typing import Final

from runner.engine.durable import REAL_DISK, Disk

_BLOCK: Final = 64 * 1024


class Appender:
    """Appends whole pieces at a known offset. Not thread-safe: one writer owns it.

    What was written since the last good `sync`
    is kept in memory: when an fsync fails the kernel may drop those pages and report success the
    next time, so they are written again, through a new descriptor, before anything else.
    """

    def __init__(self, path: Path, disk: Disk = REAL_DISK, at_least: int = 0) -> None:
        """Open or make ``path``; cut it to its last newline. Raises OSError.

        ``at_least``: the new end is not before this offset (a hole of zeros fills it), so that an
        offset that was given away before a power cut is never given away twice.
        """
        self._path = path
        self._disk = disk
        self._fd = disk.append(path)
        size = os.fstat(self._fd).st_size
        whole = _end_of_last_line(self._fd, size)
        self.torn_bytes = size - whole
        """How many bytes of a line that was never finished were cut off."""
        self.end = max(whole, at_least)
        """The offset at which the next piece begins; all before it is with the OS."""
        self._unsynced: list[bytes] = []
        self._lost_sync = False
        self._piece = b""
        self._went = 0
        if size != self.end:
            disk.truncate(self._fd, self.end)
        disk.sync(self._fd)
        disk.sync_folder(path.parent)
        self._synced = self.end
        self._last_line = _last_line(self._fd, whole)

    @property
    def unsynced_bytes(self) -> int:
        """What a power cut now could take; a killed process takes nothing of it."""
        return self.end - self._synced

    def unsure(self) -> bytes:
        """The last line that is surely on the medium, and all that was given to the OS since."""
        return b"".join([self._last_line, *self._unsynced])

    def write(self, data: bytes) -> None:
        """Append all of ``data`` and give it to the OS. Raises OSError.

        After an error call again with the same object: it goes on where it stopped, so a follower
        that has read whole lines of it never sees them go. Other data cuts the rest off first.
        """
        self._mend()
        if data is not self._piece:
            if self._went:
                self._disk.truncate(self._fd, self.end)
            self._piece, self._went = data, 0
        view = memoryview(data)
        while self._went < len(view):
            self._went += self._disk.write(self._fd, view[self._went :], self.end + self._went)
        self.end += len(data)
        self._unsynced.append(data)
        self._piece, self._went = b"", 0

    def sync(self) -> None:
        """Return when everything written is on the medium. Raises OSError."""
        self._mend()
        if self._synced == self.end:
            return
        if not os.fstat(self._fd).st_nlink and not self._path.exists():
            raise FileNotFoundError(errno.ENOENT, "the file was removed")
        try:
            self._disk.sync(self._fd)
        except OSError:
            self._lost_sync = True
            raise
        self._synced = self.end
        piece = self._unsynced[-1]
        self._last_line = piece[piece.rfind(b"\n", 0, len(piece) - 1) + 1 :]
        self._unsynced.clear()

    def close(self) -> None:
        """Close the file; no sync."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            self._disk.close(fd)

    def _mend(self) -> None:
        """After a failed fsync: everything since the last good one again, in place."""
        if not self._lost_sync:
            return
        fresh = self._disk.append(self._path)
        old, self._fd = self._fd, fresh
        try:
            self._disk.close(old)
        except OSError:
            pass  # its pages are written again below; nothing else hangs on it
        view = memoryview(b"".join([*self._unsynced, self._piece[: self._went]]))
        done = 0
        while done < len(view):
            done += self._disk.write(self._fd, view[done:], self._synced + done)
        self._lost_sync = False


def _last_line(fd: int, end: int) -> bytes:
    """The line that ends at ``end``; empty where there is none."""
    start = _end_of_last_line(fd, end - 1) if end else 0
    return os.pread(fd, end - start, start)


def _end_of_last_line(fd: int, size: int) -> int:
    """The offset after the last newline, found from the end in blocks."""
    at = size
    while at > 0:
        start = max(0, at - _BLOCK)
        newline = os.pread(fd, at - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        at = start
    return 0
