"""Whether a run folder holds what its log says: each byte of the results, each line, each row.

Apart because it trusts nothing: it shares the rules of parts and events with the writers, but no
state, and it works on a live, a killed and a damaged run alike without changing a byte.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec import Struct, field

from runner.core.events import (
    AttemptEnded,
    EngineStarted,
    Event,
    PartsCompacted,
    RowsFound,
    RowsWritten,
    RunEnded,
    Unknown,
    decode_lines,
)
from runner.core.text import plural
from runner.engine.durable import explain
from runner.engine.elsewhere import rest_of
from runner.engine.log import EVENTS, LogReader
from runner.engine.results.parts import FOLDER, Part, parts_in, select

if TYPE_CHECKING:
    from runner.engine.results.arrow import Table

_TRIES: Final = 50
_NAMED: Final = 20
"""Attempts without a row that are named one by one."""


class BadPart(Struct, frozen=True):
    """A file of ``results/`` that is not what was acknowledged."""

    file: str
    problem: str


class LogReport(Struct):
    """The log by itself. A torn tail is what a killed engine leaves; resume cuts it off."""

    events: int = 0
    torn_bytes: int = 0
    unknown: int = 0
    """Events of types that this version does not know."""
    undecodable: int = 0
    out_of_sequence: int = 0
    """Places where ``seq`` is not the one after the last."""


class VerifyReport(Struct):
    """What ``verify --json`` prints. ``ok`` is False for anything lost, doubled or damaged."""

    ok: bool = True
    rows: int = 0
    """Rows in sound parts, one an attempt."""
    doubled: int = 0
    """Rows too many: more than one of the same attempt."""
    missing: int = 0
    """Attempts that ended, and should have a row by now, but have none."""
    gaps: int = 0
    """Ranges of commit numbers, up to the highest acknowledged one, that no part holds."""
    bad_parts: list[BadPart] = field(default_factory=list[BadPart])
    log: LogReport = field(default_factory=LogReport)
    unrecorded: int = 0
    """Ended attempts whose row was not acknowledged yet: it is awaited, or resume makes it."""
    findings: list[str] = field(default_factory=list[str])
    """Everything found, in sentences."""


class _Logged:
    """What the log says of the results."""

    def __init__(self) -> None:
        self.report = LogReport()
        self.digests: dict[str, str] = {}
        self.acknowledged = 0
        self.ended: dict[str, int] = {}
        self.finished = False
        self.last: Event | None = None

    def take(self, events: Iterable[Event]) -> None:
        """Note what matters of these events, in order."""
        for event in events:
            self.report.events += 1
            if self.last is not None and event.seq != self.last.seq + 1:
                self.report.out_of_sequence += 1
            self.last = event
            match event:
                case RowsWritten() | RowsFound() | PartsCompacted():
                    self.digests[event.part] = event.digest
                    self.acknowledged = max(self.acknowledged, event.last)
                case AttemptEnded():
                    self.ended[event.attempt_id] = event.row
                case RunEnded():
                    self.finished = event.status == "finished"
                case EngineStarted():
                    self.finished = False
                case Unknown():
                    self.report.unknown += 1
                case _:
                    pass


def verify(run_dir: Path) -> VerifyReport:
    """Read everything and compare. Never raises for what it finds; see ``findings``.

    On a live run the log is read first: parts that are newer than it are checked by themselves.
    """
    report = VerifyReport()
    logged = _read_log(run_dir / EVENTS, report)
    report.log = logged.report
    _check_log(report)
    if rest := rest_of(run_dir, logged.last):
        report.findings.append(
            f"{plural(len(rest), 'event')} more lie elsewhere: resume moves them"
        )
    _check_results(run_dir / FOLDER, logged, report)
    return report


def _fault(report: VerifyReport, finding: str) -> None:
    report.ok = False
    report.findings.append(finding)


def _read_log(path: Path, report: VerifyReport) -> _Logged:
    logged = _Logged()
    if not path.is_file():
        _fault(report, f"{path.name} is not there")
        return logged
    reader = LogReader(path)
    try:
        while (chunk := reader.poll()) and not chunk.restarted:
            events, bad = decode_lines(chunk.data)
            logged.take(events)
            logged.report.undecodable += bad
        logged.report.torn_bytes = reader.torn_bytes()
    except OSError as error:
        _fault(report, f"{path.name} cannot be read: {explain(error)}")
    finally:
        reader.close()
    return logged


def _check_log(report: VerifyReport) -> None:
    log = report.log
    if log.undecodable:
        _fault(report, f"{log.undecodable} lines of the log are no events")
    if log.out_of_sequence:
        _fault(
            report, f"the log's numbering breaks {log.out_of_sequence} times: events are missing"
        )
    if log.torn_bytes:
        report.findings.append(f"the log ends in {log.torn_bytes} bytes of an unfinished event")
    if log.unknown:
        report.findings.append(f"{log.unknown} events are of types that this version does not know")


def _check_results(folder: Path, logged: _Logged, report: VerifyReport) -> None:
    for _ in range(_TRIES):
        try:
            bad, tables, held = _read_parts(folder, logged)
            break
        except FileNotFoundError:
            continue  # the compactor of a live run overtook us: list again
        except OSError as error:
            _fault(report, f"the results cannot be read: {explain(error)}")
            return
    else:
        _fault(report, "the results change faster than they can be read")
        return
    report.bad_parts = bad
    for part in bad:
        _fault(report, f"{part.file}: {part.problem}")
    _check_ranges(held, logged, report)
    names = {found.file for found in bad}
    unreadable = [part for part in held if part.name in names]
    due = max([logged.acknowledged, *(part.last for part in held)])
    _check_rows(tables, unreadable, due, logged, report)


def _read_parts(folder: Path, logged: _Logged) -> "tuple[list[BadPart], list[Table], list[Part]]":
    """Bad files, the attempt ids of each sound live part, and all live parts."""
    from runner.engine.results.partfile import open_part, problem_of

    held = select(parts_in(folder)).parts
    bad: list[BadPart] = []
    tables: list[Table] = []
    for path in sorted(folder.glob("*.parquet")):
        part = Part.parse(path.name)
        if part is None:
            bad.append(BadPart(path.name, "its name is not that of a part, but readers take it"))
            continue
        problem = problem_of(path, part, logged.digests.get(path.name))
        if problem:
            bad.append(BadPart(path.name, problem))
        elif part in held:
            with open_part(path) as file:
                tables.append(file.read(columns=["attempt_id"]))
    return bad, tables, held


def _check_ranges(held: list[Part], logged: _Logged, report: VerifyReport) -> None:
    current = select(held)
    gaps = list(current.gaps)
    if logged.acknowledged >= current.next_row:
        gaps.append((current.next_row, logged.acknowledged))
    report.gaps = len(gaps)
    for first, last in gaps:
        _fault(report, f"rows {first}..{last} are in no file")
    for first, last in current.overlaps:
        _fault(report, f"rows {first}..{last} are in two files")


def _check_rows(
    tables: "list[Table]", unreadable: list[Part], due: int, logged: _Logged, report: VerifyReport
) -> None:
    """``due`` is the highest commit number that must be there."""
    from runner.engine.results.arrow import pa, pc

    empty = pa.schema([("attempt_id", pa.string())]).empty_table()
    ids = pa.concat_tables([empty, *tables]).column("attempt_id").combine_chunks()
    report.rows = len(ids)
    report.doubled = report.rows - pc.count_distinct(ids).as_py()
    if report.doubled:
        _fault(report, f"{report.doubled} rows are of attempts that have a row already")
    ended = list(logged.ended)
    has_row = pc.is_in(pa.array(ended, pa.string()), value_set=ids).to_pylist()
    for attempt_id, found in zip(ended, has_row, strict=True):
        row = logged.ended[attempt_id]
        if found or any(part.first <= row <= part.last for part in unreadable):
            continue
        if row > due and not logged.finished:
            report.unrecorded += 1
            continue
        report.missing += 1
        if report.missing <= _NAMED:
            _fault(report, f"attempt {attempt_id} ended, but its row {row} is not there")
    if report.missing > _NAMED:
        _fault(report, f"{report.missing - _NAMED} more attempts ended, but have no row")
    if report.unrecorded:
        report.findings.append(f"{report.unrecorded} ended attempts have no row yet")
