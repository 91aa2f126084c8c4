"""Each loop rule on turns written by hand: what it catches, when it warns, what it must spare."""

import msgspec
import pytest

from runner.core.loops import (
    Finding,
    LoopDetector,
    LoopRule,
    TurnFeatures,
    TurnKind,
    TurnResult,
    first_kills,
    signature,
)
from runner.core.plan import INTERACTIVE_LOOPS, Loops

KINDS: dict[str, TurnKind] = {"s": "search", "i": "tool_info", "c": "tool_call", "n": "none"}
RESULTS: dict[str, TurnResult] = {"+": "ok", "-": "failed", "*": "both", ".": "none"}
ALL_KILL = Loops(
    repeat="kill", cycle="kill", search="kill", unclosed_tag="kill", no_action="kill", done="kill"
)
ALL_WARN = Loops(
    repeat="warn", cycle="warn", search="warn", unclosed_tag="warn", no_action="warn", done="warn"
)


def turns(text: str) -> list[TurnFeatures]:
    """Turns from words such as `s1`, `c2+`, `n3!`: kind, signature, result, ! for an unclosed tag.

    A word without a signature gets one of its own.
    """
    made: list[TurnFeatures] = []
    for place, word in enumerate(text.split()):
        result = next((sign for sign in "+-*" if sign in word), ".")
        mark = word.strip("sicn+-*.!") or f"new{place}"
        kind = KINDS[word[0]]
        made.append(TurnFeatures(kind, f"{kind}:{mark}", RESULTS[result], "!" in word))
    return made


def findings(text: str, rules: Loops = ALL_KILL) -> list[Finding]:
    detector = LoopDetector(rules)
    return [
        finding
        for number, features in enumerate(turns(text), 1)
        for finding in detector.feed(number, features)
    ]


def kills(text: str, rules: Loops = INTERACTIVE_LOOPS) -> dict[LoopRule, int]:
    return first_kills(turns(text), rules)


@pytest.mark.parametrize(
    ("text", "rule", "turn"),
    [
        ("s n1! n2! n3!", "unclosed_tag", 4),
        ("s n1 n1 n1 n1", "repeat", 5),
        ("s c1 c1 c1 c1", "repeat", 5),
        ("i1 n1 i1 n1", "cycle", 4),
        ("i1 n1 n2 i1 n1 n2", "cycle", 6),
        ("s1 c1- s1 c1- s1 c1-", "cycle", 6),
        ("s1 i1 s1 i2 s2 i1", "search", 6),
        ("s i s i i i s i", "search", 8),
        ("s i s i n n n n", "search", 8),
        ("s i i n c n n s", "search", 8),
        ("c+ s n1! n2! n3! n4! n5! n6! n7! n8! n9! n10!", "unclosed_tag", 12),
        ("c+ n1 n1 n1 n1 n1 n1 n1 n1 n1 n1", "repeat", 11),
    ],
)
def test_loop_is_killed_at_the_turn_that_completes_the_evidence(
    text: str, rule: LoopRule, turn: int
):
    assert kills(text).get(rule) == turn
    assert min(kills(text).values()) == turn


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("s c- s c- s c- s c- s c-", id="search-call alternation, distinct queries"),
        pytest.param("s i i i i c+ c+ c+ c+ c+", id="exploring first"),
        pytest.param("s i s i i s i c+ c+ c+", id="exploring seven turns with new queries"),
        pytest.param("s c1- c1- c1- c1- c1- c1- c1+", id="the same call after its tool failed"),
        pytest.param("s c+ c+ n1 n1 n1 n1 n1 n1 n1", id="closing text repeated after the work"),
        pytest.param(
            "s i c+ n1! n1! n1! n1! n1! n1! n1!", id="unclosed closing text after the work"
        ),
        pytest.param("s n1 n1 n1 c+ c+ c+", id="recovery after three equal texts"),
        pytest.param(
            "s n1! n1! c+ n1! n1! c+ n1! n1!", id="recovery from two unclosed tags, twice"
        ),
        pytest.param("s1 c+ s1 c+ s1 c+ s1 c+", id="a cycle that succeeds"),
        pytest.param("s1 c1- s1 c1- c2+", id="a retried search and call"),
        pytest.param("n1 n2 n3 n4 n5 n6 n7 n8 n9 n10", id="no action: warns only"),
    ],
)
def test_healthy_attempt_is_not_killed(text: str):
    assert kills(text) == {}


def test_unclosed_tags_with_valid_turns_between_are_no_run():
    assert kills("n1! n2! s n3! n4! i n5!") == {}


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("n1! n2! n3!", "unclosed_tag"),
        ("n1 n1 n1 n1", "repeat"),
        ("i1 n1 i1 n1", "cycle"),
        ("s1 i1 s1 i1 s2 i2", "search"),
        ("s i s i s i s i", "search"),
        ("n n n n n", "no_action"),
    ],
)
def test_rule_warns_before_it_kills_and_says_each_once(text: str, rule: str):
    said = [finding for finding in findings(text) if finding.rule == rule]
    assert [finding.action for finding in said] == ["warn", "kill"]
    assert said[0].turns[-1] < said[1].turns[-1] == len(text.split())
    assert all(finding.advice for finding in said)


def test_evidence_is_the_turns_of_the_run_and_nothing_before_it():
    kill = next(found for found in findings("s i n1! n2! n3!") if found.action == "kill")
    assert (kill.rule, kill.turns) == ("unclosed_tag", (3, 4, 5))


def test_rule_speaks_again_when_the_evidence_went_and_came_back():
    said = [found for found in findings("n1! n2! s n3! n4!") if found.rule == "unclosed_tag"]
    assert [found.turns for found in said] == [(1, 2), (4, 5)]


def test_most_specific_rule_comes_first_where_two_fire_in_one_turn():
    detector = LoopDetector(ALL_KILL)
    both = [
        [found.rule for found in detector.feed(number, features) if found.action == "kill"]
        for number, features in enumerate(turns("n1 n1! n1! n1!"), 1)
    ]
    assert both[-1] == ["unclosed_tag", "repeat"]


def test_after_a_success_the_rule_warns_where_it_would_have_killed():
    said = [found for found in findings("c+ n1! n2! n3!") if found.rule == "unclosed_tag"]
    assert [(found.action, found.turns) for found in said] == [("warn", (2, 3, 4))]


def test_warn_mode_never_kills_and_off_is_silent():
    text = "n1! n1! n1! n1! n1! n1!"
    warned = findings(text, ALL_WARN)
    assert {found.action for found in warned} == {"warn"}
    assert [found.turns for found in warned] == [found.turns for found in findings(text)]
    assert findings(text, Loops()) == []


def test_turn_that_a_log_holds_twice_counts_once():
    detector = LoopDetector(ALL_KILL)
    unclosed = turns("n1!")[0]
    said = [found for number in (1, 1, 2, 2) for found in detector.feed(number, unclosed)]
    assert [(found.rule, found.action) for found in said] == [("unclosed_tag", "warn")]


@pytest.mark.parametrize(("rules", "actions"), [(ALL_KILL, ["kill"]), (ALL_WARN, ["warn"])])
def test_done_is_said_once_and_then_nothing_is_a_loop(rules: Loops, actions: list[str]):
    detector = LoopDetector(rules)
    last = TurnFeatures("tool_call", "c", "ok", all_required_ok=True)
    closing = TurnFeatures("none", "bye", all_required_ok=True)
    said = [
        found
        for number in range(1, 20)
        for found in detector.feed(number, last if number == 1 else closing)
    ]
    assert [found.action for found in said] == actions
    assert (said[0].rule, said[0].turns) == ("done", (1,))


def test_finished_attempt_is_left_alone_with_done_off():
    detector = LoopDetector(msgspec.structs.replace(ALL_KILL, done="off"))
    done = TurnFeatures("none", "bye", all_required_ok=True)
    assert [found for number in range(1, 20) for found in detector.feed(number, done)] == []


def test_features_cross_the_wire_as_a_small_map():
    features = turns("n1!")[0]
    wire = msgspec.json.encode(features)
    assert wire == b'{"kind":"none","signature":"none:1","unclosed_tag":true}'
    assert msgspec.convert(msgspec.json.decode(wire), TurnFeatures) == features


def test_signature_ignores_case_and_white_space_and_nothing_else():
    same = {
        signature("search", text) for text in ("Read  a\tFile", "read a file", " read a file\n")
    }
    assert len(same) == 1
    others = {signature("search", "read files"), signature("tool_info", "read a file")}
    assert not same & others
    assert len(others) == 2


def test_signature_takes_lone_surrogates_and_long_replies():
    assert len(signature("none", "\ud800" + "x " * 500_000)) == 16
