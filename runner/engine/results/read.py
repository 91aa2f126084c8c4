"""Reading results while the run goes on: the compactor may remove a file between list and open.

Apart because resume, reports and scripts must all see each row exactly once, at any instant, and
must notice a damaged page (polars' own reader verifies nothing).
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from runner.engine.results.arrow import Table, pa
from runner.engine.results.partfile import UNREADABLE, open_part, what_arrow_said
from runner.engine.results.parts import live
from runner.engine.results.schema import SCHEMA
from runner.errors import RunError

_TRIES: Final = 50


class Recorded(Struct, frozen=True):
    """Who a row belongs to and how it ended; ``row`` is its commit number."""

    row: int
    task_id: str
    attempt: int
    attempt_id: str
    outcome: str
    cause: str


def read_table(folder: Path, columns: Sequence[str] | None = None) -> Table:
    """All rows that are durable now, in commit order, as an Arrow table.

    `RunError` names a part that is damaged.
    """
    return _tables(folder, columns)[1]


def read_frame(folder: Path, columns: Sequence[str] | None = None) -> Any:
    """`read_table` as a `polars.DataFrame`."""
    import polars as pl

    table: Any = read_table(folder, columns)
    return pl.DataFrame(table)


def recorded(folder: Path) -> Iterator[Recorded]:
    """Each durable row's identity and outcome, in commit order: what resume has to know."""
    numbers, table = _tables(folder, Recorded.__struct_fields__[1:])
    values = (table.column(name).to_pylist() for name in Recorded.__struct_fields__[1:])
    return (Recorded(*row) for row in zip(numbers, *values, strict=True))


def _tables(folder: Path, columns: Sequence[str] | None) -> tuple[list[int], Table]:
    """Commit numbers and rows; listed anew when the compactor overtook us."""
    names = list(columns) if columns is not None else SCHEMA.names
    last: FileNotFoundError | None = None
    for _ in range(_TRIES):
        numbers: list[int] = []
        tables = [pa.schema([SCHEMA.field(name) for name in names]).empty_table()]
        try:
            for part in live(folder).parts:
                tables.append(_read(folder / part.name, names))
                numbers.extend(range(part.first, part.last + 1))
        except FileNotFoundError as error:
            last = error
            continue
        return numbers, pa.concat_tables(tables)
    raise OSError(f"{folder} changes faster than it can be read") from last


def _read(path: Path, names: list[str]) -> Table:
    try:
        with open_part(path) as file:
            return file.read(columns=names, use_threads=False).select(names)
    except FileNotFoundError:
        raise
    except UNREADABLE as error:
        said = what_arrow_said(error)
        run = path.parent.parent.name
        raise RunError(f"{path.name} is damaged ({said}). See: pilot-tui verify {run}") from error
