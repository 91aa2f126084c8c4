"""The figures of the loop rules, each with its reason, and the advice that goes with a finding.

They are apart from the detector so that what was measured can be read, and argued with, in one
place. Figures were chosen on 11,312 recorded conversations of eight models with at most ten turns;
each lies on a plateau: one step up or down moves recall by less than 2 points, flagged successes by
less than 0.3 points and harm by less than 0.08 points (`tests/unit/test_loops_evaluate.py`).

Left out on purpose, because they hit healthy attempts: the number of searches in total, searches in
turn with calls, the same call again after its tool failed (it worked 179 times of 279), wall time.
"""

from typing import Final, Literal, NamedTuple

LoopRule = Literal["unclosed_tag", "repeat", "cycle", "search", "no_action"]

JUDGED_RULES: Final[tuple[LoopRule, ...]] = (
    "unclosed_tag",
    "repeat",
    "cycle",
    "search",
    "no_action",
)
"""Most specific first: where several rules fire in one turn, the first names the cause."""


class Bounds(NamedTuple):
    """Turns in a row at which a rule warns and at which it asks for a kill."""

    warn: int
    kill: int


UNCLOSED_TAG: Final = Bounds(warn=2, kill=3)
"""At 2 it ends 13 attempts before their last progress instead of 5; at 4 it saves 4,200 turns less
of 23,490."""

REPEAT: Final = Bounds(warn=3, kill=4)
"""The same action while nothing runs. Killing at 3 ends three more attempts that recover."""

NO_ACTION: Final = Bounds(warn=3, kill=5)
"""Replies without a valid action, whatever they say. Only warns by default."""

IDLE: Final = Bounds(warn=6, kill=8)
"""Turns in which no tool ran, look-ups among them: the attempt explores and never acts. Some models
explore for six or seven turns with new queries and then do the work, so it takes eight."""

IDLE_LOOKUPS: Final = 2
"""Look-ups that an idle run must hold to be `search`; without them it is `no_action`'s business."""

LOOKUPS: Final = Bounds(warn=5, kill=6)
"""Searches and look-ups in a row that repeat themselves need fewer turns than new ones do."""

LOOKUPS_DISTINCT: Final = 4
"""At most so many different ones within the last six: the same ground is gone over again."""

CYCLE_PERIODS: Final = (2, 3)
CYCLE_REPEATS: Final = 2
CYCLE_REPEATS_FAILING: Final = 3
"""A cycle that holds failed tools is trying again, which works more often than not: once more."""

PATIENCE: Final = 10
"""Turns in a row that any rule needs for a kill once a tool has succeeded; where it would have
killed before, it warns. The attempt has something to lose then: repeated closing texts after the
work is done look like a loop, and of the 126 attempts that went on with three unclosed tags after a
success all were scored as successes. It is the default budget of turns, so within that budget such
an attempt is left to end and be scored."""

WINDOW: Final = PATIENCE
"""Turns remembered for each attempt; no rule looks further back."""

ADVICE: Final[dict[LoopRule | Literal["done"], str]] = {
    "unclosed_tag": "The replies open an action tag and never close it. Show the model the exact"
    " form in the feedback, or check that no stop sequence cuts the closing tag off.",
    "repeat": "The model asks for the same thing again and nothing runs. Tell it in the feedback"
    " what was wrong: an identical request gets an identical reply.",
    "cycle": "The model goes round the same few actions without a success. Tell it what it has"
    " tried already, or give it another way out.",
    "search": "The model looks tools up and never runs one. Tell it that what it found is enough,"
    " or allow fewer look-ups.",
    "no_action": "The replies hold no valid action. Check that the prompt names the form of an"
    " action and that the feedback says what is missing.",
    "done": "Every required tool has succeeded: nothing is left to do.",
}
