"""The run folder: made for a new run, read for an old one.

Apart from `boot` because launching (a process of the user's) makes the folder and the engine, in a
process of its own, only opens it. What is written here is for people and for resume; no key is ever
part of it.
"""

import os
import secrets
import time
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from runner.engine.config import PlanDocument, read_plan
from runner.engine.durable import write_file
from runner.engine.results.parts import FOLDER
from runner.errors import RunError, RunExists
from runner.runs import ABOUT, LOCK, about, known_list

SCHEMA: Final = 1
PLAN: Final = "plan.toml"
_ID_CHARS: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
_LIST_MOST: Final = 500


class About(Struct, kw_only=True, omit_defaults=True):
    """``run.json``."""

    run_id: str
    schema: int = SCHEMA
    version: str = ""
    name: str = ""
    created: float = 0.0
    plan_file: str = ""
    plan_folder: str = ""
    overrides: dict[str, str] = {}
    digests: dict[str, str] = {}
    limit: int | None = None
    only: list[str] = []
    shard: tuple[int, int] | None = None
    """Part and number of parts, of a plan that is shared between runs."""
    control: str = ""
    endpoints: list[str] = []
    retry: list[str] = []
    new_plan: bool = False
    """A changed plan was taken at resume: what the log says of the plan holds no longer."""
    imported: str = ""
    """Where another harness's logs lay that this run was made of; empty for runs of ours."""


def new_id() -> str:
    """An id that sorts by time and is short to type by prefix: ``7f3a-1121-2304``."""
    return f"{secrets.token_hex(2)}-{time.strftime('%m%d-%H%M%S')}"


def check_id(run_id: str) -> str:
    """The id itself, if it may name a folder; `RunError` otherwise."""
    if not run_id or run_id.startswith((".", "-")) or not set(run_id) <= _ID_CHARS:
        raise RunError(f"{run_id!r} cannot be a run id: letters, digits, '.', '_' and '-' only")
    if len(run_id) > 64:
        raise RunError("a run id has at most 64 characters")
    return run_id


def create(
    runs_dir: Path,
    document: PlanDocument,
    *,
    run_id: str | None,
    limit: int | None,
    only: list[str],
    shard: tuple[int, int] | None,
    version: str,
) -> Path:
    """A fresh folder (0700) with plan and ``run.json``; `RunExists` if the id is taken."""
    run_dir = _make(runs_dir, run_id)
    write_file(run_dir / PLAN, document.content)
    found = About(
        run_id=run_dir.name,
        version=version,
        name=document.plan.run.name,
        created=time.time(),
        plan_file=str(document.file),
        plan_folder=str(document.folder),
        overrides=dict(document.overrides),
        digests=dict(document.digests),
        endpoints=[endpoint.base_url for endpoint in document.plan.endpoints],
        limit=limit,
        only=only,
        shard=shard,
    )
    save(run_dir, found)
    enlist(run_dir)
    return run_dir


def imported_folder(runs_dir: Path, run_id: str | None, *, name: str, source: Path) -> Path:
    """A fresh folder for a run that another harness made; `RunExists` if the id is taken."""
    run_dir = _make(runs_dir, run_id)
    found = About(
        run_id=run_dir.name, name=name, created=time.time(), imported=str(source.absolute())
    )
    save(run_dir, found)
    enlist(run_dir)
    return run_dir


def _make(runs_dir: Path, run_id: str | None) -> Path:
    chosen = check_id(run_id) if run_id else new_id()
    run_dir = runs_dir / chosen
    try:
        runs_dir.mkdir(parents=True, exist_ok=True)
        run_dir.mkdir(mode=0o700)
        (run_dir / FOLDER).mkdir()
        (run_dir / "work").mkdir()
    except FileExistsError:
        raise RunExists(f"run {chosen} exists already in {runs_dir}") from None
    except OSError as error:
        raise RunError(f"{run_dir} cannot be made: {error.strerror}") from error
    os.close(os.open(run_dir / LOCK, os.O_RDWR | os.O_CREAT, 0o600))
    return run_dir


def save(run_dir: Path, found: About) -> None:
    """Replace ``run.json`` atomically."""
    write_file(run_dir / ABOUT, msgspec.json.format(msgspec.json.encode(found)) + b"\n")


def load(run_dir: Path) -> About:
    """``run.json``; `RunError` if it cannot be read."""
    try:
        return msgspec.json.decode((run_dir / ABOUT).read_bytes(), type=About)
    except OSError as error:
        raise RunError(f"{run_dir / ABOUT}: {error.strerror}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise RunError(f"{run_dir / ABOUT}: {error}") from error


def document_of(run_dir: Path, found: About, **options: Any) -> PlanDocument:
    """The plan that the run began with, its files relative to where it first lay."""
    return read_plan(run_dir / PLAN, found.overrides, folder=found.plan_folder, **options)


def enlist(run_dir: Path) -> None:
    """Put the run on the user's list; entries whose folder is gone are left out, 500 are kept.

    A list that cannot be written only costs finding the run from another folder, so it is no error.
    """
    path = known_list()
    try:
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
        kept = [line for line in lines if line and about(Path(line)) and Path(line) != run_dir]
        path.parent.mkdir(parents=True, exist_ok=True)
        text = "\n".join([*kept[-_LIST_MOST:], str(run_dir)]) + "\n"
        write_file(path, text.encode())
    except OSError:
        return
