"""Hostile replies: any text is read in linear time, into something that can be sent."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.core.loops import signature
from runner.host.bench.protocol import FunctionCall, parse, parse_functions, says_complete

MEGABYTE = 2**20
PIECES = [
    "<tool_call>",
    "</tool_call>",
    "<tool_info>",
    "</ tool_search >",
    "<Tool Search>",
    "<think>",
    "</think>",
    "```json\n",
    '{"name": "csv", "arguments": {"a": 1}}',
    '{"name": ',
    "csv_loader",
    " ",
    "\n",
    "`",
    "(",
    "\ud800",
    "\U0001f600",
    "task complete",
]


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=5), max_size=12).map("".join))
def test_any_reply_is_read(text: str) -> None:
    action = parse(text)
    assert (action.kind == "none") == (action.argument == "")
    assert action.unclosed_tag == ("unclosed_tag" in action.format_issues)
    action.argument.encode()
    says_complete(text)
    signature(action.kind, text)


@given(
    st.text(max_size=30),
    st.text(max_size=60)
    | st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["name", "query", "arguments", "function"]), inner, max_size=3
            )
        ),
        max_leaves=6,
    ).map(json.dumps),
)
def test_any_function_call_is_read(name: str, arguments: str) -> None:
    action = parse_functions([FunctionCall("", name, arguments)], "")
    assert (action.kind == "none") == (action.argument == "")
    action.argument.encode()


@given(
    st.dictionaries(
        st.text(max_size=8), st.none() | st.integers() | st.text(max_size=20), max_size=4
    ),
    st.sampled_from(["", "\n", " ", "```json\n", ": "]),
    st.booleans(),
)
def test_a_written_call_is_read_back(args: dict[str, object], gap: str, closed: bool) -> None:
    text = f"Thought.\n<tool_call>csv_loader{gap}{json.dumps(args)}" + "</tool_call>" * closed
    action = parse(text)
    assert (action.kind, action.argument, dict(action.args)) == ("tool_call", "csv_loader", args)
    assert action.unclosed_tag is not closed


@pytest.mark.parametrize(
    "unit",
    [
        "<",
        "<tool_call>",
        "<tool_call>x",
        "</tool_call>",
        "<    ",
        "< tool",
        "<tool_call></tool_call>",
        "<tool_search>a</tool_search>",
        "<think>",
        "</think>",
        "`",
        "```json",
        " ",
        "\n",
        "{",
        "[",
        '{"a":',
        '"',
        "\\",
        "9",
        "aA1_",
        "(",
        "task is ",
        "consider task ",
        "all the required steps are now ",
    ],
    ids=repr,
)
@pytest.mark.parametrize("head", ["", "<tool_call>", '<tool_call>x {"a": ', "<tool_search>"])
def test_a_megabyte_is_read_in_linear_time(head: str, unit: str) -> None:
    """A quadratic reader takes minutes. Ten times the length may take 40 times as long."""

    def cpu_s(chars: int) -> float:
        text = head + unit * (chars // len(unit))
        started = time.thread_time()
        action = parse(text)
        parse_functions([FunctionCall("", "tool_call", text)], text)
        says_complete(text)
        signature(action.kind, text)
        return time.thread_time() - started

    small, large = cpu_s(MEGABYTE // 10), cpu_s(MEGABYTE)
    assert large < max(0.25, 40 * small), (small, large)
    assert large < 3.0
