"""The files and programs that a plan names: there, readable and usable.

Apart because it is all the I/O of the checks. Paths are relative to the plan's folder.
"""

import hashlib
import importlib.resources
import os
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from runner.engine.config.findings import Findings, as_list, as_table
from runner.engine.config.foreign import entry_fault, library_problems
from runner.engine.config.lines import Path as KeyPath
from runner.engine.config.resolve import in_folder, interpreter
from runner.engine.config.secrets import looks_secret
from runner.engine.task_file import DIGEST_BYTES, SourceFile, SourceIndex
from runner.errors import PlanError

LIBRARY: Final = "host/bench/data/tasks.jsonl"
"""The task library inside the package, for interactive plans without a source."""
_MAX_LIBRARY_BYTES: Final = 16 * 1024 * 1024
"""A task file up to this size is read whole, every task against the tools, before a run."""


def open_source(
    sound: Mapping[str, Any], folder: Path, findings: Findings, index: SourceIndex | None = None
) -> SourceFile | None:
    """The task file, or the library of the package; None if it cannot be used."""
    tasks = as_table(sound.get("tasks"))
    interactive = tasks.get("executor") == "interactive"
    name = tasks.get("source", "")
    if not name and not interactive:
        return None
    library = importlib.resources.files("runner").joinpath(LIBRARY)
    path = in_folder(name, folder) if name else Path(str(library))
    try:
        return SourceFile(path, name or "task library", with_traits=interactive, index=index)
    except OSError as error:
        findings.problem(("tasks", "source"), f"{name or path}: {error.strerror}")
    except PlanError as error:
        findings.problems += error.problems
    return None


def tools_digest(sound: Mapping[str, Any], folder: Path, findings: Findings) -> str:
    """The digest of the tools file, empty without one."""
    name = as_table(sound.get("tasks")).get("tools", "")
    if not name:
        return ""
    try:
        return digest(in_folder(name, folder).read_bytes())
    except OSError as error:
        findings.problem(("tasks", "tools"), f"{name}: {error.strerror}")
        return ""


def check_library(
    sound: Mapping[str, Any], folder: Path, source: SourceFile | None, findings: Findings
) -> None:
    """Let the interactive executor itself look at a user's task file and tools."""
    tasks = as_table(sound.get("tasks"))
    names = {key: tasks.get(key, "") for key in ("source", "tools")}
    if tasks.get("executor") != "interactive" or not any(names.values()):
        return
    if source is None or source.path.stat().st_size > _MAX_LIBRARY_BYTES:
        names["source"] = ""
    paths = {key: str(in_folder(name, folder)) if name else "" for key, name in names.items()}
    if not all(not path or Path(path).is_file() for path in paths.values()):
        return
    as_written = {path: names[key] for key, path in paths.items()}
    findings.problems += [
        msgspec.structs.replace(problem, file=as_written.get(problem.file, problem.file))
        for problem in library_problems(paths["source"], paths["tools"])
    ]


def check_programs(sound: Mapping[str, Any], folder: Path, findings: Findings) -> None:
    """Programs that the plan names can be started."""
    tasks = as_table(sound.get("tasks"))
    if "argv" in tasks and tasks.get("executor") == "command":
        _check_program(tasks["argv"][0], folder, ("tasks", "argv"), findings)
    commands: dict[KeyPath, Any] = {
        ("endpoints", index, "api_key_command"): endpoint.get("api_key_command")
        for index, endpoint in enumerate(as_list(sound.get("endpoints")))
    }
    commands |= {("notify", key): value for key, value in as_table(sound.get("notify")).items()}
    for place, command in commands.items():
        if command:
            words = shlex.split(command) if isinstance(command, str) else command
            _check_program(words[0], folder, place, findings)
    if python := tasks.get("python"):
        _check_program(python, folder, ("tasks", "python"), findings)


def check_entry(sound: Mapping[str, Any], folder: Path, findings: Findings) -> None:
    """The python executor's function imports on its interpreter, if that one can be started."""
    tasks = as_table(sound.get("tasks"))
    python = interpreter(tasks.get("python", ""), folder)
    if tasks.get("executor") != "python" or "entry" not in tasks:
        return
    if python and not _can_start(python, folder):
        return
    fault, hint = entry_fault(tasks["entry"], folder, python)
    if fault:
        findings.problem(("tasks", "entry"), f"{tasks['entry']}: {fault}", hint)


def entry_digest(tasks: Mapping[str, Any], folder: Path) -> str:
    """Digest of the executor's own file, where it lies in the plan's folder; else empty."""
    if tasks["executor"] == "python":
        module = tasks["entry"].partition(":")[0].replace(".", "/")
        candidates = [f"{module}.py", f"{module}/__init__.py"]
    elif tasks["executor"] == "command":
        candidates = [word for word in tasks["argv"] if word]
    else:
        candidates = []
    home = folder.resolve()
    for candidate in candidates:
        file = folder / candidate
        try:
            if file.is_file() and home in file.resolve().parents:
                return digest(file.read_bytes())
        except OSError:
            # A word that is too long for a file name, or a file that cannot be read: no digest.
            continue
    return ""


def digest(content: bytes) -> str:
    """The digest that a run remembers of a file."""
    return hashlib.blake2b(content, digest_size=DIGEST_BYTES).hexdigest()


def _can_start(program: str, folder: Path) -> bool:
    if "/" in program:
        path = in_folder(program, folder)
        return path.is_file() and os.access(path, os.X_OK)
    return shutil.which(program) is not None


def _check_program(program: str, folder: Path, place: KeyPath, findings: Findings) -> None:
    if not _can_start(program, folder):
        shown = "the program" if looks_secret(program) else program
        findings.problem(place, f"{shown}: no such program")
