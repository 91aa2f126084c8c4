"""The ready plans of the PILOT benchmark, phases 5.1 to 5.5: named ``pilot:5.3`` like a file.

Apart from reading because a ready plan is a file like any other, which only lies elsewhere. It
lacks models: ``--set models=NAME,NAME``, and for other servers ``endpoints.main.base_url=URL``.
"""

import importlib.resources
from pathlib import Path
from typing import Final

from runner.errors import PlanError, Problem

PREFIX: Final = "pilot:"
_FOLDER: Final = "phases"


def find(name: str) -> Path | None:
    """The file of the ready plan ``name``; None if it names no ready plan, `PlanError` if it tries.

    A file whose name begins so can be given as ``./pilot:...``.
    """
    if not name.startswith(PREFIX):
        return None
    folder = Path(str(importlib.resources.files("runner.engine.config").joinpath(_FOLDER)))
    known = {path.stem: path for path in sorted(folder.glob("*.toml"))}
    found = known.get(name.removeprefix(PREFIX))
    if found is None:
        hint = f"there are {', '.join(PREFIX + stem for stem in known)}"
        raise PlanError([Problem(file=name, key="", text="no such ready plan", hint=hint)])
    return found
