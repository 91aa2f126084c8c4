"""``loops evaluate FILE``: what the loop rules would have done to recorded conversations.

It is apart from the detector because it reads Parquet, and imports polars only when it is called.
The verdict on a conversation comes from its ``turn_list`` alone, by the code that judges live runs;
how it ended is read afterwards, to score the verdict.
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from runner.core.loops import (
    JUDGED_RULES,
    LoopRule,
    TurnFeatures,
    TurnKind,
    TurnResult,
    first_kills,
)
from runner.core.plan import INTERACTIVE_LOOPS, Loops

_KINDS: Final[dict[str, TurnKind]] = {
    "s": "search",
    "i": "tool_info",
    "c": "tool_call",
    "n": "none",
}
_RESULTS: Final[dict[str, TurnResult]] = {"+": "ok", "-": "failed", "*": "both", ".": "none"}
_FIELDS: Final = ("kind", "signature", "unclosed_tag", "result")
_COLUMNS: Final = ("success", "last_new_required_turn", "turn_list")

_EVERY_RULE: Final = Loops(
    unclosed_tag="kill", repeat="kill", cycle="kill", search="kill", no_action="kill"
)
"""Rules do not hide each other, so one pass with all of them judges each by itself."""


class Score(msgspec.Struct, frozen=True):
    """How well a rule, or the rules together, did. Shares of 0..1, but ``turns_saved``.

    flagged: of conversations with turns. flagged_succeeded: of flagged. harm: killed before the
    last turn that completed a new required tool, of conversations with turns. recall: flagged
    failures of failures with turns. turns_saved: turns after the kill, summed over the flagged.
    """

    flagged: float
    flagged_succeeded: float
    harm: float
    recall: float
    turns_saved: int


class Evaluation(msgspec.Struct, frozen=True):
    """``all``: the default kill rules together. ``rules``: each rule by itself, as if it killed."""

    all: Score
    rules: dict[LoopRule, Score]


class _Conversation(NamedTuple):
    """How a conversation ended, and at which turn each rule would have killed it."""

    succeeded: bool
    last_progress: int
    turns: int
    kills: Mapping[LoopRule, int]


def evaluate_file(path: Path) -> Evaluation:
    """Judge every conversation of a Parquet file and score the verdicts.

    Takes about 2 s for 12,000 conversations. Raises OSError where the file cannot be read,
    ValueError with what is wrong where it is not Parquet or its columns are not as expected.
    """
    judged = list(_judge(path))
    default: list[LoopRule] = [
        rule for rule in JUDGED_RULES if getattr(INTERACTIVE_LOOPS, rule) == "kill"
    ]
    return Evaluation(
        all=_score(judged, default),
        rules={rule: _score(judged, [rule]) for rule in JUDGED_RULES},
    )


def _judge(path: Path) -> Iterator[_Conversation]:
    import polars as pl

    try:
        frame = pl.read_parquet(path, columns=list(_COLUMNS))
        fields = frame["turn_list"].explode(empty_as_null=False, keep_nulls=False).struct
        columns = [fields.field(name).to_list() for name in _FIELDS]
    except pl.exceptions.PolarsError as error:
        raise ValueError(f"{path}: not a file of conversations: {error}") from error
    features = (_features(path, *turn) for turn in zip(*columns, strict=True))
    lengths = frame["turn_list"].list.len().fill_null(0)
    ends = zip(frame["success"], frame["last_new_required_turn"], lengths, strict=True)
    for succeeded, last_progress, length in ends:
        turns = list(islice(features, length))
        if turns:
            kills = first_kills(turns, _EVERY_RULE)
            yield _Conversation(bool(succeeded), last_progress or 0, length, kills)


def _features(
    path: Path, kind: str, signature: object, unclosed_tag: bool, result: str
) -> TurnFeatures:
    try:
        return TurnFeatures(_KINDS[kind], str(signature), _RESULTS[result], bool(unclosed_tag))
    except KeyError as error:
        raise ValueError(f"{path}: unknown kind or result of a turn: {error}") from error


def _score(conversations: list[_Conversation], rules: list[LoopRule]) -> Score:
    flagged = succeeded = harmed = saved = failures = 0
    for conversation in conversations:
        failures += not conversation.succeeded
        kill = min(
            (conversation.kills[rule] for rule in rules if rule in conversation.kills), default=0
        )
        if kill:
            flagged += 1
            succeeded += conversation.succeeded
            harmed += kill < conversation.last_progress
            saved += conversation.turns - kill
    return Score(
        flagged=_share(flagged, len(conversations)),
        flagged_succeeded=_share(succeeded, flagged),
        harm=_share(harmed, len(conversations)),
        recall=_share(flagged - succeeded, failures),
        turns_saved=saved,
    )


def _share(part: int, whole: int) -> float:
    return round(part / whole, 6) if whole else 0.0
