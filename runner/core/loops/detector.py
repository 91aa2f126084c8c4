"""The loop detector: one attempt's turns in, findings out. No clock, no text, constant memory.

It is apart from the rules' figures (`rules`) and from what is done about a finding (the engine's
policy). What it says at a turn depends on that turn and earlier ones only, so live judgement,
replay and evaluation agree by construction.

Two ideas carry it. *Nothing ran* is the ground of every rule: a turn that ran a tool ends the runs
that it takes part in. And *a success is worth protecting*: a tool's success wipes all evidence, and
from then on a kill takes `rules.PATIENCE` turns.
"""

from collections import deque
from collections.abc import Iterable
from typing import Literal, NamedTuple

import msgspec

from runner.core.loops import rules as figures
from runner.core.loops.features import TurnFeatures
from runner.core.loops.rules import ADVICE, JUDGED_RULES, Bounds, LoopRule
from runner.core.plan import LoopAction, Loops

_QUIET, _WARN, _KILL = 0, 1, 2


class Finding(msgspec.Struct, frozen=True):
    """A rule fired. ``turns`` are the evidence, oldest first; the last one is the turn just fed."""

    rule: LoopRule | Literal["done"]
    action: Literal["warn", "kill"]
    turns: tuple[int, ...]
    advice: str


class _Step(NamedTuple):
    """What is remembered of a turn."""

    turn: int
    signature: str
    lookup: bool
    ran: bool


class _Reading(NamedTuple):
    """How far a rule has come (quiet, warn, kill) and over how many of the latest turns."""

    level: int
    span: int


_NOTHING = _Reading(_QUIET, 0)


class LoopDetector:
    """Judges one attempt turn by turn.

    A rule says the same thing once: it warns, asks for a kill, and is silent until the evidence has
    gone and come again. Rules do not hide each other, so a rule that only warns leaves the others
    as they are. Memory is `rules.WINDOW` turns; `feed` takes constant time.
    """

    __slots__ = (
        "_actions",
        "_finished",
        "_idle",
        "_invalid",
        "_last_turn",
        "_lookups",
        "_periodic",
        "_progressed",
        "_said",
        "_same",
        "_unclosed",
        "_window",
    )

    def __init__(self, rules: Loops) -> None:
        self._actions: dict[LoopRule | Literal["done"], LoopAction] = {
            "unclosed_tag": rules.unclosed_tag,
            "repeat": rules.repeat,
            "cycle": rules.cycle,
            "search": rules.search,
            "no_action": rules.no_action,
            "done": rules.done,
        }
        self._last_turn = -1
        self._finished = False
        self._progressed = False
        self._window: deque[_Step] = deque(maxlen=figures.WINDOW)
        self._periodic: dict[int, int] = dict.fromkeys(figures.CYCLE_PERIODS, 0)
        self._said: dict[LoopRule, int] = {}
        self._forget()

    def feed(self, turn: int, features: TurnFeatures) -> list[Finding]:
        """Take the turn with number ``turn`` (rising) and return what it shows.

        A turn that was fed before is passed over: logs may hold one twice. After
        ``all_required_ok`` nothing is a loop any more, whatever the rule `done` is set to.
        """
        if turn <= self._last_turn or self._finished:
            return []
        self._last_turn = turn
        if features.all_required_ok:
            self._finished = True
            return self._done(turn)
        if features.result in {"ok", "both"}:
            self._progressed = True
            self._forget()
            return []
        self._note(turn, features)
        return self._findings()

    def _forget(self) -> None:
        """Drop all evidence."""
        self._window.clear()
        self._said.clear()
        for period in self._periodic:
            self._periodic[period] = 0
        self._same = self._unclosed = self._invalid = self._idle = self._lookups = 0

    def _note(self, turn: int, features: TurnFeatures) -> None:
        """Lengthen or end each run by a turn without a success."""
        window = self._window
        ran = features.result != "none"
        lookup = features.kind in {"search", "tool_info"}
        mark = features.signature
        again = bool(window) and window[-1].signature == mark
        for period, matches in self._periodic.items():
            equal = len(window) >= period and window[-period].signature == mark
            self._periodic[period] = matches + 1 if equal else 0
        window.append(_Step(turn, mark, lookup, ran))
        self._lookups = self._lookups + 1 if lookup else 0
        if ran:
            self._same = self._unclosed = self._invalid = self._idle = 0
            return
        self._idle += 1
        self._same = self._same + 1 if again else 1
        self._unclosed = self._unclosed + 1 if features.unclosed_tag else 0
        self._invalid = self._invalid + 1 if features.kind == "none" else 0

    def _findings(self) -> list[Finding]:
        found: list[Finding] = []
        for rule in JUDGED_RULES:
            action = self._actions[rule]
            if action == "off":
                continue
            level, span = self._read(rule)
            if level > self._said.get(rule, _QUIET):
                act = "kill" if level == _KILL and action == "kill" else "warn"
                turns = tuple(step.turn for step in list(self._window)[-span:])
                found.append(Finding(rule, act, turns, ADVICE[rule]))
            self._said[rule] = level
        return found

    def _done(self, turn: int) -> list[Finding]:
        action = self._actions["done"]
        return [] if action == "off" else [Finding("done", action, (turn,), ADVICE["done"])]

    def _read(self, rule: LoopRule) -> _Reading:
        if rule == "unclosed_tag":
            return self._weigh(self._unclosed, figures.UNCLOSED_TAG)
        if rule == "repeat":
            return self._weigh(self._same, figures.REPEAT)
        if rule == "cycle":
            return max(self._read_cycle(period) for period in figures.CYCLE_PERIODS)
        if rule == "search":
            return max(self._read_idle(), self._read_lookups())
        return self._weigh(self._invalid, figures.NO_ACTION)

    def _weigh(self, run: int, bounds: Bounds) -> _Reading:
        """Compare a run with the bounds that hold now: a success moved them (see `PATIENCE`)."""
        warn, kill = bounds
        if self._progressed:
            warn, kill = kill, max(kill, figures.PATIENCE)
        if run >= kill:
            return _Reading(_KILL, run)
        return _Reading(_WARN, run) if run >= warn else _NOTHING

    def _read_cycle(self, period: int) -> _Reading:
        """The same two or three different actions in the same order, over and over."""
        matches = self._periodic[period]
        if matches == 0 or self._distinct(period) == 1:
            return _NOTHING
        span = min(matches + period, len(self._window))
        failing = any(step.ran for step in list(self._window)[-span:])
        repeats = figures.CYCLE_REPEATS_FAILING if failing else figures.CYCLE_REPEATS
        return self._weigh(span, Bounds(repeats * period - 1, repeats * period))

    def _read_idle(self) -> _Reading:
        """Look-ups and invalid replies, and no tool has run."""
        if self._idle < figures.IDLE.warn:
            return _NOTHING
        lookups = sum(step.lookup for step in list(self._window)[-figures.IDLE.kill :])
        if lookups < figures.IDLE_LOOKUPS:
            return _NOTHING
        return self._weigh(self._idle, figures.IDLE)

    def _read_lookups(self) -> _Reading:
        """Nothing but look-ups, and they repeat themselves."""
        if self._lookups < figures.LOOKUPS.warn:
            return _NOTHING
        latest = min(self._lookups, figures.LOOKUPS.kill)
        if self._distinct(latest) > figures.LOOKUPS_DISTINCT:
            return _NOTHING
        return self._weigh(self._lookups, figures.LOOKUPS)

    def _distinct(self, span: int) -> int:
        """How many different actions the latest ``span`` turns hold."""
        return len({step.signature for step in list(self._window)[-span:]})


def first_kills(turns: Iterable[TurnFeatures], rules: Loops) -> dict[LoopRule, int]:
    """Return the turn (from 1) at which each rule first asks for a kill, for rules that do."""
    detector = LoopDetector(rules)
    first: dict[LoopRule, int] = {}
    for number, features in enumerate(turns, 1):
        for finding in detector.feed(number, features):
            if finding.action == "kill" and finding.rule != "done":
                first.setdefault(finding.rule, number)
    return first
