"""Log files of processes: appended to by whoever has words for them, never larger than a bound.

Apart because a host writes its own lines and the engine what came past Python, into one file.
"""

import os
from typing import Final

MAX_FILE_BYTES: Final = 16 * 1024 * 1024
FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
"""How such a file is opened: each write goes to its end, whoever else writes."""


def append(fd: int, data: bytes) -> None:
    """Append; a file that would pass `MAX_FILE_BYTES` begins anew. OSError from a full disk."""
    if os.fstat(fd).st_size + len(data) > MAX_FILE_BYTES:
        os.ftruncate(fd, 0)
        data = b"... wrapped here\n" + data
    os.write(fd, data)
