"""Other harnesses' logs as runs of ours: they replay, report and verify like any other.

Apart from the engine because nothing is run here; but events, rows and files go through the
engine's own doors, so an imported folder differs from others only in who wrote it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from runner.errors import PlanError, Problem
from runner.importing.report import Imported

KINDS: Final[Sequence[str]] = ("workflowbench",)


def import_logs(kind: str, path: Path, runs_dir: Path, run_id: str | None = None) -> Imported:
    """Make a run in ``runs_dir`` out of the logs at ``path``.

    `PlanError` where nothing there can be used; then nothing is made. `RunExists` if the id is
    taken.
    """
    if kind not in KINDS:
        text = f"{kind!r} is not known"
        hint = f"known: {', '.join(KINDS)}"
        raise PlanError([Problem(file="import", key="KIND", text=text, hint=hint)])
    from runner.importing.run import write_run
    from runner.importing.workflowbench import read_folder

    return write_run(read_folder(path), runs_dir, run_id)


__all__ = ["KINDS", "Imported", "import_logs"]
