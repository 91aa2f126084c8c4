"""Every text that the model is shown: the rules, the task in its prompt type, and feedback.

Apart from the executor so that wording can be read, and changed, in one place. Texts never name the
required tools except through the workflow of the prompt type.
"""

import json
from collections.abc import Sequence
from typing import Any, Final

from runner.host.bench.library import BenchTask, Library, Tool
from runner.host.bench.protocol import Action, Protocol, whole
from runner.host.bench.steps import Step, written
from runner.host.bench.tools import CallResult
from runner.host.bench.workflow import Variant

_MAX_DATA_CHARS: Final = 20_000

_RULES: Final = """\
You solve a task by running tools from a registry. You do not know the registry; search it.
Tools are unreliable: a tool that failed can be called again. Some tools work far better after \
others have run; their dependencies say so.
Take exactly one action in each reply. You have {turns} replies.
"""

_TAG_RULES: Final = """
An action is one of these tags, opened and closed:
<tool_search>what you need</tool_search> returns the five tools that fit best
<tool_info>tool name</tool_info> returns a tool's parameters, errors and dependencies
<tool_call>tool name {"parameter": "value"}</tool_call> runs a tool
"""

_FUNCTION_RULES: Final = """
An action is one function call: tool_search, tool_info or tool_call.
"""

_END_RULE: Final = """
When everything is done, reply without an action and write: TASK COMPLETE
"""

_COT: Final = """\
Think step by step before each action: what the task asks for, what is known by now, which tool \
brings it forward and what that tool needs to have run before it. Then take the action."""

_FORMS: Final[dict[str, str]] = {
    "search": "<tool_search>what you need</tool_search>",
    "tool_info": "<tool_info>tool_name</tool_info>",
    "tool_call": '<tool_call>tool_name {"parameter": "value"}</tool_call>',
}


def system(protocol: Protocol, max_turns: int) -> str:
    """The rules of the game."""
    rules = _TAG_RULES if protocol == "tags" else _FUNCTION_RULES
    return _RULES.format(turns=max_turns) + rules + _END_RULE


def user(task: BenchTask, variant: Variant, steps: Sequence[Step]) -> str:
    """The task as this prompt type presents it."""
    parts = [f"Task: {task.description}"]
    if task.test_input is not None:
        parts.append(f"Input: {data(task.test_input)}")
    if task.expected_output is not None:
        parts.append(f"Expected output: {data(task.expected_output)}")
    if variant.prompt_type == "cot":
        parts.append(_COT)
    elif variant.prompt_type != "baseline":
        # A flawed workflow is presented like the right one: finding the flaw is what is measured.
        parts.append("Workflow to follow:\n" + (written(steps) or "(no steps are needed)"))
    return "\n\n".join(parts)


def functions() -> list[dict[str, Any]]:
    """The three actions as function definitions for native function calling."""
    name = {"type": "string", "description": "Name of the tool."}
    query = {"type": "string", "description": "What you need, in a few words."}
    arguments = {"type": "object", "description": "The tool's parameters and their values."}
    return [
        _function("tool_search", "Search the registry; returns the five best.", {"query": query}),
        _function("tool_info", "Show parameters, errors and dependencies.", {"name": name}),
        _function("tool_call", "Run a tool.", {"name": name, "arguments": arguments}),
    ]


def found(query: str, tools: Sequence[Tool], library: Library) -> str:
    """The answer to a search."""
    if not tools:
        kinds = ", ".join(library.categories())
        return f"Nothing in the registry fits {query[:100]!r}. Its categories are: {kinds}."
    lines = [f"- {tool.name} ({tool.category}): {tool.description}" for tool in tools]
    return "Tools found, the best first:\n" + "\n".join(lines)


def described(name: str, tool: Tool | None, library: Library) -> str:
    """The answer to a tool_info."""
    if tool is None:
        near = library.nearest(name)
        advice = f"Similar names: {', '.join(near)}." if near else "Search for one."
        return f"There is no tool {name[:100]!r}. {advice}"
    lines = [f"{tool.name} ({tool.category}): {tool.description}", "Parameters:"]
    for one in tool.parameters:
        needed = "" if one.required else ", optional"
        lines.append(f"- {one.name} ({one.type}{needed}): {one.description}")
    lines.append("Returns:")
    lines.extend(f"- {one.name} ({one.type}): {one.description}" for one in tool.returns)
    lines.append("Failures:")
    lines.extend(f"- {fault.code}: {fault.description}" for fault in tool.errors)
    lines.append(f"Run before it: {', '.join(tool.dependencies) or 'nothing'}")
    return "\n".join(lines)


def ran(result: CallResult) -> str:
    """The answer to a tool_call."""
    return f"Result of {result.tool}: {result.text}"


def invalid(action: Action, protocol: Protocol, times: int) -> str:
    """Feedback on a reply without a valid action; ``times`` counts such replies in a row.

    It differs from one time to the next: an identical request would get an identical reply.
    """
    if protocol == "functions":
        text = "Your reply called none of the functions tool_search, tool_info and tool_call."
    elif action.unclosed_tag:
        text = (
            "Your reply opens an action tag and never closes it, so it could not be read. "
            f"Close the tag, for example: {_FORMS['tool_call']}"
        )
    elif "unfinished_thinking" in action.format_issues:
        text = "Your reply ended while you were still thinking. Think less and take an action."
    elif "empty_argument" in action.format_issues:
        text = f"Your action is empty. Fill it in, for example: {_FORMS['tool_call']}"
    else:
        text = "Your reply holds no action. Use one of:\n" + "\n".join(_FORMS.values())
    if times > 1:
        text += f"\nThis is reply number {times} in a row without an action."
    return text + "\nIf everything is done, write: TASK COMPLETE"


def hint(action: Action) -> str:
    """What to do better in the form of an action that was run all the same; empty if nothing."""
    if action.unclosed_tag:
        return f"\n(The tag was not closed. Close it next time: {_FORMS[action.kind]})"
    if "several_actions" in action.format_issues:
        return "\n(Only the first action was run. Take one action in each reply.)"
    if "bad_json" in action.format_issues:
        return "\n(The arguments were not valid JSON and were left out.)"
    return ""


def data(value: object) -> str:
    """A value as JSON text, cut where it is absurdly long."""
    text = whole(json.dumps(value, ensure_ascii=False))
    return text if len(text) <= _MAX_DATA_CHARS else text[:_MAX_DATA_CHARS] + " ... (cut)"


def _function(name: str, description: str, properties: dict[str, Any]) -> dict[str, Any]:
    required = [key for key in properties if key != "arguments"]
    parameters = {"type": "object", "properties": properties, "required": required}
    return {
        "type": "function",
        "function": {"name": name, "description": description, "parameters": parameters},
    }
