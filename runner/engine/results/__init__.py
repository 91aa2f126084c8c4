"""Durable results: one Parquet row an attempt, acknowledged only when it cannot be lost any more.

This face is light (names of parts, notices); what needs pyarrow is imported by its own name, where
it is used: ``writer.ResultsWriter``, ``recover``, ``read``.
"""

from runner.engine.results.notices import (
    Compacted,
    CompactFailed,
    Failed,
    Finished,
    Notice,
    Notices,
    Recovered,
    Written,
)
from runner.engine.results.parts import FIRST_ROW, FOLDER, Live, Part, live, parts_in, select

__all__ = [
    "FIRST_ROW",
    "FOLDER",
    "CompactFailed",
    "Compacted",
    "Failed",
    "Finished",
    "Live",
    "Notice",
    "Notices",
    "Part",
    "Recovered",
    "Written",
    "live",
    "parts_in",
    "select",
]
