"""Who froze a host, and where: asked from outside, because a frozen process answers nothing.

The culprit is the slot thread that runs (state R) and uses the CPU; with the GIL held by one thread
all others sleep. `tgkill` of SIGUSR1 to exactly that thread makes faulthandler print its line even
then, into the host's log; a process-wide signal names the wrong thread.

It is asked twice: when the host is first seen frozen, so that a screen can say who holds the others
up, and again, over a longer time, before it is judged.
"""

import contextlib
import ctypes
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

_TICK_S: Final = 1.0 / os.sysconf("SC_CLK_TCK")
_BURNS: Final = 0.05
"""Share of a core. The others in a frozen host use none at all, and on a machine with more to do
than it has cores the culprit itself gets little."""
_AHEAD: Final = 2.0
_TAIL_BYTES: Final = 8 * 1024
_PRINT_S: Final = 0.15
_LOOK_AGAIN_S: Final = 0.4
_MORE_LOOKS: Final = 3
_HEAD: Final = "(most recent call first):"
_FOREIGN: Final = ("/lib/python", "/site-packages/", str(Path(__file__).parents[1]), "<")
_SYS_TGKILL: Final = {"x86_64": 234, "aarch64": 131}


class ThreadTime(NamedTuple):
    """A thread's state letter and the CPU seconds it has used."""

    state: str
    cpu_s: float


def thread_times(pid: int, threads: Mapping[int, int]) -> dict[int, ThreadTime]:
    """State and CPU time by worker, for ``threads`` (worker -> native thread id) that are there."""
    found: dict[int, ThreadTime] = {}
    for worker, thread in threads.items():
        try:
            text = Path(f"/proc/{pid}/task/{thread}/stat").read_text("ascii", "replace")
        except OSError:
            continue
        fields = text.rpartition(")")[2].split()
        found[worker] = ThreadTime(fields[0], (int(fields[11]) + int(fields[12])) * _TICK_S)
    return found


def culprit(
    before: Mapping[int, ThreadTime], after: Mapping[int, ThreadTime], apart_s: float
) -> int | None:
    """The worker whose thread runs and used most of the CPU between two looks.

    None if none did, or if another used half as much: then no single thread held the others up.
    """
    if apart_s <= 0:
        return None
    used = sorted(
        ((now.cpu_s - before[worker].cpu_s) / apart_s, worker, now.state)
        for worker, now in after.items()
        if worker in before
    )
    if not used:
        return None
    share, worker, state = used[-1]
    second = used[-2][0] if len(used) > 1 else 0.0
    return worker if state == "R" and share >= _BURNS and share >= _AHEAD * second else None


def print_stack(pid: int, thread: int) -> bool:
    """Ask that very thread to print its line; False where this platform has no way to."""
    number = _SYS_TGKILL.get(os.uname().machine)
    if number is None:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    return libc.syscall(number, pid, thread, int(signal.SIGUSR1)) == 0


def _log_end(path: Path) -> int:
    """Where the next line of a host's log will begin; 0 where it cannot be told."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _log_since(path: Path, start: int) -> str:
    """What came into a host's log after ``start``, at most `_TAIL_BYTES`: an older stack is of
    another freeze. Empty where it cannot be read."""
    try:
        with path.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(start if start <= end else 0, end - _TAIL_BYTES))  # it wraps
            return file.read(_TAIL_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


def place(stack: str, base: str) -> str:
    """``file:line function`` in the last stack of a host's log; empty if there is none.

    The innermost frame that is neither ours nor a library's, else the innermost:
    "re/__init__.py:166 match" tells nobody where to look. Paths under ``base``, the plan's folder,
    are given relative to it.
    """
    frames: list[tuple[str, str, str]] = []
    for line in reversed(stack.splitlines()):
        if line.endswith(_HEAD):
            break
        frame = _frame(line)
        if frame is not None:
            frames.insert(0, frame)
    else:
        return ""
    folder = base.rstrip("/") + "/"
    own = [frame for frame in frames if not any(part in frame[0] for part in _FOREIGN)]
    for path, line, function in own or frames:
        short = path.removeprefix(folder) if path.startswith(folder) else _last_two(path)
        return f"{short}:{line} {function}"
    return ""


def _frame(line: str) -> tuple[str, str, str] | None:
    """Path, line and function of ``  File "path", line 12 in function``."""
    path, quote, rest = line.removeprefix('  File "').rpartition('", line ')
    number, _, function = rest.partition(" in ")
    return (path, number, function) if quote and number.isdigit() else None


def _last_two(path: str) -> str:
    return "/".join(Path(path).parts[-2:])


class Body(NamedTuple):
    """A frozen host: its number and process, its threads by worker, its log, the plan's folder."""

    host: int
    pid: int
    threads: Mapping[int, int]
    log: Path
    base: str


class Look(NamedTuple):
    """The times of a host's threads at a moment (monotonic seconds)."""

    at: float
    times: dict[int, ThreadTime]


class Finding(NamedTuple):
    """What was found: the worker at fault (None: unknown), where, and the stack that was printed.

    ``final`` if the host is to be judged by it.
    """

    host: int
    final: bool
    worker: int | None = None
    frame: str = ""
    stack: str = ""
    stopped: bool = False


def examine(body: Body, before: Look, report: Callable[[Finding], None], *, final: bool) -> None:
    """Find the culprit, have it print its line, and report, in a thread that reads files.

    The engine's loop must not: the log lies on a disk that may stall. The first look is soon after
    ``before``, and is repeated while it tells nothing.
    """

    def work() -> None:
        finding = _find(body, before, final=final)
        for _ in range(0 if final else _MORE_LOOKS):
            if finding.worker is not None or finding.stopped:
                break
            time.sleep(_LOOK_AGAIN_S)
            finding = _find(body, before, final=final)
        report(finding)

    threading.Thread(target=work, name=f"autopsy-{body.host}", daemon=True).start()


def _find(body: Body, before: Look, *, final: bool) -> Finding:
    if is_stopped(body.pid):
        return Finding(body.host, final, stopped=True)
    now = time.monotonic()
    worker = culprit(before.times, thread_times(body.pid, body.threads), now - before.at)
    stack, start = "", _log_end(body.log)
    if worker is not None and print_stack(body.pid, body.threads[worker]):
        time.sleep(_PRINT_S)
        stack = _log_since(body.log, start)
    return Finding(body.host, final, worker, place(stack, body.base), stack)


def is_stopped(pid: int) -> bool:
    """Whether the process is stopped (SIGSTOP, a debugger): state T."""
    with contextlib.suppress(OSError):
        text = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
        return text.rpartition(")")[2].split()[0] in "Tt"
    return False
