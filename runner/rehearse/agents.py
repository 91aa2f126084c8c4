"""Scripted agents: what the model says next, from the conversation alone.

Pure: an agent has no memory, it reads the conversation again in each turn, as a model does. They
speak the tag protocol of the PILOT benchmark (`<tool_search>`, `<tool_info>`, `<tool_call>`) or
native function calling, if the request offers functions. Names of tools are taken from wherever a
prompt may show them, so that prompt texts can change without the agents.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import takewhile
from typing import Any

import msgspec

from runner.rehearse.behaviour import Agent
from runner.rehearse.wire import Call, ChatRequest, Function, Message, Reply, Tool

_WORD = r"[a-z][a-z0-9_]*"
# A tool's name as prompts show it: marked, with an underscore, or followed by what explains it.
_NAME = rf"(?:[`*\"]+({_WORD})[`*\"]+|([a-z][a-z0-9]*_[a-z0-9_]+)\b|({_WORD})(?=\s*(?:[:(–—-]|$)))"
_STEP = re.compile(
    rf"^\s*(?:[Ss]tep\s*)?\d+\s*[.):]\s*(?:(?:[Rr]un|[Cc]all|[Uu]se)\s+)?{_NAME}", re.MULTILINE
)
_LISTED = re.compile(rf"^\s*(?:\d+[.)]|[-*])?\s*{_NAME}", re.MULTILINE)
_REQUIRED = re.compile(r"^.*\brequired[ _]tools?\b[^:\n]*:(.*)$", re.IGNORECASE | re.MULTILINE)
_FILL_WORDS = frozenset({"and", "in", "order", "then", "none", "the", "this"})
_TOOL_CALL = re.compile(rf"<tool_call>\s*({_WORD})")
_SAYS_OK = re.compile(r"\b(?:succe(?:ss|eded)\w*|ok)\b(?!\W+(?:false|no)\b)", re.IGNORECASE)
_SAYS_FAILED = re.compile(
    r"\b(?:error|fail(?:s|ed|ure)?|unknown|invalid|unsuccessful)\b"
    r"|\"?(?:success|ok)\"?\s*[:=]\s*(?:false|no)\b",
    re.IGNORECASE,
)
_ARGUMENT_NAME = re.compile(rf'"name"\s*:\s*"({_WORD})"')
_HELPERS = ("tool_search", "tool_info", "tool_call")
_TOPICS = ("tables", "files", "charts", "requests", "schedules", "reports", "models", "logs")
_SAMPLES: dict[str, Any] = {"integer": 1, "number": 1.0, "boolean": True, "array": [], "object": {}}
_MOST_TRIES = 5  # of one tool before the agent goes on to the next

_THOUGHTS = (
    "The previous result tells me how to go on, so the next step of the workflow is due.",
    "I have compared the request with what is available and will take the step that fits it.",
    "Before anything else is changed I want the data of this step to be in its place.",
    "This part of the task depends on the one before it, which is why I do it only now.",
    "Everything that this step needs is at hand, and its result is what the next one reads.",
)
_CHAT = (
    "That is an interesting task, and I would like to think about its background first.",
    "There are several schools of opinion on how such data should be treated.",
    "Speaking generally, quality matters more than speed in work of this sort.",
    "One could also ask who will read the report, and what they hope to find.",
    "My experience with pipelines like this one has been good on the whole.",
    "Perhaps a short history of the format helps to see why it looks this way.",
    "On the other hand, simple approaches have often won in practice.",
    "Let me summarise what we know so far: the input is given and the output wanted.",
    "A careful reader may object that the requirements leave some room.",
    "In closing, I believe that a plan should be made before tools are touched.",
)
_DONE = (
    "All steps of the workflow have run and their results are in place.\n\nTASK COMPLETE",
    "Nothing is left to do on my list. TASK COMPLETE",
    "As I said, the work has been carried out as described: TASK COMPLETE",
)


def reply(agent: Agent, request: ChatRequest) -> Reply:
    """What `agent` answers to `request`."""
    if agent == "auto":
        agent = "competent" if _has_tools(request) else "chat"
    return _AGENTS[agent](request)


def required_tools(messages: Sequence[Message]) -> list[str]:
    """Names of the tools that the prompt asks for, in its order and without repetition.

    A line that speaks of required tools wins over numbered steps (`1. tool_name: ...`).
    """
    prompt = "\n".join(_prompt(messages))
    for line in _REQUIRED.findall(prompt):
        names = [word for word in re.findall(_WORD, line) if word not in _FILL_WORDS]
        if names:
            return list(dict.fromkeys(names))
    return list(dict.fromkeys(_names(_STEP, prompt)))


def _names(pattern: re.Pattern[str], text: str) -> list[str]:
    return [next(filter(None, match.groups())) for match in pattern.finditer(text)]


def _has_tools(request: ChatRequest) -> bool:
    return bool(request.tools) or any("<tool_call>" in text for text in _prompt(request.messages))


def _prompt(messages: Sequence[Message]) -> list[str]:
    """The texts before the first reply."""
    return [m.text for m in takewhile(lambda m: m.role != "assistant", messages)]


def _competent(request: ChatRequest) -> Reply:
    return _work(request, _workflow(request))


def _partial(request: ChatRequest) -> Reply:
    names = _workflow(request)
    return _work(request, names[: max(1, len(names) - 1)])


def _linger(request: ChatRequest) -> Reply:
    names = _workflow(request)
    if request.turn == 1 or not names or _next_missing(request.messages, names):
        return _work(request, names)
    return _act(
        request, "I will run it once more to be sure.", "call", names[request.turn % len(names)]
    )


def _work(request: ChatRequest, names: list[str]) -> Reply:
    """Search in the first turn, then each of `names` until it has succeeded, then the end."""
    thought = _THOUGHTS[request.turn % len(_THOUGHTS)]
    if request.turn == 1 and _can_search(request):
        query = names[0].replace("_", " ") if names else "process the input of the task"
        return _act(request, thought, "search", query)
    missing = _next_missing(request.messages, names)
    if missing:
        return _act(request, thought, "call", missing)
    return Reply(_DONE[request.turn % len(_DONE)])


def _loop(request: ChatRequest) -> Reply:
    return _act(request, "I need the right tool first.", "search", "the right tool")


def _cycle(request: ChatRequest) -> Reply:
    query = ("read the input file", "write the output file")[request.turn % 2]
    return _act(request, f"Let me look for a way to {query}.", "search", query)


def _wander(request: ChatRequest) -> Reply:
    step, even = divmod(request.turn, 2)
    names = _workflow(request)
    if even or not names:
        return _act(request, "What else is there?", "search", _TOPICS[step % len(_TOPICS)])
    return _act(request, "I should know this one better.", "info", names[step % len(names)])


def _unclosed(request: ChatRequest) -> Reply:
    """Cut off inside the arguments, so that no tolerance can tell what was meant."""
    names = _workflow(request) or ["file_reader"]
    return Reply(f'<tool_call>{names[0]} {{"input": "the first part of the da')


def _chat(request: ChatRequest) -> Reply:
    return Reply(_CHAT[request.turn % len(_CHAT)])


def _workflow(request: ChatRequest) -> list[str]:
    """The tools to run: those that the prompt names, else those offered, else those found."""
    names = required_tools(request.messages)
    if names:
        return names
    if request.tools:
        offered = [tool.function.name for tool in request.tools]
        return [name for name in offered if name not in _HELPERS]
    return _found(request.messages)


def _found(messages: Sequence[Message]) -> list[str]:
    """The first tool of each search result in the conversation."""
    firsts: list[str] = []
    for reply_, feedback in _exchanges(messages):
        if "<tool_search>" in reply_.text:
            firsts += _names(_LISTED, feedback)[:1]
    return list(dict.fromkeys(firsts))


def _next_missing(messages: Sequence[Message], names: list[str]) -> str | None:
    """The first of `names` that has not succeeded yet and was not tried too often."""
    succeeded: set[str] = set()
    tries: dict[str, int] = {}
    for reply_, feedback in _exchanges(messages):
        for name in _called(reply_):
            tries[name] = tries.get(name, 0) + 1
            if _succeeded(feedback):
                succeeded.add(name)
    open_ = (n for n in names if n not in succeeded and tries.get(n, 0) < _MOST_TRIES)
    return next(open_, None)


def _exchanges(messages: Sequence[Message]) -> Iterator[tuple[Message, str]]:
    """Each reply with the texts that came back before the next one."""
    for index, message in enumerate(messages):
        if message.role == "assistant":
            yield message, "\n".join(_prompt(messages[index + 1 :]))


def _called(message: Message) -> list[str]:
    """Names of the tools that a reply has called, by tag or natively."""
    names: list[str] = _TOOL_CALL.findall(message.text)
    for call in message.tool_calls or ():
        name = call.function.name
        if name == "tool_call":
            names += _ARGUMENT_NAME.findall(call.function.arguments)
        else:
            names.append(name)
    return names


def _succeeded(feedback: str) -> bool:
    """Whether the feedback on a tool call reports success: what is said first counts."""
    failed = _SAYS_FAILED.search(feedback)
    succeeded = _SAYS_OK.search(feedback)
    if failed is None:
        return True
    return succeeded is not None and succeeded.start() < failed.start()


def _can_search(request: ChatRequest) -> bool:
    return not request.tools or any(t.function.name == "tool_search" for t in request.tools)


def _act(request: ChatRequest, thought: str, kind: str, target: str) -> Reply:
    """A reply with one action: kind is search, info or call, target its query or tool."""
    if request.tools:
        call = _native(request.tools, kind, target)
        return Reply(thought, (call,))
    if kind == "call":
        return Reply(f'{thought}\n<tool_call>{target} {{"input": "data"}}</tool_call>')
    return Reply(f"{thought}\n<tool_{kind}>{target}</tool_{kind}>")


def _native(tools: Sequence[Tool], kind: str, target: str) -> Call:
    """The same action as a function call; the first function where there is none for it."""
    offered = {tool.function.name: tool.function for tool in tools}
    helper = offered.get(f"tool_{kind}")
    if kind != "call" and helper:
        return Call(helper.name, _json(dict.fromkeys(_parameters(helper)[:1], target)))
    if kind == "call" and target not in offered and helper:
        return Call(helper.name, _json({"name": target, "arguments": {}}))
    function = offered.get(target) or tools[0].function
    return Call(function.name, _json(_arguments(function)))


def _parameters(function: Function) -> list[str]:
    """Names of the parameters, required ones only if the schema says which."""
    schema = function.parameters
    return list(schema.get("required") or schema.get("properties") or ())


def _arguments(function: Function) -> dict[str, Any]:
    """A value of the right JSON type for each parameter that is needed."""
    properties: dict[str, dict[str, Any]] = function.parameters.get("properties") or {}
    kinds = {name: properties.get(name, {}).get("type") for name in _parameters(function)}
    return {name: _SAMPLES.get(str(kind), "data") for name, kind in kinds.items()}


def _json(value: dict[str, Any]) -> str:
    return msgspec.json.encode(value).decode()


_AGENTS: dict[str, Callable[[ChatRequest], Reply]] = {
    "competent": _competent,
    "partial": _partial,
    "linger": _linger,
    "loop": _loop,
    "cycle": _cycle,
    "wander": _wander,
    "unclosed": _unclosed,
    "chat": _chat,
}
