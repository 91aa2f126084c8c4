"""Was anything saved: the ages of result files in a folder that a foreign program writes to.

Apart because it walks a tree that may be huge, on a disk that may be slow, so it is bounded.
"""

import os
import time
from pathlib import Path
from typing import Final

from runner.doctor.model import Data, Unread

STALE_TMP_S: Final = 600.0
MOST_ENTRIES: Final = 20_000
_RESULTS: Final = ".parquet"
_TMP: Final = (".tmp", ".temp", ".partial", ".inprogress")


def look_at(folder: Path) -> tuple[Data, list[Unread]]:
    """What is in ``folder`` and below it, and the parts that could not be read."""
    unread: list[Unread] = []

    def refused(error: OSError) -> None:
        name = str(error.filename or folder)
        unread.append(Unread(name, error.strerror or str(error), f"sudo ls -la {name}"))

    now = time.time()
    results: list[tuple[float, str]] = []
    tmp_ages: list[float] = []
    empty: list[str] = []
    entries = 0
    for place, folders, files in os.walk(folder, onerror=refused):
        entries += len(files) + len(folders)
        if not files and not folders and Path(place) != folder:
            empty.append(os.path.relpath(place, folder))
        for name in files:
            age = _age(Path(place, name), now)
            if age is None:
                continue
            if name.lower().endswith(_RESULTS):
                results.append((age, os.path.relpath(Path(place, name), folder)))
            elif name.lower().endswith(_TMP) and age > STALE_TMP_S:
                tmp_ages.append(age)
        if entries > MOST_ENTRIES:
            why = f"it holds more than {MOST_ENTRIES} files"
            unread.append(Unread(f"all of {folder}", why, f"find {folder} -name '*.parquet' -ls"))
            break
    newest_age, newest = min(results, default=(None, ""))
    data = Data(
        folder=str(folder),
        files=len(results),
        newest=newest,
        newest_age_s=newest_age,
        empty_folders=sorted(empty),
        stale_tmp=len(tmp_ages),
        oldest_tmp_age_s=max(tmp_ages, default=0.0),
    )
    return data, unread


def _age(path: Path, now: float) -> float | None:
    """Seconds since the file was written; None if it is gone by now."""
    try:
        return max(0.0, now - path.lstat().st_mtime)
    except OSError:
        return None
