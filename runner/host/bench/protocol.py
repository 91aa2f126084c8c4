"""One reply in, one action out: the tag protocol and native function calling.

Apart from the executor because it reads hostile text: it is pure, tolerant, and takes time linear
in the reply (each pattern is bounded, each part of the text is decoded once). What had to be
forgiven is named in ``format_issues``, so that tolerance hides nothing.
"""

import json
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple, TypeAlias, cast

from runner.core.loops import TurnKind

Protocol: TypeAlias = Literal["tags", "functions"]

MAX_ARGUMENT_CHARS: Final = 1000

# White space is bounded so that a failing match gives up within a few characters.
_TAG = re.compile(r"<\s{0,4}(/?)\s{0,4}tool[_\- ]?(search|info|call)\s{0,4}/?>", re.IGNORECASE)
_NAME = re.compile(r"[\s`'\"*]{0,40}([A-Za-z_][\w.\-]{0,99})(?:['\"]|\*\*|`(?!`))?")
_FENCE = re.compile(r"\s{0,40}```[A-Za-z]{0,12}")
_BEFORE_JSON = re.compile(r"\s{0,40}[:=(,]?\s{0,40}(?:```[A-Za-z]{0,12}\s{0,40})?")
_KINDS: Final[dict[str, TurnKind]] = {
    "search": "search",
    "info": "tool_info",
    "call": "tool_call",
}
_NAME_KEYS: Final = ("name", "tool", "tool_name", "function")
_ARGUMENT_KEYS: Final = ("arguments", "args", "parameters", "params", "input", "inputs")
_QUERY_KEYS: Final = ("query", "q", "search", "keywords", "text")
_COMPLETE = re.compile(
    r"\btask[_ ](?:(?:is|has|was)[ ])?(?:now[ ])?(?:been[ ])?"
    r"(?:successfully[ ])?(?:complete|completed|finished|done)\b"
    r"|\b(?:all|every)[ ](?:the[ ])?(?:required[ ])?(?:steps?|tools?|tasks?)[ ]"
    r"(?:(?:is|are|has|have|was|were)[ ])(?:now[ ])?(?:been[ ])?"
    r"(?:successfully[ ])?(?:complete|completed|finished|done|executed|run)\b"
    r"|\bconsider[ ][^.!?\n]{0,20}\btask[ ](?:to[ ]be[ ])?(?:complete|completed|finished|done)\b",
    re.IGNORECASE,
)
_NOT_YET = re.compile(
    r"\b(?:until|once|when|if|after|before|unless|not|whether|sure|ensure)\b[^.!?\n]{0,30}$",
    re.IGNORECASE,
)
_DECODER = json.JSONDecoder()


class Action(NamedTuple):
    """What a reply asks for.

    ``argument`` is the query or the tool's name, empty for ``none``. ``unclosed_tag`` says that the
    tag was opened and never closed, whether or not the action could be read all the same.
    """

    kind: TurnKind
    argument: str = ""
    args: Mapping[str, Any] = MappingProxyType({})
    unclosed_tag: bool = False
    format_issues: tuple[str, ...] = ()


class FunctionCall(NamedTuple):
    """A native function call as the endpoint delivered it; ``arguments`` is unchecked text."""

    id: str
    name: str
    arguments: str


def parse(text: str) -> Action:
    """The first action in a reply of the tag protocol; kind ``none`` if it holds none."""
    issues: list[str] = []
    start = _after_thinking(text)
    if start < 0:
        return Action("none", format_issues=("unfinished_thinking",))
    tag = _first_opener(text, start, issues)
    if tag is None:
        return Action("none", format_issues=tuple(issues))
    if "```" in text[max(start, tag.start() - 16) : tag.start()]:
        issues.append("code_fence")
    tag = _innermost(text, tag, issues)
    kind = _KINDS[tag[2].lower()]
    body_start = tag.end()
    fence = _FENCE.match(text, body_start)
    if fence:
        issues.append("code_fence")
        body_start = fence.end()
    # The arguments may hold text that looks like a tag, so they are read before the end is sought.
    call = _read_call(text, body_start) if kind == "tool_call" else None
    end_tag = _TAG.search(text, call.end if call and call.has_args else body_start)
    closed = end_tag is not None and end_tag[1] == "/"
    if end_tag is not None and closed and end_tag[2].lower() != tag[2].lower():
        issues.append("wrong_closing_tag")
    body = text[body_start : end_tag.start() if end_tag else len(text)]
    if not closed:
        issues.append("unclosed_tag")
    _note_more(text, end_tag, issues)
    if call is not None and call.has_args:
        body = text[call.end : end_tag.start() if end_tag else len(text)]
        if closed and body.strip("`) \t\r\n"):
            issues.append("trailing_text")
        return Action(kind, call.name, call.args, not closed, _unique(issues))
    return _from_body(kind, body, closed, issues)


def parse_functions(calls: Sequence[FunctionCall], text: str) -> Action:
    """The action of a reply with native function calls; tags in ``text`` count if there is none."""
    if not calls:
        action = parse(text)
        if action.kind == "none":
            return action
        issues = ("tag_instead_of_function", *action.format_issues)
        return action._replace(format_issues=issues)
    first, issues = calls[0], list[str]()
    if len(calls) > 1:
        issues.append("several_actions")
    args = _decode_object(first.arguments) if first.arguments.strip() else {}
    if args is None:
        issues.append("bad_json")
        args = {}
    name = first.name.strip().lower().replace("-", "_")
    if name == "tool_search":
        query = _first_text(args, _QUERY_KEYS)
        return _named("search", query, {}, False, issues)
    if name == "tool_info":
        return _named("tool_info", _first_text(args, _NAME_KEYS), {}, False, issues)
    if name == "tool_call":
        tool, tool_args = _split_call(args)
        return _named("tool_call", tool, tool_args, False, issues)
    # A registry tool called as if it were a function: what is meant is beyond doubt.
    issues.append("direct_call")
    return _named("tool_call", first.name.strip(), args, False, issues)


def says_complete(text: str) -> bool:
    """Whether a reply states that the task is complete; "once the task is complete" does not."""
    tail = text[-4000:]
    for found in _COMPLETE.finditer(tail):
        before = tail[max(0, found.start() - 60) : found.start()]
        if not _NOT_YET.search(before):
            return True
    return False


def whole(text: str) -> str:
    """Join surrogate pairs that came in halves and replace lone ones: no encoder takes them."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class _Call(NamedTuple):
    name: str
    args: dict[str, Any]
    has_args: bool
    end: int


def _after_thinking(text: str) -> int:
    """Where the answer begins after inline ``<think>`` text; -1 if the thinking never ends."""
    end = text.rfind("</think>")
    if end >= 0:
        return end + len("</think>")
    return -1 if text[:200].lstrip().startswith("<think>") else 0


def _first_opener(text: str, start: int, issues: list[str]) -> re.Match[str] | None:
    for tag in _TAG.finditer(text, start):
        if not tag[1]:
            return tag
        issues.append("stray_closing_tag")
    return None


def _innermost(text: str, tag: re.Match[str], issues: list[str]) -> re.Match[str]:
    """Follow tags that open directly inside one another: the last one holds the argument."""
    if tag[0] != f"<tool_{tag[2].lower()}>":
        issues.append("tag_form")
    while True:
        inner = _TAG.search(text, tag.end())
        if inner is None or inner[1] or text[tag.end() : inner.start()].strip("` \t\r\n"):
            return tag
        issues.append("doubled_tag" if inner[2].lower() == tag[2].lower() else "nested_tag")
        tag = inner


def _note_more(text: str, end_tag: re.Match[str] | None, issues: list[str]) -> None:
    """Name a second action after the first one; it is not run."""
    if end_tag is None:
        return
    start = end_tag.start() if not end_tag[1] else end_tag.end()
    if any(not tag[1] for tag in _TAG.finditer(text, start)):
        issues.append("several_actions")


def _read_call(text: str, start: int) -> _Call | None:
    """Read ``name {json}`` or ``{json}`` at ``start``; None if neither has JSON that decodes."""
    named = _NAME.match(text, start)
    at = named.end() if named else start
    before = _BEFORE_JSON.match(text, at)
    at = before.end() if before else at
    if not text.startswith("{", at):
        return None
    value, end = _decode(text, at)
    if not isinstance(value, dict):
        return None
    given = cast("dict[str, Any]", value)
    if named:
        return _Call(named[1], given, True, end)
    name, args = _split_call(given)
    return _Call(name, args, True, end) if name else None


def _from_body(kind: TurnKind, body: str, closed: bool, issues: list[str]) -> Action:
    """An action without decoded JSON arguments: a query, or a bare name."""
    if kind == "search":
        query = body.strip("` \t\r\n")
        if not closed:
            query = query.partition("\n")[0]
        if query.startswith("{"):
            query = _first_text(_decode_object(query) or {}, _QUERY_KEYS) or query
        return _named(kind, query, {}, not closed, issues)
    if kind == "tool_info" and body.lstrip().startswith("{"):
        name = _first_text(_decode_object(body) or {}, _NAME_KEYS)
        return _named(kind, name, {}, not closed, issues)
    named = _NAME.match(body)
    if named is None:
        return _named(kind, "", {}, not closed, issues)
    rest = body[named.end() :].strip("`() \t\r\n")
    if not closed and body[named.end() :].partition("\n")[0].strip("`() \t\r\n"):
        # Prose or broken JSON without an end: guessing what was meant would be no tolerance.
        return _named(kind, "", {}, True, issues)
    if closed and rest:
        issues.append("bad_json" if rest[0] in "{[:=" else "trailing_text")
    return _named(kind, named[1], {}, not closed, issues)


def _named(
    kind: TurnKind, argument: str, args: dict[str, Any], unclosed: bool, issues: list[str]
) -> Action:
    """The action, or ``none`` where its argument is empty."""
    argument = whole(argument).strip()[:MAX_ARGUMENT_CHARS]
    if not argument:
        if not unclosed:
            issues.append("empty_argument")
        return Action("none", "", {}, unclosed, _unique(issues))
    return Action(kind, argument, args, unclosed, _unique(issues))


def _split_call(given: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Name and arguments of ``{"name": ..., "arguments": {...}}`` and its relatives."""
    inner = given.get("function")
    if isinstance(inner, dict):
        given = cast("dict[str, Any]", inner)
    name = _first_text(given, _NAME_KEYS)
    for key in _ARGUMENT_KEYS:
        value = given.get(key)
        if isinstance(value, str):
            value = _decode_object(value)
        if isinstance(value, dict):
            return name, cast("dict[str, Any]", value)
    return name, {key: value for key, value in given.items() if key not in _NAME_KEYS}


def _first_text(given: dict[str, Any], keys: Sequence[str]) -> str:
    for key in keys:
        value = given.get(key)
        if isinstance(value, str) and value.strip():
            return value
    return ""


def _decode(text: str, at: int) -> tuple[object, int]:
    """The JSON value at ``at`` and where it ends; (None, at) if there is none or it is too deep."""
    try:
        return _DECODER.raw_decode(text, at)
    except (ValueError, RecursionError):
        return None, at


def _decode_object(text: str) -> dict[str, Any] | None:
    """The JSON object that ``text`` begins with; None if it begins with something else."""
    value, _ = _decode(text.strip(), 0)
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def _unique(issues: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(issues))
