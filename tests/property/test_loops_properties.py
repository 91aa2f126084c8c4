"""What holds for the loop detector on any stream of turns, not only on those we thought of."""

from itertools import pairwise

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from runner.core.loops import JUDGED_RULES, Finding, LoopDetector, TurnFeatures, signature
from runner.core.loops.rules import PATIENCE, WINDOW
from runner.core.plan import Loops

ALL_KILL = Loops(
    repeat="kill", cycle="kill", search="kill", unclosed_tag="kill", no_action="kill", done="kill"
)
SUCCESS = TurnFeatures("tool_call", "success", "ok")

# Loops are rare among random turns: results lean to nothing and few actions recur.
RESULTS = st.sampled_from(["none"] * 8 + ["failed", "failed", "ok", "both"])
MODES = st.sampled_from(["kill", "warn", "off"])
LOOPS = st.builds(Loops, *[MODES] * 6)


NEVER_DONE = st.just(False)


def features(marks: str = "abc", done: st.SearchStrategy[bool] = NEVER_DONE):
    return st.builds(
        TurnFeatures,
        kind=st.sampled_from(["search", "tool_info", "tool_call", "none"]),
        signature=st.sampled_from(marks),
        result=RESULTS,
        unclosed_tag=st.booleans(),
        all_required_ok=done,
    )


BLOCKS = st.lists(features(), min_size=1, max_size=3).flatmap(
    lambda block: st.integers(1, 6).map(lambda times: block * times)
)
STREAMS = st.lists(BLOCKS, max_size=8).map(
    lambda blocks: [turn for block in blocks for turn in block]
)
ENDING_STREAMS = st.lists(features(done=st.sampled_from([False] * 9 + [True])), max_size=40)


def run(turns: list[TurnFeatures], rules: Loops = ALL_KILL, first: int = 1) -> list[Finding]:
    detector = LoopDetector(rules)
    return [
        found for number, turn in enumerate(turns, first) for found in detector.feed(number, turn)
    ]


@given(ENDING_STREAMS, LOOPS, st.integers(0, 40))
def test_findings_depend_on_the_past_only(turns: list[TurnFeatures], rules: Loops, cut: int):
    whole = run(turns, rules)
    assert run(turns[:cut], rules) == [found for found in whole if found.turns[-1] <= cut]


@given(STREAMS, LOOPS)
def test_each_turn_gives_at_most_one_finding_of_a_rule_with_rising_recent_evidence(
    turns: list[TurnFeatures], rules: Loops
):
    said = run(turns, rules)
    assert len({(found.rule, found.turns[-1]) for found in said}) == len(said)
    for found in said:
        assert 1 <= len(found.turns) <= WINDOW
        assert all(later == earlier + 1 for earlier, later in pairwise(found.turns))
        assert found.turns[0] >= 1
        assert found.advice


@given(STREAMS, LOOPS)
def test_evidence_holds_no_success_and_none_of_it_is_older_than_one(
    turns: list[TurnFeatures], rules: Loops
):
    for found in run(turns, rules):
        assert all(turns[number - 1].result in {"none", "failed"} for number in found.turns)


@given(STREAMS)
def test_after_a_success_no_kill_before_patience_has_run_out(turns: list[TurnFeatures]):
    for kill in (found for found in run(turns) if found.action == "kill"):
        before = [turn.result for turn in turns[: kill.turns[-1]]]
        if {"ok", "both"} & set(before):
            assert len(kill.turns) == PATIENCE


@given(STREAMS, STREAMS)
def test_a_recovered_attempt_is_not_judged_by_what_came_before(
    past: list[TurnFeatures], future: list[TurnFeatures]
):
    recovered = [*past, SUCCESS, *future]
    later = [found for found in run(recovered) if found.turns[-1] > len(past)]
    assert later == run([SUCCESS, *future], first=len(past) + 1)


@given(STREAMS, LOOPS)
def test_rules_do_not_hide_each_other(turns: list[TurnFeatures], rules: Loops):
    together = run(turns, rules)
    for rule in JUDGED_RULES:
        alone = msgspec.structs.replace(Loops(), **{rule: getattr(rules, rule)})
        assert run(turns, alone) == [found for found in together if found.rule == rule]


@given(STREAMS)
def test_kill_of_a_rule_of_one_run_was_warned_of(
    turns: list[TurnFeatures],
):
    """A rule of one run warns first. Cycles and searches may join two kinds of evidence."""
    warned: set[str] = set()
    for found in run(turns):
        if found.action == "warn":
            warned.add(found.rule)
        elif found.rule in {"unclosed_tag", "repeat", "no_action"}:
            assert found.rule in warned


@given(STREAMS, LOOPS)
def test_only_equality_of_signatures_matters(turns: list[TurnFeatures], rules: Loops):
    renamed = [
        msgspec.structs.replace(turn, signature=signature("none", turn.signature)) for turn in turns
    ]
    assert run(renamed, rules) == run(turns, rules)


@given(ENDING_STREAMS, LOOPS)
def test_turns_fed_twice_count_once(turns: list[TurnFeatures], rules: Loops):
    detector = LoopDetector(rules)
    said: list[Finding] = []
    for number, turn in enumerate(turns, 1):
        said += detector.feed(number, turn)
        assert detector.feed(number, turn) == []
    assert said == run(turns, rules)


@given(ENDING_STREAMS)
def test_nothing_is_said_after_done(turns: list[TurnFeatures]):
    said = run(turns)
    ends = [number for number, turn in enumerate(turns, 1) if turn.all_required_ok]
    if ends:
        assert said[-1] == Finding("done", "kill", (ends[0],), said[-1].advice)


@settings(max_examples=20)
@given(features(marks="ab"), features(marks="ab"))
def test_memory_is_bounded_however_long_the_attempt(one: TurnFeatures, other: TurnFeatures):
    detector = LoopDetector(ALL_KILL)
    for number in range(1, 2_001):
        detector.feed(number, one if number % 3 else other)
    assert len(detector._window) <= WINDOW


@given(st.text())
@example("\ud800")
@example("İ")
def test_signature_is_stable_under_its_own_normalisation(text: str):
    mark = signature("search", text)
    assert mark == signature("search", f"  {text}\n")
    assert mark == signature("search", " ".join(text.casefold().split()))
    assert len(mark) == 16
