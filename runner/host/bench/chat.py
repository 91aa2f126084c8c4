"""One request to the model and its whole reply, streamed or not.

Apart from the turns because it knows the endpoint's dialects: usage chunks without choices,
reasoning deltas under several names, tool calls in pieces, content filters as a finish reason, a
400 or an error inside the stream.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from runner.host.bench.ctx import Context
from runner.host.bench.protocol import FunctionCall, whole

MAX_REPLY_CHARS: Final = 200_000
"""A reply is cut here: none of use is so long, and each later turn would send it again."""

RESERVED_PARAMS: Final = frozenset({"model", "messages", "tools"})
_FILTER_CODES: Final = frozenset(
    {
        "content_filter",  # OpenAI, Azure
        "content_policy_violation",
        "responsibleaipolicyviolation",
        "data_inspection_failed",  # DashScope
        "datainspectionfailed",
    }
)
_FILTER_TEXT: Final = "content exists risk"  # DeepSeek: a plain invalid_request_error


class ContentFilter(Exception):
    """The endpoint refused the conversation or the reply; asking again would not help."""


class Reply:
    """What the model answered. Reasoning is not part of it: it is progress, never an action."""

    def __init__(self, text: str, calls: Sequence[FunctionCall], finish: str) -> None:
        self.text = whole(text)
        self.calls = tuple(FunctionCall(*(whole(field) for field in call)) for call in calls)
        self.finish = finish


def ask(
    ctx: Context, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]]
) -> Reply:
    """Send the conversation and return the reply.

    Sampling parameters travel as they are, so that an endpoint's own (``enable_thinking``) need no
    support in the SDK; ``stream = false`` among them asks for a plain answer. Raises ContentFilter,
    else whatever the client raises.
    """
    params = {key: value for key, value in ctx.params.items() if key not in RESERVED_PARAMS}
    streams = params.pop("stream", True) is not False
    if tools:
        params["tools"] = list(tools)
    try:
        reply = _streamed(ctx, messages, params) if streams else _plain(ctx, messages, params)
    except Exception as error:
        if _is_filter(error):
            raise ContentFilter(str(error)[:500]) from error
        raise
    if reply.finish == "content_filter":
        raise ContentFilter("the endpoint stopped the reply: finish_reason content_filter")
    return reply


def _streamed(
    ctx: Context, messages: Sequence[Mapping[str, Any]], params: Mapping[str, Any]
) -> Reply:
    stream: Any = ctx.client.chat.completions.create(
        model=ctx.model,
        messages=_sdk(messages),
        stream=True,
        stream_options={"include_usage": True},
        extra_body=dict(params),
    )
    pieces = _Pieces()
    with stream:
        for chunk in stream:
            pieces.add(chunk)
            if pieces.chars > MAX_REPLY_CHARS:
                break
    return pieces.reply()


def _plain(ctx: Context, messages: Sequence[Mapping[str, Any]], params: Mapping[str, Any]) -> Reply:
    answer: Any = ctx.client.chat.completions.create(
        model=ctx.model, messages=_sdk(messages), stream=False, extra_body=dict(params)
    )
    choices = answer.choices or ()
    if not choices:
        return Reply("", (), "")
    message = choices[0].message
    calls = [
        FunctionCall(call.id or "", call.function.name or "", call.function.arguments or "")
        for call in getattr(message, "tool_calls", None) or ()
        if getattr(call, "function", None) is not None
    ]
    text = message.content or ""
    return Reply(text[:MAX_REPLY_CHARS], calls, choices[0].finish_reason or "")


class _Pieces:
    """Collects the chunks of a streamed reply. Chunks are untyped: servers leave fields out."""

    def __init__(self) -> None:
        self.chars = 0
        self._text: list[str] = []
        self._calls: dict[int, list[list[str]]] = {}
        self._finish = ""

    def add(self, chunk: Any) -> None:
        """Take in one chunk; those without choices carry usage or filter results only."""
        for choice in (chunk.choices or ())[:1]:
            self._finish = choice.finish_reason or self._finish
            delta = choice.delta
            if delta is None:
                continue
            if delta.content:
                self.chars += len(delta.content)
                self._text.append(delta.content)
            for part in getattr(delta, "tool_calls", None) or ():
                self._add_call(part)

    def _add_call(self, part: Any) -> None:
        fields = self._calls.setdefault(part.index or 0, [[], [], []])
        if part.id and not fields[0]:
            fields[0].append(part.id)
        function = part.function
        if function is None:
            return
        if function.name:
            fields[1].append(function.name)
        if function.arguments:
            self.chars += len(function.arguments)
            fields[2].append(function.arguments)

    def reply(self) -> Reply:
        """The reply as far as it came."""
        calls = [
            FunctionCall(*("".join(field)[:MAX_REPLY_CHARS] for field in fields))
            for _, fields in sorted(self._calls.items())
        ]
        return Reply("".join(self._text)[:MAX_REPLY_CHARS], calls, self._finish)


def _is_filter(error: Exception) -> bool:
    """Whether an SDK error says that a content filter acted; told by its fields, not its class."""
    code = str(getattr(error, "code", None) or "").lower()
    if code in _FILTER_CODES:
        return True
    return getattr(error, "status_code", None) == 400 and _FILTER_TEXT in str(error).lower()


def _sdk(messages: Sequence[Mapping[str, Any]]) -> Any:
    """The messages as the SDK's types want them; they are plain JSON objects."""
    return list(messages)
