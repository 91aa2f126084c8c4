"""Questions about a plan that only another process may answer.

Does the python executor's entry import, on the interpreter that its hosts will run on? Can the
interactive executor use the task file and the tools? Apart because the answers run foreign code or
host code, which neither the engine nor a command may do in its own process: an import that hangs,
exits or crashes is a sentence here.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import msgspec

from runner.errors import Problem

ANSWER_LIMIT_S: Final = 30.0
_NEEDED: Final = ("msgspec", "openai")
"""What a host imports, so what an interpreter of the user's must have."""

_IMPORT_ENTRY = r"""
import importlib, importlib.util, json, os, sys, traceback
report, folder, entry, needed = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4].split()
def answer(fault, hint=""):
    os.write(report, json.dumps([fault, hint]).encode())
    os._exit(0)
if sys.version_info < (3, 11):
    answer("Python 3.11 or newer is needed, it is " + sys.version.split()[0])
missing = [name for name in needed if importlib.util.find_spec(name) is None]
if missing:
    answer("the interpreter lacks " + " and ".join(missing), "install pilot-tui into it")
sys.path.insert(0, folder)
module, _, function = entry.partition(":")
try:
    found = importlib.import_module(module)
    for name in function.split("."):
        found = getattr(found, name)
except BaseException as error:
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename.startswith(folder)]
    where = f" ({os.path.relpath(own[-1].filename, folder)}:{own[-1].lineno})" if own else ""
    answer(f"{type(error).__name__}: {str(error)[:500]}{where}")
answer("" if callable(found) else function + " is not a function")
"""

_READ_LIBRARY = r"""
import os, sys, msgspec
from runner.errors import PlanError
from runner.host.bench.library import load_tasks, load_tools
report, source, tools = int(sys.argv[1]), sys.argv[2], sys.argv[3]
problems = []
try:
    library = load_tools(tools or None)
    if source:
        load_tasks(source, library)
except PlanError as error:
    problems = error.problems
os.write(report, msgspec.json.encode(problems[:20]))
"""


class NoAnswerError(Exception):
    """The process ended without an answer; the message says how."""


def entry_fault(entry: str, folder: Path, python: str) -> tuple[str, str]:
    """What is wrong with ``entry``, and a hint; two empty texts if it imports.

    ``python`` is the interpreter, empty for our own. Takes as long as the import does, at most
    `ANSWER_LIMIT_S`.
    """
    # Not by link: a venv's python links to the system's, and is another one all the same.
    foreign = bool(python) and Path(python).absolute() != Path(sys.executable).absolute()
    needed = " ".join(_NEEDED) if foreign else ""
    try:
        said = _ask(python or sys.executable, _IMPORT_ENTRY, [str(folder), entry, needed], folder)
        fault, hint = msgspec.json.decode(said, type=tuple[str, str])
    except NoAnswerError as error:
        return f"the import {error}", ""
    return fault, hint


def library_problems(source: str, tools: str) -> list[Problem]:
    """What the interactive executor has against its two files; an empty name is the built-in."""
    try:
        said = _ask(sys.executable, _READ_LIBRARY, [source, tools], None)
        return msgspec.json.decode(said, type=list[Problem])
    except NoAnswerError as error:
        file = source or tools
        return [Problem(file=file, key="tasks", text=f"the check of task file and tools {error}")]


def _ask(python: str, code: str, arguments: list[str], folder: Path | None) -> bytes:
    """What the code writes to its report pipe; `NoAnswerError` says how it ended without.

    Whatever the process started in its group is ended with it. A report fits into the pipe, so
    nothing has to be read while it runs.
    """
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    with contextlib.ExitStack() as cleanup:
        cleanup.callback(os.close, reader)
        cleanup.callback(os.close, writer)
        errors = cleanup.enter_context(tempfile.TemporaryFile())
        try:
            child = subprocess.Popen(
                [python, "-c", code, str(writer), *arguments],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                pass_fds=(writer,),
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise NoAnswerError(f"needs an interpreter that starts: {error}") from error
        try:
            status = child.wait(ANSWER_LIMIT_S)
        except subprocess.TimeoutExpired as error:
            raise NoAnswerError(f"did not end within {ANSWER_LIMIT_S:g} s") from error
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        try:
            return os.read(reader, 1 << 16)
        except BlockingIOError as error:
            raise NoAnswerError(_end(status, errors.fileno())) from error


def _end(status: int, errors: int) -> str:
    size = os.fstat(errors).st_size
    tail = os.pread(errors, 2000, max(0, size - 2000)).decode(errors="replace").strip()
    last = f": {tail.splitlines()[-1]}" if tail else ""
    if status < 0:
        return f"ended its interpreter by {signal.Signals(-status).name}{last}"
    return f"ended its interpreter with status {status}{last}"
