"""Full, partial and failed, and the columns that go with them."""

import pytest

from runner.host.bench.library import BenchTask, TaskType, load_tools
from runner.host.bench.score import CallFact, Facts, is_subsequence, judge

LIBRARY = load_tools()
PIPELINE = ("csv_loader", "deduplicator", "aggregator", "file_writer")


def task(required: tuple[str, ...] = PIPELINE, kind: TaskType = "data_pipeline") -> BenchTask:
    return BenchTask(id="t", description="d", required_tools=required, task_type=kind)


def facts(*names: str, said: bool = False) -> Facts:
    """Calls of these tools, one a turn; a name with ``!`` failed."""
    calls = [
        CallFact(turn, name.rstrip("!"), not name.endswith("!"), "BUSY" * name.endswith("!"), 0)
        for turn, name in enumerate(names, 1)
    ]
    return Facts(turns=len(names), tool_calls=calls, completion_said=said)


@pytest.mark.parametrize(
    ("happened", "outcome", "coverage", "in_order"),
    [
        pytest.param(facts(*PIPELINE), "passed", 1.0, True, id="all in order"),
        pytest.param(
            facts("csv_loader", "csv_loader!", *PIPELINE[1:]),
            "passed",
            1.0,
            True,
            id="with a failure between",
        ),
        pytest.param(
            facts("file_writer", *PIPELINE), "passed", 1.0, True, id="order made good later"
        ),
        pytest.param(facts(*PIPELINE[::-1]), "partial", 1.0, False, id="all, out of order"),
        pytest.param(facts(*PIPELINE[:3]), "partial", 0.75, False, id="coverage and minimum"),
        pytest.param(
            facts(*PIPELINE[:3], "file_writer!"), "partial", 0.75, False, id="the last one failed"
        ),
        pytest.param(facts("csv_loader", "file_writer"), "failed", 0.5, False, id="output alone"),
        pytest.param(
            facts("csv_loader", "file_writer", said=True),
            "partial",
            0.5,
            False,
            id="output and said",
        ),
        pytest.param(facts(said=True), "failed", 0.0, False, id="said alone"),
        pytest.param(facts("csv_loader"), "failed", 0.25, False, id="one of four"),
        pytest.param(
            facts("translator", "auth_token", "email_sender"),
            "partial",
            0.0,
            False,
            id="minimum and another output",
        ),
        pytest.param(
            facts("csv_loader", "csv_loader", "csv_loader"),
            "failed",
            0.25,
            False,
            id="repetition is no success more",
        ),
        pytest.param(facts(), "failed", 0.0, False, id="nothing"),
    ],
)
def test_outcome(happened: Facts, outcome: str, coverage: float, in_order: bool) -> None:
    result = judge(task(), LIBRARY, happened)
    assert (result["outcome"], result["required_coverage"]) == (outcome, coverage)
    assert result["in_order"] is in_order
    assert (result["success_level"], result["score"]) == {
        "passed": ("full", 1.0),
        "partial": ("partial", 0.5),
        "failed": ("failed", 0.0),
    }[outcome]


def test_the_last_required_tool_is_the_output_where_none_delivers() -> None:
    wanted = task(("csv_loader", "statistics_summary"), "simple_task")
    result = judge(wanted, LIBRARY, facts("statistics_summary"))
    assert result["outcome"] == "partial"  # the output and one success


def test_errors_are_counted_by_kind() -> None:
    happened = facts("csv_loader!", "csv_loader!", "csv_loader")
    happened.format_errors = {"unclosed_tag": 2}
    result = judge(task(), LIBRARY, happened)
    assert result["tool_errors"] == {"BUSY": 2}
    assert result["format_errors"] == {"unclosed_tag": 2}
    assert result["tool_calls"][0] == {
        "turn": 1,
        "tool": "csv_loader",
        "ok": False,
        "error": "BUSY",
        "args_chars": 0,
    }


@pytest.mark.parametrize(
    ("wanted", "happened", "expected"),
    [
        ("ab", "ab", True),
        ("ab", "xaxbx", True),
        ("ab", "ba", False),
        ("ab", "bab", True),
        ("aa", "a", False),
        ("", "x", True),
    ],
)
def test_subsequence(wanted: str, happened: str, expected: bool) -> None:
    assert is_subsequence(wanted, happened) is expected
