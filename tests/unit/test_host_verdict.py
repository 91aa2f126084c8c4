"""From what executor code returned or raised to outcome, cause and row, line by line."""

import json
import math

import pytest

from runner.core.rows import Record, ToolCall
from runner.host.callclock import CallTimeout
from runner.host.gate import Interrupted
from runner.host.scope import Aborted
from runner.host.verdict import MAX_ERROR_CHARS, of_error, of_result
from runner.masking import Secrets

CIRCULAR: list[object] = []
CIRCULAR.append(CIRCULAR)


def raised(error):
    """The error as it arrives: with a traceback."""
    try:
        raise error
    except BaseException as caught:  # noqa: BLE001 - SystemExit is one of them
        return caught


@pytest.mark.parametrize(
    "result",
    [
        {},
        {"outcome": "lost"},
        {"outcome": ["passed"]},
        {"outcome": "passed", "score": math.nan},
        {"outcome": "passed", "score": "1"},
        {"outcome": "passed", "in_order": 1},
        {"outcome": "passed", "success_level": 3},
        {"outcome": "passed", "messages": CIRCULAR},
        math.inf,
        -1,
        [],
        object(),
    ],
)
def test_bad_results(result):
    verdict = of_result(result)
    assert (verdict.outcome, verdict.cause) == ("errored", "error:BadResult")
    assert verdict.error


def test_columns_extra_and_messages():
    verdict = of_result(
        {
            "outcome": "failed",
            "score": 0,
            "success_level": "failed",
            "required_coverage": 0.5,
            "in_order": False,
            "messages": [{"role": "user", "content": "hi"}],
            "seen": {"odd": {1, 2}},
        }
    )
    record = verdict.onto(Record())
    assert record.required_coverage == 0.5
    assert record.in_order is False
    assert json.loads(record.messages) == [{"role": "user", "content": "hi"}]
    assert sorted(json.loads(record.extra)["seen"]["odd"]) == [1, 2]


def test_tool_calls_of_the_executor_keep_our_times():
    timed = Record(tool_calls=[ToolCall(tool="a", elapsed_s=1.5)])
    told = {"outcome": "passed", "tool_calls": [{"turn": 1, "tool": "a", "ok": False, "more": 1}]}
    record = of_result(told).onto(timed)
    assert record.tool_calls == [ToolCall(turn=1, tool="a", ok=False, elapsed_s=1.5)]
    assert json.loads(record.extra) == {}


@pytest.mark.parametrize("value", ["three", [1, 2], {"a": 1}])
def test_something_else_called_tool_calls_is_extra(value):
    record = of_result({"outcome": "passed", "tool_calls": value}).onto(Record())
    assert json.loads(record.extra) == {"tool_calls": value}


@pytest.mark.parametrize(
    ("error", "reason", "outcome", "cause"),
    [
        (ValueError("x"), None, "errored", "error:ValueError"),
        (SystemExit(3), None, "errored", "error:SystemExit"),
        (KeyboardInterrupt(), None, "errored", "error:KeyboardInterrupt"),
        (Aborted("deadline:attempt"), None, "timed_out", "deadline:attempt"),
        (Aborted("loop:cycle"), "loop:cycle", "looped", "loop:cycle"),
        (Interrupted(), "killed:user", "killed", "killed:user"),
        (ValueError("on the way out"), "killed:memory", "killed", "killed:memory"),
        (CallTimeout("idle", 30), None, "timed_out", "deadline:idle"),
    ],
)
def test_errors(error, reason, outcome, cause):
    verdict = of_error(raised(error), reason, str)
    assert (verdict.outcome, verdict.cause) == (outcome, cause)


def test_error_text_is_bounded_and_masked():
    secrets = Secrets()
    secrets.add("hunter2hunter2")
    error = raised(ValueError("key hunter2hunter2 \x1b[2J " + "x" * 50_000))
    text = of_error(error, None, secrets.mask).error
    assert len(text) <= MAX_ERROR_CHARS
    assert "hunter2hunter2" not in text
    assert "\x1b" not in text


def test_error_whose_text_cannot_be_had():
    class HostileError(Exception):
        def __str__(self):
            raise RuntimeError("no")

    verdict = of_error(raised(HostileError()), None, str)
    assert verdict.cause == "error:HostileError"


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("Authorization: Bearer abcdefghij", "abcdefghij"),
        ("{'api-key': 'abcdefghij'}", "abcdefghij"),
        ("sk-abcdefghijklmnopqrst", "abcdefghijklmnopqrst"),
        ("see the-real-key-1234 there", "the-real-key-1234"),
    ],
)
def test_keys_are_masked(text, hidden):
    secrets = Secrets()
    secrets.add("the-real-key-1234")
    assert hidden not in secrets.mask(text)
    assert "***" in secrets.mask(text)


def test_short_keys_and_ordinary_words_stay():
    secrets = Secrets()
    secrets.add("none")
    assert secrets.mask("none of the basic rules") == "none of the basic rules"
