"""A run told in plain lines, for `tail -f`, CI logs and terminals that cannot draw.

Apart from `tui.headless`, which follows the log and handles signals: here are only words. What is
said once is remembered, so that an eight-hour run does not repeat itself.
"""

import time
from collections import Counter
from typing import Final, NamedTuple

from runner import (
    BACKOFF_WORDS,
    LIMIT_WORDS,
    EngineSeen,
    State,
    Trouble,
    WorkerState,
    duration,
    eta_s,
    ev,
    is_scored,
    not_scored,
    one_line,
    outlook,
    plural,
    run_elapsed_s,
    troubles,
    verdict,
    why,
)

_TASK_CHARS: Final = 60
_THEN_WORDS: Final = {"requeued": ", runs again", "alone": ", runs again alone", "final": ""}


class _Hang(NamedTuple):
    """A worker that was told to be stuck."""

    worker: int
    task_id: str
    began_at: float


class Narrator:
    """Turns what happens into lines. Each begins with the clock time of what it tells."""

    def __init__(self) -> None:
        self._hangs: dict[str, _Hang] = {}
        self._errors: Counter[str] = Counter()

    def opening(self, state: State, run_dir: str) -> list[str]:
        """What is run, where it lies, and how to steer it."""
        name = one_line(state.run_id, _TASK_CHARS)
        tasks, workers = plural(state.tasks_total, "task"), plural(state.target_workers, "worker")
        what = f"{one_line(state.name, 40)}, {tasks}, {workers}"
        return [
            _line(state.at, "run", f"{name} ({what}) in {run_dir}"),
            _line(state.at, "steer", f"pilot-tui attach {name}, or stop {name}, or status {name}"),
        ]

    def hear(self, event: ev.Event) -> list[str]:
        """What is to be said of one event."""
        match event:
            case ev.AttemptEnded():
                return self._ended(event)
            case ev.BackedOff():
                words = BACKOFF_WORDS.get(event.why, event.why)
                status = f"HTTP {event.status}, " if event.status else ""
                return self._error(event.at, words, status + _last_line(event.text))
            case _:
                said = _run_words(event)
                return [_line(event.at, *said)] if said else []

    def look(self, state: State, now: float) -> list[str]:
        """Hangs that began, and hangs that ended by themselves, since the last look."""
        stuck = {t.worker.attempt_id: t for t in troubles(state, now) if t.health == "stuck"}
        lines = [
            _line(now, "hang", _hang_words(state, trouble, now))
            for attempt_id, trouble in stuck.items()
            if attempt_id not in self._hangs
        ]
        for attempt_id in [known for known in self._hangs if known not in stuck]:
            hang = self._hangs[attempt_id]
            if attempt_id in state.owner:
                del self._hangs[attempt_id]
                since = duration(now - hang.began_at)
                lines.append(_line(now, "hang over", f"{_who(hang)}: goes on after {since}"))
        for attempt_id, trouble in stuck.items():
            self._hangs.setdefault(attempt_id, _hang_of(trouble, now))
        return lines

    def progress(self, state: State, now: float, engine: EngineSeen) -> str:
        """How far the run is, and the verdict: said at least every few seconds."""
        parts = [f"{len(state.done)} of {state.tasks_total} done"]
        if missing := not_scored(state):
            parts.append(f"{missing} not scored")
        left = eta_s(state, now)
        if left and len(state.done) >= 5:
            parts.append(f"about {duration(left)} left")
        verdict_text = verdict(state, now, engine).text
        return _line(now, "progress", f"{', '.join(parts)} | {verdict_text}")

    def ending(self, state: State, now: float, engine: EngineSeen) -> list[str]:
        """The last lines: each error class with its count, then the verdict."""
        lines: list[str] = []
        if self._errors:
            counts = [f"{count} x {name}" for name, count in self._errors.most_common()]
            lines.append(_line(now, "errors", ", ".join(counts)))
        took = duration(run_elapsed_s(state, now))
        return [*lines, _line(now, "end", f"after {took}: {verdict(state, now, engine).text}")]

    def _ended(self, event: ev.AttemptEnded) -> list[str]:
        lines: list[str] = []
        hang = self._hangs.pop(event.attempt_id, None)
        if hang is not None:
            how = f"{event.outcome} {event.cause}".strip()
            since = duration(event.at - hang.began_at)
            then = _THEN_WORDS.get(event.then, "")
            lines.append(
                _line(event.at, "hang over", f"{_who(hang)}: ended after {since}, {how}{then}")
            )
        if not is_scored(event.outcome) and event.outcome != "killed":
            task = one_line(event.task_id, _TASK_CHARS)
            lines += self._error(event.at, event.cause, f"{task} {_last_line(event.error)}")
        return lines

    def _error(self, at: float, name: str, first: str) -> list[str]:
        """A class of errors is told when it comes for the first time; its count at the end."""
        name = one_line(name, 60)
        self._errors[name] += 1
        if self._errors[name] > 1:
            return []
        return [_line(at, "error", f"{name}, for the first time: {first.strip(', ')}")]


def _hang_of(trouble: Trouble, now: float) -> _Hang:
    worker = trouble.worker
    return _Hang(worker.worker, worker.task_id, now - trouble.stalled_s)


def _hang_words(state: State, trouble: Trouble, now: float) -> str:
    worker: WorkerState = trouble.worker
    text = f"{_who(_hang_of(trouble, now))}: {why(state, worker, now)}"
    look = outlook(state, worker, now)
    if look is None:
        return text
    limit = LIMIT_WORDS.get(look.limit, look.limit)
    return f"{text}; ends by itself within {duration(look.ends_in_s)} ({limit})"


def _who(hang: _Hang) -> str:
    return f"worker {hang.worker}, {one_line(hang.task_id, _TASK_CHARS)}"


def _run_words(event: ev.Event) -> tuple[str, str] | None:
    """Kind and words of what concerns the run as a whole; None for what is not worth a line."""
    return _order_words(event) or _trouble_words(event)


def _order_words(event: ev.Event) -> tuple[str, str] | None:
    """What somebody asked for, and who."""
    match event:
        case ev.RunUnpaused():
            return "goes on", _by(event.origin)
        case ev.DrainStarted():
            return "draining", f"no new tasks {_by(event.origin)}"
        case ev.StopRequested():
            return "stopping", one_line(event.why, 160)
        case ev.KillRequested():
            return "kill", f"{_by(event.origin)}: attempt {one_line(event.attempt_id, 60)}"
        case ev.WorkersChanged():
            return "workers", f"{event.target} {_by(event.origin)}"
        case ev.PlanChanged():
            change = f"{event.key}: {one_line(event.old, 40)} -> {one_line(event.new, 40)}"
            return "changed", f"{one_line(change, 160)} {_by(event.origin)}"
        case _:
            return None


def _trouble_words(event: ev.Event) -> tuple[str, str] | None:
    """What befell the run."""
    match event:
        case ev.RunPaused():
            return "paused", one_line(event.text, 160)
        case ev.HostFroze():
            return "process", f"{event.host} does not answer"
        case ev.HostExamined() if event.stopped:
            return "process", f"{event.host} was stopped by a signal"
        case ev.HostExamined():
            frame = one_line(event.frame, 80)
            return "process", f"{event.host}: worker {event.worker} holds the GIL at {frame}"
        case ev.HostGone() if event.culprit or event.stack:
            return "process", f"{event.host} is gone: {one_line(event.why, 120)}"
        case ev.RowsFailed():
            waiting = plural(event.waiting, "result")
            return "disk", f"{waiting} cannot be saved: {one_line(event.error, 120)}"
        case ev.RowsRecovered():
            return "disk", f"results are saved again after {duration(event.waited_s)}"
        case ev.EngineLagged():
            return "engine", f"did not run for {duration(event.gap_s)}; nobody is judged for it"
        case _:
            return None


def _last_line(text: str) -> str:
    """Where a traceback says what it is about; hostile text made harmless."""
    lines = text.strip().splitlines()
    return one_line(lines[-1].strip(), 120) if lines else ""


def _by(origin: str) -> str:
    return f"by {one_line(origin, 60)}" if origin else "by itself"


def _line(at: float, kind: str, text: str) -> str:
    return f"{time.strftime('%H:%M:%S', time.localtime(at))} {kind:<9} {text}"
