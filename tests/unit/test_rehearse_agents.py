"""The scripted agents: what they say to a prompt, by tags and by function calls."""

from typing import Any

import msgspec
import pytest

from runner.rehearse.agents import reply, required_tools
from runner.rehearse.behaviour import Agent
from runner.rehearse.wire import ChatRequest, Envelope, Message, Reply

PROMPT = """Use <tool_search>, <tool_info> and <tool_call>.
1. Read this first.
Workflow:
1. csv_loader: loads the orders
2. aggregator - sums them up
3. `file_writer` writes the result
"""


def talk(
    agent: Agent, turns: int, feedback: str = "Result: success", prompt: str = PROMPT
) -> list[str]:
    """The agent's replies, each answered with the same feedback."""
    messages = [Message(role="user", content=prompt)]
    for _ in range(turns):
        said = reply(agent, ChatRequest(messages=messages)).content
        messages += [Message("assistant", said), Message("user", feedback)]
    return [m.text for m in messages if m.role == "assistant"]


@pytest.mark.parametrize(
    ("prompt", "names"),
    [
        (PROMPT, ["csv_loader", "aggregator", "file_writer"]),
        ("Step 1: translator (text)\nStep 2: run file_writer", ["translator", "file_writer"]),
        (
            "Required tools (in order): csv_loader, aggregator -> chart_builder.\n1. x_y: no",
            ["csv_loader", "aggregator", "chart_builder"],
        ),
        ("1. Think.\n2. Answer the question.", []),
    ],
)
def test_tool_names_are_read_from_the_prompt(prompt: str, names: list[str]) -> None:
    assert required_tools([Message(role="user", content=prompt)]) == names


def test_competent_searches_once_then_runs_the_workflow_in_order() -> None:
    said = talk("competent", 5)
    assert "<tool_search>csv loader</tool_search>" in said[0]
    for text, name in zip(said[1:4], ["csv_loader", "aggregator", "file_writer"], strict=True):
        assert f"<tool_call>{name} {{" in text
        assert "</tool_call>" in text
    assert "TASK COMPLETE" in said[4]
    assert "<tool" not in said[4]


@pytest.mark.parametrize(
    "feedback",
    ["Tool failed: FILE_NOT_FOUND", '{"success": false}', "Error: unknown tool", "ok: no"],
)
def test_competent_tries_a_failed_tool_again_then_goes_on(feedback: str) -> None:
    said = talk("competent", 8, feedback)
    assert sum("<tool_call>csv_loader" in text for text in said) == 5
    assert "<tool_call>aggregator" in said[6]


def test_partial_leaves_the_last_tool_out() -> None:
    said = talk("partial", 5)
    assert not any("file_writer" in text for text in said)
    assert "<tool" not in said[3]


def test_linger_goes_on_calling_after_the_end() -> None:
    said = talk("linger", 7)
    assert all("<tool_call>" in text for text in said[1:])


def test_loop_repeats_cycle_alternates_and_chat_never_acts() -> None:
    assert len(set(talk("loop", 5))) == 1
    cycle = talk("cycle", 6)
    assert cycle[0] == cycle[2] == cycle[4] != cycle[1] == cycle[3] == cycle[5]
    chat = talk("chat", 10)
    assert len(set(chat)) == 10
    assert not any("<" in text for text in chat)


def test_wander_searches_and_asks_without_ever_running_a_tool() -> None:
    said = talk("wander", 8)
    assert not any("<tool_call>" in text for text in said)
    assert len(set(said)) >= 6


def test_unclosed_never_closes_its_tag() -> None:
    assert all("<tool_call>" in t and "</tool_call>" not in t for t in talk("unclosed", 4))


def function(name: str, **properties: str) -> dict[str, Any]:
    types = {key: {"type": kind} for key, kind in properties.items()}
    schema = {"type": "object", "properties": types, "required": list(types)}
    return {"type": "function", "function": {"name": name, "parameters": schema}}


def native(agent: Agent, tools: list[dict[str, Any]], turns: int) -> list[Reply]:
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Do it."}]
    replies: list[Reply] = []
    for _ in range(turns):
        request = msgspec.convert({"messages": messages, "tools": tools}, ChatRequest)
        replies.append(reply(agent, request))
        body = Envelope.of(request, 1, 0).completion(replies[-1])
        messages.append(msgspec.json.decode(body)["choices"][0]["message"])
        messages.append({"role": "tool", "tool_call_id": "call_0", "content": '{"success": true}'})
    return replies


def test_functions_are_called_once_each_with_arguments_of_the_right_type() -> None:
    tools = [function("add", a="integer", b="integer"), function("say", text="string")]
    first, second, third = native("competent", tools, 3)
    assert [(c.name, c.arguments) for c in first.calls] == [("add", '{"a":1,"b":1}')]
    assert [(c.name, c.arguments) for c in second.calls] == [("say", '{"text":"data"}')]
    assert not third.calls
    assert first.finish_reason == "tool_calls"
    assert third.finish_reason == "stop"


def test_search_function_is_used_where_it_is_offered() -> None:
    tools = [function("tool_search", query="string"), function("file_reader", path="string")]
    first, second = native("competent", tools, 2)
    assert first.calls[0].name == "tool_search"
    assert second.calls[0].name == "file_reader"
    looping = native("loop", tools, 3)
    assert len({said.calls for said in looping}) == 1
