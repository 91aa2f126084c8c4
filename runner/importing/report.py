"""What an import did, for the person who asked for it."""

from pathlib import Path

from msgspec import Struct


class Skipped(Struct, frozen=True):
    """A file that was not taken in, and why."""

    file: str
    why: str


class Imported(Struct, kw_only=True):
    """A finished import. ``notes`` say what was made up because the logs do not tell."""

    run_id: str
    run_dir: Path
    tests: int
    turns: int
    doubled: int
    """Messages that the logs held twice and the run holds once."""
    skipped: list[Skipped]
    notes: list[str]
