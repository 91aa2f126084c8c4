"""What is read out of one reply, in both protocols."""

from typing import Any

import pytest

from runner.host.bench.protocol import FunctionCall, parse, parse_functions, says_complete, whole

CSV = {"path": "a.csv"}


@pytest.mark.parametrize(
    ("text", "kind", "argument", "args", "issues"),
    [
        pytest.param(
            '<tool_call>csv {"path": "a.csv"}</tool_call>',
            "tool_call",
            "csv",
            CSV,
            (),
            id="name and json",
        ),
        pytest.param("<tool_call>csv</tool_call>", "tool_call", "csv", {}, (), id="bare name"),
        pytest.param(
            "<tool_search> read a file </tool_search>", "search", "read a file", {}, (), id="search"
        ),
        pytest.param(
            "<tool_info>`csv`</tool_info>", "tool_info", "csv", {}, (), id="info in backticks"
        ),
        pytest.param(
            '<tool_call>{"name": "csv", "arguments": {"path": "a.csv"}}</tool_call>',
            "tool_call",
            "csv",
            CSV,
            (),
            id="json",
        ),
        pytest.param(
            '<tool_call>{"tool": "csv", "path": "a.csv"}</tool_call>',
            "tool_call",
            "csv",
            CSV,
            (),
            id="flat json",
        ),
        pytest.param(
            '<tool_call>{"function": {"name": "csv",'
            ' "arguments": "{\\"path\\": \\"a.csv\\"}"}}</tool_call>',
            "tool_call",
            "csv",
            CSV,
            (),
            id="openai json",
        ),
        pytest.param(
            '<tool_call>csv({"path": "a.csv"})</tool_call>',
            "tool_call",
            "csv",
            CSV,
            (),
            id="call syntax",
        ),
        pytest.param(
            '<tool_search>{"query": "read"}</tool_search>',
            "search",
            "read",
            {},
            (),
            id="search json",
        ),
        pytest.param(
            '<tool_info>{"name": "csv"}</tool_info>', "tool_info", "csv", {}, (), id="info json"
        ),
        pytest.param(
            '<tool_call>csv {"path": "a.csv"}',
            "tool_call",
            "csv",
            CSV,
            ("unclosed_tag",),
            id="unclosed",
        ),
        pytest.param(
            "<tool_call>csv\nand then",
            "tool_call",
            "csv",
            {},
            ("unclosed_tag",),
            id="unclosed name",
        ),
        pytest.param(
            "<tool_search>read\nmore", "search", "read", {}, ("unclosed_tag",), id="unclosed search"
        ),
        pytest.param(
            "<tool_call>I will call it", "none", "", {}, ("unclosed_tag",), id="unclosed prose"
        ),
        pytest.param(
            '<tool_call>csv {"path": "a', "none", "", {}, ("unclosed_tag",), id="unclosed cut json"
        ),
        pytest.param(
            "<tool_call><tool_call>csv</tool_call></tool_call>",
            "tool_call",
            "csv",
            {},
            ("doubled_tag",),
            id="doubled",
        ),
        pytest.param(
            "<tool_search><tool_info>csv</tool_info></tool_search>",
            "tool_info",
            "csv",
            {},
            ("nested_tag",),
            id="nested",
        ),
        pytest.param(
            "```xml\n<tool_info>csv</tool_info>\n```",
            "tool_info",
            "csv",
            {},
            ("code_fence",),
            id="tag in fence",
        ),
        pytest.param(
            '<tool_call>\n```json\n{"name": "csv", "args": {"path": "a.csv"}}\n```\n</tool_call>',
            "tool_call",
            "csv",
            CSV,
            ("code_fence",),
            id="fence in tag",
        ),
        pytest.param(
            '<tool_call>csv\n```json\n{"path": "a.csv"}\n```\n</tool_call>',
            "tool_call",
            "csv",
            CSV,
            (),
            id="fenced arguments",
        ),
        pytest.param(
            "<Tool_Call>csv</TOOL_CALL>", "tool_call", "csv", {}, ("tag_form",), id="wrong case"
        ),
        pytest.param(
            "< tool-info >csv</ tool-info >",
            "tool_info",
            "csv",
            {},
            ("tag_form",),
            id="spaces and hyphen",
        ),
        pytest.param(
            "<tool_info>csv</tool_call>",
            "tool_info",
            "csv",
            {},
            ("wrong_closing_tag",),
            id="wrong end",
        ),
        pytest.param(
            "</tool_call><tool_info>csv</tool_info>",
            "tool_info",
            "csv",
            {},
            ("stray_closing_tag",),
            id="stray end",
        ),
        pytest.param(
            "<tool_search>a</tool_search><tool_call>b</tool_call>",
            "search",
            "a",
            {},
            ("several_actions",),
            id="first of two",
        ),
        pytest.param(
            "<tool_call>csv {path: a}</tool_call>",
            "tool_call",
            "csv",
            {},
            ("bad_json",),
            id="bad json",
        ),
        pytest.param(
            "<tool_call>csv please</tool_call>",
            "tool_call",
            "csv",
            {},
            ("trailing_text",),
            id="prose after the name",
        ),
        pytest.param("<tool_call> </tool_call>", "none", "", {}, ("empty_argument",), id="empty"),
        pytest.param("I think about tools.", "none", "", {}, (), id="prose"),
        pytest.param("", "none", "", {}, (), id="nothing"),
        pytest.param(
            "<think><tool_call>a</tool_call></think><tool_info>b</tool_info>",
            "tool_info",
            "b",
            {},
            (),
            id="thinking",
        ),
        pytest.param(
            "<think><tool_call>a</tool_call>",
            "none",
            "",
            {},
            ("unfinished_thinking",),
            id="only thinking",
        ),
        pytest.param(
            "so b</think><tool_info>b</tool_info>",
            "tool_info",
            "b",
            {},
            (),
            id="thinking opened by the template",
        ),
    ],
)
def test_a_tagged_reply(
    text: str, kind: str, argument: str, args: dict[str, Any], issues: tuple[str, ...]
) -> None:
    action = parse(text)
    assert (action.kind, action.argument, dict(action.args)) == (kind, argument, args)
    assert action.format_issues == issues
    assert action.unclosed_tag == ("unclosed_tag" in issues)


def test_tags_inside_arguments_are_text() -> None:
    action = parse('<tool_call>w {"content": "</tool_call> <tool_info>x"}</tool_call>')
    assert action.args == {"content": "</tool_call> <tool_info>x"}
    assert action.format_issues == ()


@pytest.mark.parametrize(
    ("name", "arguments", "kind", "argument", "issues"),
    [
        ("tool_search", '{"query": "read"}', "search", "read", ()),
        ("tool_info", '{"name": "csv"}', "tool_info", "csv", ()),
        ("tool_call", '{"name": "csv", "arguments": {"path": "a.csv"}}', "tool_call", "csv", ()),
        ("csv", '{"path": "a.csv"}', "tool_call", "csv", ("direct_call",)),
        ("tool_call", "{cut", "none", "", ("bad_json", "empty_argument")),
        ("tool_call", "", "none", "", ("empty_argument",)),
        ("tool_search", "[1]", "none", "", ("bad_json", "empty_argument")),
    ],
)
def test_a_function_call(
    name: str, arguments: str, kind: str, argument: str, issues: tuple[str, ...]
) -> None:
    action = parse_functions([FunctionCall("1", name, arguments)], "")
    assert (action.kind, action.argument, action.format_issues) == (kind, argument, issues)
    if kind == "tool_call":
        assert action.args == CSV


def test_only_the_first_of_several_function_calls_counts() -> None:
    calls = [FunctionCall(str(n), "tool_info", f'{{"name": "t{n}"}}') for n in range(3)]
    action = parse_functions(calls, "")
    assert (action.argument, action.format_issues) == ("t0", ("several_actions",))


def test_a_tag_is_understood_where_functions_are_offered() -> None:
    action = parse_functions([], "<tool_info>csv</tool_info>")
    assert (action.kind, action.format_issues) == ("tool_info", ("tag_instead_of_function",))


@pytest.mark.parametrize(
    "text",
    [
        "TASK COMPLETE",
        "task_complete",
        "The task is now complete.",
        "The task has been successfully completed!",
        "All steps have been completed.",
        "Every required tool has been executed.",
        "so I consider this task to be done.",
    ],
)
def test_completion_is_said(text: str) -> None:
    assert says_complete(text)


@pytest.mark.parametrize(
    "text",
    [
        "The task is not complete.",
        "Once the task is complete I will tell you.",
        "I go on until the task is done",
        "I am not sure whether the task is complete",
        "The task to be done is large.",
        "The file is complete.",
        "",
    ],
)
def test_completion_is_not_said(text: str) -> None:
    assert not says_complete(text)


def test_surrogates_are_joined_or_replaced() -> None:
    assert whole("a\ud83d\ude00b") == "a\U0001f600b"
    assert whole("a\ud83db").encode() == "a\ufffdb".encode()
