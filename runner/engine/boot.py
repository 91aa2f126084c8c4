"""Puts an engine together: from a run folder to a loop that may turn.

All construction is here, so that every other module is handed what it needs and makes nothing
itself. Order matters: the lock first, the past second, and nothing is started before
`EngineStarted` is on its way to the disk.
"""

import importlib.metadata
import os
import selectors
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from runner.core import events as ev
from runner.core import messages as m
from runner.core.outcomes import is_scored
from runner.core.plan import Plan
from runner.core.policy.dispatch import Queue
from runner.core.state import State
from runner.engine import elsewhere, leftovers
from runner.engine import results as res
from runner.engine.attempts import Attempts, Live
from runner.engine.autopsy import Finding
from runner.engine.axis import Axis
from runner.engine.commands import Commands
from runner.engine.config import PlanDocument
from runner.engine.control import ControlServer
from runner.engine.dispatcher import Dispatcher
from runner.engine.durable import explain
from runner.engine.folder import About, document_of, load, save
from runner.engine.hosts import HostLink, LocalHosts
from runner.engine.inbox import Inbox
from runner.engine.journal import Journal
from runner.engine.lock import Holder, acquire, boot_id
from runner.engine.log import EventLog, seal_transcript
from runner.engine.loop import Loop, Parts
from runner.engine.notify import Notifier
from runner.engine.pulse import Pulse
from runner.engine.recover import (
    Past,
    adopt_emergencies,
    end_lost,
    queue_retries,
    read_past,
    survey,
    tell_found,
)
from runner.engine.results.parts import FOLDER
from runner.engine.results.queue import PROMPT, UNHURRIED
from runner.engine.results.writer import ResultsWriter
from runner.engine.steering import Steering
from runner.engine.storage import Storage
from runner.engine.supervisor import Supervisor
from runner.engine.task_file import SourceIndex
from runner.engine.tasks import NoTasks, TaskSource
from runner.masking import Secrets
from runner.runs import LOCK

CLOSE_S: Final = 10.0
CLOSE_ILL_S: Final = 1.0


def version() -> str:
    """The installed version; ``0`` in a source tree that was never installed."""
    try:
        return importlib.metadata.version("pilot-tui")
    except importlib.metadata.PackageNotFoundError:
        return "0"


def handed_over(handle: int | None) -> SourceIndex | None:
    """What the launcher's one reading of the task file found, out of its unnamed file."""
    if handle is None:
        return None
    with os.fdopen(handle, "rb") as file:
        file.seek(0)
        try:
            return msgspec.msgpack.decode(file.read(), type=SourceIndex)
        except msgspec.MsgspecError:
            return None  # cut short, e.g. by a full disk: the file is read again


def note(text: str) -> None:
    """A line for ``engine.log``, which may lie on a disk that takes nothing any more.

    The first line, at the start, sees to it that the last one finds a block to stand in.
    """
    stamp = time.strftime("%Y-%m-%d %H:%M:%S")
    try:
        sys.stderr.write(f"{stamp} {text}\n")
        sys.stderr.flush()
    except OSError:
        return


class Engine:
    """A whole engine. Construction takes the lock and reads the past; `run` turns the loop."""

    def __init__(self, run_dir: Path, index: SourceIndex | None = None) -> None:
        self.run_dir = run_dir
        self._lock = acquire(run_dir / LOCK, Holder(os.getpid(), boot_id(), time.time()))
        self._about = load(run_dir)
        leftovers.end(run_dir)
        past = read_past(run_dir)
        if elsewhere.adopt(run_dir, past.last):
            past = read_past(run_dir)
        document = document_of(run_dir, self._about, check_entry=False, index=index)
        if past.state.plan is not None and not self._about.new_plan:
            document = _as_agreed(document, past.state)
        source = document.tasks(
            limit=self._about.limit, only=self._about.only, shard=self._about.shard
        )
        adopt_emergencies(run_dir, self._about.run_id, elsewhere.folders())
        live, found = survey(run_dir, past.digests)
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        log = EventLog(run_dir, body_end=past.body_end)
        journal = Journal(past.state, Axis(past.state.at), log)
        notices = res.Notices(partial(os.eventfd_write, self._wake, 1))
        rows = ResultsWriter(
            run_dir / FOLDER,
            notices,
            next_row=live.next_row,
            digests=past.digests,
            pace=UNHURRIED if document.plan.is_wrap else PROMPT,
        )
        storage = Storage(run_dir, journal, log, rows, notices)
        self._tell_start(journal, document.plan, source, past, log.torn_bytes)
        tell_found(journal, found)
        self.notifier = Notifier(journal, run_dir, document.folder)
        self._loop, self._steering = _assemble(self, journal, storage, document, source, self._wake)
        end_lost(journal, self._steering.find_task, storage.put_row, live.next_row)
        if self._about.retry or self._about.new_plan:
            queue_retries(journal, past.causes, self._about.retry)
            self._about.retry, self._about.new_plan = [], False
            save(run_dir, self._about)
        self._steering.queue_open_tasks()
        self._storage, self._journal = storage, journal
        self.signalled = self._loop.signalled
        log.start()
        rows.start()

    @property
    def about(self) -> About:
        """What ``run.json`` says."""
        return self._about

    def listens_at(self, path: Path) -> None:
        """Note a control socket that does not lie in the run folder."""
        noted = "" if path.parent == self.run_dir else str(path)
        if noted != self._about.control:
            self._about.control = noted
            save(self.run_dir, self._about)

    def _tell_start(
        self,
        journal: Journal,
        plan: Plan,
        source: TaskSource | NoTasks,
        past: Past,
        torn_bytes: int,
    ) -> None:
        journal.emit(
            ev.EngineStarted(
                epoch=past.state.epoch + 1,
                wall=journal.axis.wall,
                boot_id=boot_id(),
                pid=os.getpid(),
                run_id=self._about.run_id,
                version=version(),
                tasks_total=len(source),
                plan=plan,
                plan_file=self._about.plan_file,
                torn_bytes=torn_bytes,
            )
        )

    def run(self) -> int:
        """Turn until the run is over; its exit code."""
        note(f"engine {os.getpid()} took run {self._about.run_id}")
        self._loop.start(self._journal.state.target_workers)
        try:
            self._storage.warm()  # while the hosts load their own libraries
            self._loop.run()
        finally:
            self._loop.close()
            leftovers.end(self.run_dir)
        # Who stopped the run has waited for the disk already.
        if not self._storage.close(CLOSE_ILL_S if self._storage.trouble() else CLOSE_S):
            self._save_elsewhere()
        elif self._journal.state.status == "finished":
            seal_transcript(self.run_dir)
        # The folder is complete and free: a slow program holds up no resume.
        os.close(self._lock)
        self.notifier.at_end()
        return self._journal.state.exit_code

    def _save_elsewhere(self) -> None:
        _save_somewhere("results", self._storage.save_rows)
        if not self._storage.log_kept:
            _save_somewhere("events", self._storage.save_log)


def _save_somewhere(what: str, save: Callable[[Path], Path | None]) -> None:
    for folder in elsewhere.folders():
        try:
            path = save(folder)
        except OSError as error:
            note(f"{what} could not be saved to {folder}: {explain(error)}")
            continue
        if path is not None:
            note(f"{what} that the disk did not take are in {path}; resume takes them in")
        return


def _as_agreed(document: PlanDocument, state: State) -> PlanDocument:
    """The plan as it was last changed in mid-run: a resume takes it as agreed."""
    from dataclasses import replace

    return replace(document, plan=state.plan) if state.plan is not None else document


def _assemble(
    engine: Engine,
    journal: Journal,
    storage: Storage,
    document: PlanDocument,
    source: TaskSource | NoTasks,
    wake: int,
) -> tuple[Loop, Steering]:
    """Make the parts and tie them together."""
    state = journal.state
    plan, run_dir = document.plan, engine.run_dir
    selector = selectors.DefaultSelector()
    findings: list[Finding] = []

    def report(finding: Finding) -> None:
        findings.append(finding)
        os.eventfd_write(wake, 1)

    def setup(host: int, workers: list[int]) -> m.Setup:
        return m.Setup(
            host=host,
            workers=workers,
            run_id=state.run_id,
            run_dir=str(run_dir),
            plan_dir=str(document.folder),
            plan=state.plan or plan,
        )

    def ended(live: Live, event: ev.AttemptEnded) -> None:
        commands.remember(event)
        if is_scored(event.outcome):
            supervisor.scored(journal.axis.monotonic())
        if event.then != "final":
            queue.again(live.task, alone=event.then == "alone")
        if live.link.alone:
            supervisor.come_home(live.link)

    def may_skip(task_id: str) -> bool:
        return task_id in state.done or task_id in state.tasks

    queue = Queue(plan.models, plan.run.order, source, may_skip)
    pulse = Pulse(journal.axis)
    secrets = Secrets()
    secrets.add_variables((endpoint.api_key_env for endpoint in plan.endpoints), os.environ)
    hosts = LocalHosts(run_dir, state.run_id, secrets, plan.tasks.python)
    attempts = Attempts(journal, storage.put_row, ended)

    def take(link: HostLink, message: m.HostMessage) -> None:
        inbox.take(link, message)

    supervisor = Supervisor(journal, hosts, attempts, setup, take, report, run_dir)
    steering = Steering(run_dir, document, source, queue, journal, attempts, supervisor, storage)
    inbox = Inbox(
        journal,
        attempts,
        pulse,
        lambda link, why: supervisor.drain(link, why, journal.axis.monotonic()),
        steering.stacks_taken,
        secrets,
    )
    commands = Commands(journal, attempts, steering, journal.axis.monotonic)
    control = ControlServer(run_dir, selector, commands.handle)
    engine.listens_at(control.path)
    dispatcher = Dispatcher(journal, attempts, supervisor, queue, steering.paused)
    parts = Parts(
        journal=journal,
        hosts=hosts,
        attempts=attempts,
        supervisor=supervisor,
        dispatcher=dispatcher,
        inbox=inbox,
        pulse=pulse,
        storage=storage,
        steering=steering,
        commands=commands,
        control=control,
        notifier=engine.notifier,
    )
    return Loop(parts, selector, wake, findings), steering
