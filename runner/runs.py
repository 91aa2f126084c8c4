"""Runs on disk: where they lie, how one is named, whether its engine lives.

Apart from the engine because every command needs it and none of them needs an engine. Nothing here
writes.
"""

import fcntl
import os
from pathlib import Path

import msgspec
from msgspec import Struct

from runner.errors import RunAmbiguous, RunNotFound

LOCK = "run.lock"
LOG = "events.jsonl"
ABOUT = "run.json"
_NAME_CHARS = 60
"""More of a name than this is repeated in no message."""


class RunInfo(Struct, kw_only=True):
    """One run of the list: what ``run.json`` says of it, and whether an engine holds its lock."""

    run_id: str
    run_dir: Path
    name: str = ""
    created: float = 0.0
    live: bool = False
    digests: dict[str, str] = {}
    endpoints: list[str] = []
    """Base addresses that it calls."""
    shard: tuple[int, int] | None = None
    """Part and number of parts, where the plan is shared between runs."""
    notes: list[str] = []
    """What is worth knowing at its start, e.g. that another live run calls the same endpoint."""


class _About(Struct, kw_only=True):
    run_id: str
    name: str = ""
    created: float = 0.0
    digests: dict[str, str] = {}
    endpoints: list[str] = []
    shard: tuple[int, int] | None = None


class Signature(Struct):
    """What of a lock's text is of use to others: who holds it, or held it last."""

    pid: int


def runs_folder(given: str | None = None) -> Path:
    """``--runs-dir``, else ``$PILOT_RUNS``, else ``./runs``."""
    return Path(given or os.environ.get("PILOT_RUNS") or "runs").absolute()


def known_list() -> Path:
    """The list of this user's runs, one absolute folder a line, wherever they were started."""
    state = os.environ.get("XDG_STATE_HOME") or str(home_folder() / ".local" / "state")
    return Path(state) / "pilot-tui" / "runs"


def home_folder() -> Path:
    """The user's home; the temporary folder for a user who has none, as in some containers."""
    try:
        return Path.home()
    except RuntimeError:
        import tempfile

        return Path(tempfile.gettempdir()) / f"pilot-tui-{os.getuid()}"


def engine_alive(run_dir: Path) -> bool:
    """Whether an engine holds the run's lock. The kernel frees it with the process, kill -9 too."""
    try:
        handle = os.open(run_dir / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:  # none there, or none that this user may look at
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks, where no engine starts either
        return False
    finally:
        os.close(handle)
    return False


def engine_pid(run_dir: Path) -> int:
    """Pid of the engine that holds the run's lock; 0 if none does, or it has not signed yet.

    Never signal 0: that is one's own process group.
    """
    if not engine_alive(run_dir):
        return 0
    try:
        return msgspec.json.decode((run_dir / LOCK).read_bytes(), type=Signature).pid
    except (OSError, msgspec.MsgspecError):
        return 0


def about(run_dir: Path) -> RunInfo | None:
    """What is known of the run in that folder; None if it holds none."""
    try:
        found = msgspec.json.decode((run_dir / ABOUT).read_bytes(), type=_About)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        if not _is_file(run_dir / LOG):
            return None
        found = _About(run_id=run_dir.name)
    return RunInfo(
        run_id=found.run_id,
        run_dir=run_dir,
        name=found.name,
        created=found.created,
        live=engine_alive(run_dir),
        digests=found.digests,
        endpoints=found.endpoints,
        shard=found.shard,
    )


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # no permission, a name too long: nothing that can be used here
        return False


def list_runs(folder: Path) -> list[RunInfo]:
    """The user's runs: those of ``folder`` and those of the list; live first, then newest."""
    places: dict[Path, None] = {}
    if folder.is_dir():
        places.update(dict.fromkeys(sorted(folder.iterdir())))
    try:
        lines = known_list().read_text("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    places.update(dict.fromkeys(Path(line) for line in lines if line and "\0" not in line))
    found = [info for place in places if (info := about(place))]
    return sorted(found, key=lambda info: (not info.live, -info.created, info.run_id))


def find_run(name: str | None, folder: Path) -> RunInfo:
    """The run that ``name`` means: an id, a unique prefix, a path, ``latest``.

    Without a name: the one live run. `RunNotFound` or `RunAmbiguous` otherwise.
    """
    if name and ("/" in name or name == "."):
        info = about(Path(name).absolute())
        if info is None:
            raise RunNotFound(f"{_short(name)} is not a run folder; pilot-tui ls lists yours")
        return info
    runs = list_runs(folder)
    if not name:
        live = [info for info in runs if info.live]
        if not live:
            raise RunNotFound("there is no live run; name another one: pilot-tui ls lists them")
        return _only(live, "a live run", runs, folder)
    if name == "latest":
        if not runs:
            raise RunNotFound(f"there is no run in {folder}; begin with: pilot-tui demo")
        return max(runs, key=lambda info: info.created)
    exact = [info for info in runs if info.run_id == name]
    if exact:
        return exact[0]
    return _only([info for info in runs if info.run_id.startswith(name)], name, runs, folder)


def _only(found: list[RunInfo], wanted: str, runs: list[RunInfo], folder: Path) -> RunInfo:
    if not found:
        import difflib  # 5 ms that only a mistake needs

        text = f"there is no run {_short(wanted)!r} in {folder} or in the list of your runs"
        near = difflib.get_close_matches(wanted[:_NAME_CHARS], [info.run_id for info in runs], 1)
        hint = f"did you mean {near[0]}?" if near else "pilot-tui ls lists them"
        raise RunNotFound(f"{text}; {hint}")
    if len(found) > 1:
        names = ", ".join(info.run_id for info in found[:5])
        raise RunAmbiguous(f"{_short(wanted)!r} means {len(found)} runs: {names}")
    return found[0]


def _short(name: str) -> str:
    return name if len(name) <= _NAME_CHARS else name[:_NAME_CHARS] + "…"
