"""Calls a person by the plan's own programs: on trouble, when that is over, and at the end.

Apart from the loop because programs of the user's take their time: each runs in a thread with a
limit, its output goes to ``engine.log``, and the loop looks once a second for how it went. What is
worth a call is decided in `runner.core.policy.alarms`.
"""

import os
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from runner.core import events as ev
from runner.core.plan import Plan
from runner.core.policy.alarms import Calls, Reason, alarms, due
from runner.core.state import State
from runner.core.status import not_scored, run_state
from runner.core.text import block, encodable
from runner.core.verdict import EngineSeen, verdict
from runner.engine.journal import Journal
from runner.engine.leftovers import MARK
from runner.hook import LIMIT_S, Called, Hook
from runner.masking import Secrets

_SEEN: Final = EngineSeen()


class Notifier:
    """The engine's hand on ``[notify]``. `step` never waits."""

    def __init__(self, journal: Journal, run_dir: Path, folder: Path) -> None:
        self._journal = journal
        self._run_dir = run_dir
        self._folder = folder
        self._calls = Calls()
        self._hook: Hook | None = None
        self._thread: threading.Thread | None = None
        self._told: list[ev.Notified] = []
        self._wanted: tuple[str, list[Reason]] | None = None
        """A call that waits for the end of the one under way."""

    def step(self) -> None:
        """Note how calls went and begin the one that is due. To be called once a second."""
        while self._told:
            self._journal.emit(self._told.pop(0))
        state = self._journal.state
        plan = state.plan
        if plan is None or not plan.notify.on_trouble:
            return
        now = self._journal.axis.now()
        reasons = alarms(state, now)
        if what := due(self._calls, reasons, now):
            self._wanted = (what, reasons)
        if self._wanted is not None and not self._busy():
            what, reasons = self._wanted
            self._wanted = None
            message = message_of(state, now, what, reasons, self._run_dir)
            self._begin(plan, plan.notify.on_trouble, what, reasons, message)

    def at_end(self) -> None:
        """Call ``on_end``, once the run has ended and is on the disk. Waits, but never for long."""
        if self._thread is not None:
            self._thread.join(LIMIT_S)
        if self._hook is not None:
            self._hook.kill()
        state = self._journal.state
        plan = state.plan
        if plan is not None and plan.notify.on_end:
            message = message_of(state, state.at, "ended", [], self._run_dir)
            hook = Hook(plan.notify.on_end, self._folder, _environment(self._run_dir))
            _log("on_end", hook.run(message), plan)

    def _busy(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _begin(
        self, plan: Plan, argv: Sequence[str], what: str, reasons: list[Reason], message: bytes
    ) -> None:
        hook = self._hook = Hook(argv, self._folder, _environment(self._run_dir))
        kinds = [reason.kind for reason in reasons]

        def call() -> None:
            called = hook.run(message)
            _log(f"on_trouble ({what})", called, plan)
            self._told.append(
                ev.Notified(
                    what=what, kinds=list(kinds), took_s=round(called.took_s, 3), error=called.error
                )
            )

        self._thread = threading.Thread(target=call, name="notify", daemon=True)
        self._thread.start()


def message_of(
    state: State, now: float, what: str, reasons: Sequence[Reason], run_dir: Path
) -> bytes:
    """What a program gets on its standard input, one JSON object on a line."""
    sentence = verdict(state, now, _SEEN).text
    said = "; ".join(reason.text for reason in reasons)
    head = {"trouble": said, "resolved": "all is well again"}.get(what, "")
    return _line(
        {
            "event": what,
            "text": f"{state.name}: {head}. {sentence}" if head else f"{state.name}: {sentence}",
            "run_id": state.run_id,
            "name": state.name,
            "run_dir": str(run_dir),
            "state": run_state(state, _SEEN),
            "verdict": sentence,
            "reasons": [{"kind": reason.kind, "text": reason.text} for reason in reasons],
            "tasks": {"total": state.tasks_total, "done": len(state.done)},
            "outcomes": state.outcomes,
            "not_scored": not_scored(state),
            "rows_written": state.rows.written,
            "exit_code": state.exit_code if what == "ended" else None,
            "attach": f"pilot-tui attach {state.run_id}",
            "at": round(now, 3),
        }
    )


def call_once(
    plan: Plan, folder: Path, told: Callable[[str, Called], None], limit_s: float = LIMIT_S
) -> None:
    """Call both programs of a plan once with a message that says ``"event": "test"``."""
    for name, argv in (("on_trouble", plan.notify.on_trouble), ("on_end", plan.notify.on_end)):
        if argv:
            state = State(run_id="test", name=plan.run.name, plan=plan, tasks_total=0)
            at = time.time()
            message = message_of(state, at, "test", [], folder)
            called = Hook(argv, folder, _environment(folder)).run(message, limit_s)
            told(name, called._replace(output=_masked(called.output, plan)))


def _line(values: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode(encodable(values)) + b"\n"


def _environment(run_dir: Path) -> dict[str, str]:
    """Ours, with the run's mark, by which an engine that takes over ends what is left."""
    return {**os.environ, MARK: str(run_dir)}


def _log(name: str, called: Called, plan: Plan) -> None:
    """Into ``engine.log``, which is our standard error."""
    took = f"{called.took_s:.1f} s"
    lines = [f"{name}: {called.error or 'ended well'} in {took}"]
    lines += [f"{name}: | {line}" for line in _masked(called.output, plan).splitlines()]
    sys.stderr.write("\n".join(lines) + "\n")
    sys.stderr.flush()


def _masked(text: str, plan: Plan) -> str:
    secrets = Secrets()
    secrets.add_variables((endpoint.api_key_env for endpoint in plan.endpoints), os.environ)
    return block(secrets.mask(text))
