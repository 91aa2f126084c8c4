"""Merges parts while the run goes on, and all of them into one file at its end.

Apart from the writer because it is a thread of its own: a merge of hundreds of megabytes must not
make a finished attempt wait. The two never touch the same file: the writer only adds parts, the
compactor only merges parts that are acknowledged already.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from runner.engine.durable import Disk, explain
from runner.engine.results.notices import Compacted, CompactFailed, Finished, Notices
from runner.engine.results.parts import Part, live

if TYPE_CHECKING:
    from runner.engine.results.arrow import Table
    from runner.engine.results.partfile import Stored

MERGE_AT: Final = 64
"""Live parts that start a merge: 10,000 small parts cost 1.06 s to group by, one file 10 ms."""
ROW_GROUP_BYTES: Final = 16 * 1024 * 1024
"""Small parts are joined into row groups of about this size; it bounds the memory of a merge."""


_GIVE_WAY_S: Final = 0.2
"""The longest that the merge waits for the writer before each row group that it reads."""


class _Abandoned(Exception):
    """The engine leaves: what was begun is dropped, the members stay."""


class _BadMember(Exception):
    """A part is damaged and must not be merged: its digest would be replaced by a good one."""

    def __init__(self, part: Part, problem: str) -> None:
        super().__init__(f"{part.name}: {problem}")
        self.part = part


class Compactor:
    """The merging thread: merges when ``every`` parts are live.

    ``known`` are the digests of parts that are there at the start, as far as the log has them;
    ``behind`` says whether the writer has more to do than it can.
    """

    def __init__(
        self,
        folder: Path,
        notices: Notices,
        disk: Disk,
        known: dict[Part, str],
        every: int,
        behind: Callable[[], bool],
    ) -> None:
        self._folder = folder
        self._notices = notices
        self._disk = disk
        self._every = every
        self._behind = behind
        self._changed = threading.Condition()
        self._parts: dict[Part, str | None] = {part: known.get(part) for part in live(folder).parts}
        self._threshold = every
        self._bad: set[Part] = set()
        self._one_file = False
        self._closing = False
        self._abandoned = False
        self._thread = threading.Thread(target=self._run, name="compactor", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def added(self, stored: "Stored") -> None:
        """The writer's call: one more part is acknowledged."""
        with self._changed:
            self._parts[stored.part] = stored.digest
            if len(self._parts) >= self._threshold:
                self._changed.notify()

    def finish(self, one_file: bool) -> None:
        """Merge what is left into one file, if so asked; then `Finished`, and the thread ends."""
        with self._changed:
            self._one_file = one_file
            self._closing = True
            self._changed.notify()

    def abandon(self) -> None:
        """Drop a merge that is under way at its next row group, and end the thread."""
        self._abandoned = True
        self.finish(one_file=False)

    def join(self, timeout_s: float) -> bool:
        """Whether the thread has ended within ``timeout_s``."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while self._wait():
            members = _newest(self._runs()[-1:], self._folder, self._every)
            self._merge_or_tell(members)
        if self._one_file:
            self._merge_all()
        if not self._abandoned:
            self._notices.put(Finished(len(self._parts)))

    def _merge_all(self) -> None:
        """One file; with damaged parts in the way, one on either side of each."""
        damaged = -1
        while damaged < len(self._bad):
            damaged = len(self._bad)
            for run in self._runs():
                self._merge_or_tell(run)

    def _wait(self) -> bool:
        with self._changed:
            while len(self._parts) < self._threshold and not self._closing:
                self._changed.wait()
            return not self._closing

    def _runs(self) -> list[list[Part]]:
        """The live parts in runs without a hole; a damaged part belongs to none."""
        runs: list[list[Part]] = []
        with self._changed:
            parts = sorted(self._parts)
        for part in parts:
            if part in self._bad:
                runs.append([])
            elif runs and runs[-1] and runs[-1][-1].last + 1 == part.first:
                runs[-1].append(part)
            else:
                runs.append([part])
        return runs

    def _merge_or_tell(self, members: list[Part]) -> None:
        """Merge, or leave everything as it is and say why; the next try is `every` parts later."""
        failed: CompactFailed | None = None
        try:
            if len(members) > 1:
                self._merge(members)
        except _BadMember as error:
            self._bad.add(error.part)
            failed = CompactFailed(str(error), error.part.name)
        except _Abandoned:
            return
        except OSError as error:
            failed = CompactFailed(explain(error))
        except Exception as error:  # noqa: BLE001 - a dead thread would stop all later merges unseen
            failed = CompactFailed(f"{type(error).__name__}: {error}")
        with self._changed:
            self._threshold = max(self._every, len(self._parts) + self._every // 2)
        if failed is not None:
            self._notices.put(failed)

    def _merge(self, members: list[Part]) -> None:
        from runner.engine.results.partfile import store

        cover = Part(members[0].first, members[-1].last)
        stored = store(self._folder / cover.name, cover, self._tables(members), self._disk)
        with self._changed:
            for part in members:
                del self._parts[part]
            self._parts[cover] = stored.digest
        self._notices.put(
            Compacted(
                first=cover.first,
                last=cover.last,
                rows=cover.rows,
                bytes=stored.bytes,
                part=cover.name,
                digest=stored.digest,
                members=len(members),
            )
        )
        for part in members:
            try:
                self._disk.unlink(self._folder / part.name)
            except OSError:
                pass  # readers skip covered parts and start-up removes them

    def _tables(self, members: list[Part]) -> Iterator["Table"]:
        """The members' rows in row groups worth reading; `_BadMember` as soon as one is damaged."""
        from runner.engine.results.arrow import pa

        held: list[Table] = []
        size = 0
        for part in members:
            for table in self._sound(part):
                self._give_way()
                if self._abandoned:
                    raise _Abandoned
                if held and size + table.nbytes > ROW_GROUP_BYTES:
                    yield pa.concat_tables(held).combine_chunks()
                    held, size = [], 0
                held.append(table)
                size += table.nbytes
        yield pa.concat_tables(held).combine_chunks()

    def _give_way(self) -> None:
        """Rows that wait come first; but a flood that lasts must not stop the merging."""
        until = time.monotonic() + _GIVE_WAY_S
        while self._behind() and not self._closing and time.monotonic() < until:
            time.sleep(_GIVE_WAY_S / 10)

    def _sound(self, part: Part) -> Iterator["Table"]:
        from runner.engine.results.partfile import DamagedPartError, sound_tables

        tables = sound_tables(self._folder / part.name, part, self._parts[part])
        while True:
            try:
                table = next(tables, None)
            except (DamagedPartError, FileNotFoundError) as error:
                raise _BadMember(part, str(error)) from error
            if table is None:
                return
            yield table


def _newest(runs: list[list[Part]], folder: Path, every: int) -> list[Part]:
    """Which of the last run's parts to merge."""
    parts = runs[0] if runs else []
    return parts[len(parts) - worth_merging([_size(folder / p.name) for p in parts], every // 2) :]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # the merge itself finds out and says so


def worth_merging(sizes: Sequence[int], at_least: int) -> int:
    """How many of the newest parts to merge, given all sizes in bytes, oldest first.

    The newest ``at_least``, then older ones as long as each is at most twice what is taken so far.
    So a part is rewritten about log2(run / merge) times, never once a merge.
    """
    taken = min(at_least, len(sizes))
    total = sum(sizes[len(sizes) - taken :])
    while taken < len(sizes) and sizes[-taken - 1] <= 2 * total:
        total += sizes[-taken - 1]
        taken += 1
    return taken
