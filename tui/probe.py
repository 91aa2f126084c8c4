"""How wide the terminal draws ambiguous characters, asked once before the screen opens.

In Chinese, Japanese and Korean set-ups ``●`` or ``─`` may take two cells; then every line of our
Unicode set would shift, and the ASCII set is taken instead (`tui.glyphs.choose`).
"""

import os
import re
import select
import termios
import time
import tty
from typing import Final

from tui.glyphs import AMBIGUOUS_PROBE

_ANSWER: Final = re.compile(rb"\x1b\[(\d+);(\d+)R")


def ambiguous_cells(fd_in: int, fd_out: int, timeout_s: float = 0.2) -> int:
    """1 or 2; 1 where the terminal does not answer in time or is none.

    Writes one character at the left edge, asks for the cursor (CSI 6n) and wipes the line again.
    """
    if not (os.isatty(fd_in) and os.isatty(fd_out)):
        return 1
    before = termios.tcgetattr(fd_in)
    try:
        tty.setcbreak(fd_in)
        os.write(fd_out, b"\r" + AMBIGUOUS_PROBE.encode() + b"\x1b[6n")
        answer = _answer(fd_in, timeout_s)
        os.write(fd_out, b"\r\x1b[K")
    finally:
        termios.tcsetattr(fd_in, termios.TCSANOW, before)
    found = _ANSWER.search(answer)
    return 2 if found and int(found[2]) == 3 else 1


def _answer(fd: int, timeout_s: float) -> bytes:
    """What the terminal sends until its answer is whole or time is up."""
    got = b""
    until = time.monotonic() + timeout_s
    while (left := until - time.monotonic()) > 0 and not _ANSWER.search(got):
        ready, _, _ = select.select([fd], [], [], left)
        if ready:
            got += os.read(fd, 64)
    return got
