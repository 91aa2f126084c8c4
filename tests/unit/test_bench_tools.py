"""The rule by which simulated tools succeed and fail, figure by figure."""

import json

import pytest

from runner.host.bench.library import Fault, Library, Parameter, Returned, Tool
from runner.host.bench.tools import UNKNOWN_TOOL, ToolSimulation


def tool(name: str, *dependencies: str) -> Tool:
    return Tool(
        name=name,
        category="c",
        description=name,
        parameters=(Parameter("path", "string", ""), Parameter("n", "integer", "", False)),
        returns=(Returned("table", "array", ""),),
        errors=(Fault("BROKEN", "It broke."), Fault("BUSY", "It is busy.")),
        dependencies=dependencies,
    )


LIBRARY = Library([tool("a"), tool("b"), tool("c", "a", "b"), tool("d")])


def simulation(*history: tuple[str, bool], rate: float = 0.8) -> ToolSimulation:
    """A simulation in which ``history`` has happened."""
    made = ToolSimulation(LIBRARY, 1, rate)
    for name, ok in history:
        made._last_ok[name] = ok
        made._recent.append(ok)
    return made


@pytest.mark.parametrize(
    ("history", "name", "rate", "expected"),
    [
        pytest.param((), "a", 0.8, 0.8, id="rate"),
        pytest.param((), "c", 0.8, 0.8 * 0.5 * 0.5, id="two dependencies not run"),
        pytest.param((("a", True),), "c", 0.8, 0.8 * 0.5, id="one dependency not run"),
        pytest.param((("a", True), ("b", True)), "c", 0.8, 0.8, id="both have run"),
        pytest.param((("a", False), ("b", True)), "c", 0.8, 0.8 * 0.7 * 0.9, id="one failed last"),
        pytest.param(
            (("a", False), ("b", False)), "c", 0.8, 0.8 * 0.7 * 0.81, id="both failed last"
        ),
        pytest.param(
            (("a", False), ("a", True), ("b", True)), "c", 0.8, 0.8 * 0.9, id="failed, then ran"
        ),
        pytest.param((("d", False),) * 3, "a", 0.8, 0.8 * 0.9**3, id="three failures"),
        pytest.param((("d", False),) * 9, "a", 0.8, 0.8 * 0.9**3, id="only the last three count"),
        pytest.param(
            (("d", False), *((("d", True),) * 3)), "a", 0.8, 0.8, id="old failure forgotten"
        ),
        pytest.param((), "a", 1.0, 0.95, id="clamped above"),
        pytest.param((), "c", 0.0, 0.1, id="clamped below"),
    ],
)
def test_probability(
    history: tuple[tuple[str, bool], ...], name: str, rate: float, expected: float
) -> None:
    made = simulation(*history, rate=rate)
    assert made.probability(LIBRARY.tools[name]) == pytest.approx(expected)


@pytest.mark.parametrize("rate", [0.9, 0.6, 0.1])
def test_tools_succeed_as_often_as_the_rule_says(rate: float) -> None:
    first = [ToolSimulation(LIBRARY, seed, rate).call("a", {}).ok for seed in range(4000)]
    assert sum(first) / len(first) == pytest.approx(rate, abs=0.03)


def test_the_same_seed_gives_the_same_failures() -> None:
    def outcomes(seed: int, names: str) -> list[tuple[str, str]]:
        made = ToolSimulation(LIBRARY, seed, 0.5)
        return [(name, made.call(name, {}).error) for name in names]

    assert outcomes(7, "abcabcabc") == outcomes(7, "abcabcabc")
    assert any(outcomes(7, "abcabcabc") != outcomes(seed, "abcabcabc") for seed in range(8, 12))


def test_other_calls_do_not_change_a_tools_luck() -> None:
    """Only the probability depends on what went before, never the draw."""
    for seed in range(50):
        alone = ToolSimulation(LIBRARY, seed, 0.95).call("d", {})
        after = ToolSimulation(LIBRARY, seed, 0.95)
        if all(after.call(name, {}).ok for name in "ab"):
            assert after.call("d", {}) == alone


def test_a_failure_is_one_of_the_tools_own() -> None:
    errors = {ToolSimulation(LIBRARY, seed, 0.1).call("a", {}).error for seed in range(200)}
    assert errors == {"", "BROKEN", "BUSY"}


def test_replies_are_json_that_says_what_happened() -> None:
    replies = [ToolSimulation(LIBRARY, seed, 0.5).call("a", {"path": "x"}) for seed in range(50)]
    for reply in replies:
        body = json.loads(reply.text)
        assert body["ok"] is reply.ok
        assert ("table" in body["result"]) if reply.ok else (body["error"] == reply.error)
    assert {reply.ok for reply in replies} == {True, False}


@pytest.mark.parametrize(
    ("args", "issues"),
    [
        ({"path": "x"}, ()),
        ({"path": "x", "n": 3}, ()),
        ({}, ("missing_argument",)),
        ({"path": 3}, ("wrong_type",)),
        ({"path": "x", "n": True}, ("wrong_type",)),
        ({"path": "x", "\ud800": 1}, ("undeclared_argument",)),
    ],
)
def test_mistakes_in_arguments_are_named_and_change_nothing(
    args: dict[str, object], issues: tuple[str, ...]
) -> None:
    result = ToolSimulation(LIBRARY, 3, 0.8).call("a", args)
    assert result.issues == issues
    assert result.ok == ToolSimulation(LIBRARY, 3, 0.8).call("a", {"path": "x"}).ok
    result.text.encode()


def test_an_unknown_tool_names_the_nearest_and_uses_up_no_luck() -> None:
    library = Library([tool("csv_loader")])
    made = ToolSimulation(library, 1, 0.5)
    result = made.call("csv_loadr", {})
    assert (result.ok, result.error) == (False, UNKNOWN_TOOL)
    assert "csv_loader" in result.text
    assert made.call("csv_loader", {}) == ToolSimulation(library, 1, 0.5).call("csv_loader", {})


def test_names_are_found_whatever_their_case() -> None:
    assert ToolSimulation(LIBRARY, 1, 0.8).call(" A ", {}).tool == "a"
