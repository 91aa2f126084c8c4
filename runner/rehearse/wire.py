"""The JSON of an OpenAI-compatible endpoint: requests as we read them, answers as we write them.

Pure (time and identity are passed in) and apart from the server, so that the shapes can be checked
against the real client without a socket.
"""

import re
from collections.abc import Iterator
from typing import Any

import msgspec

_PIECE = re.compile(r"\s*\S+\s*$|\s*\S+")
_CHARS_PER_TOKEN = 4  # the usual rule of thumb for English text
_MIN_FRAME_S = 0.05  # more frames a second tell a client nothing and cost CPU
_BURST_FRAMES = 4  # of an answer that is streamed without pacing


class Call(msgspec.Struct, frozen=True):
    """A native function call; `arguments` is JSON text."""

    name: str
    arguments: str = "{}"


class CallEntry(msgspec.Struct, frozen=True):
    """An entry of a message's `tool_calls`."""

    function: Call


class _Part(msgspec.Struct):
    text: str = ""


class Message(msgspec.Struct):
    """A message of the conversation; `content` is text, a list of parts or absent."""

    role: str
    content: str | list[_Part] | None = None
    tool_calls: list[CallEntry] | None = None

    @property
    def text(self) -> str:
        """The message's text, its parts joined."""
        if isinstance(self.content, str):
            return self.content
        return "\n".join(part.text for part in self.content or ())


class Function(msgspec.Struct):
    """A function that the model may call; `parameters` is a JSON schema."""

    name: str
    parameters: dict[str, Any] = {}


class Tool(msgspec.Struct):
    """An entry of a request's `tools`."""

    function: Function


class StreamOptions(msgspec.Struct):
    """Options of a streamed request."""

    include_usage: bool = False


class ChatRequest(msgspec.Struct):
    """What the server uses of a chat completion request; everything else is ignored."""

    messages: list[Message]
    model: str = ""
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    user: str | None = None
    tools: list[Tool] | None = None

    @property
    def turn(self) -> int:
        """The number of the turn that this request asks for, from 1."""
        return 1 + sum(message.role == "assistant" for message in self.messages)


class Reply(msgspec.Struct, frozen=True):
    """What the scripted agent says: a text, or native function calls, or both."""

    content: str = ""
    calls: tuple[Call, ...] = ()
    finish: str = ""  # overrides the finish_reason that follows from the rest

    @property
    def finish_reason(self) -> str:
        """OpenAI's finish_reason for this reply."""
        return self.finish or ("tool_calls" if self.calls else "stop")

    @property
    def tokens(self) -> int:
        """The reply's length in tokens, as billed by this endpoint."""
        chars = len(self.content) + sum(len(call.name + call.arguments) for call in self.calls)
        return 1 + chars // _CHARS_PER_TOKEN


class Envelope(msgspec.Struct, frozen=True):
    """What all chunks of one answer have in common."""

    id: str
    created: int
    model: str
    prompt_tokens: int

    @classmethod
    def of(cls, request: ChatRequest, number: int, created: int) -> "Envelope":
        """The envelope of call `number`, answered at unix second `created`."""
        chars = sum(len(message.text) for message in request.messages)
        return cls(
            id=f"chatcmpl-rehearse-{number}",
            created=created,
            model=request.model,
            prompt_tokens=1 + chars // _CHARS_PER_TOKEN,
        )

    def usage(self, reply: Reply) -> dict[str, int]:
        """The usage object of an answer with this reply."""
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": reply.tokens,
            "total_tokens": self.prompt_tokens + reply.tokens,
        }

    def completion(self, reply: Reply) -> bytes:
        """The body of a plain answer."""
        calls = [_call(index, call) for index, call in enumerate(reply.calls)]
        message: dict[str, Any] = {"role": "assistant", "content": reply.content or None}
        if calls:
            message["tool_calls"] = [{k: v for k, v in c.items() if k != "index"} for c in calls]
        body = {
            **self._head("chat.completion"),
            "choices": [{"index": 0, "message": message, "finish_reason": reply.finish_reason}],
            "usage": self.usage(reply),
        }
        return msgspec.json.encode(body)

    def chunk(self, delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        """One server-sent event with a delta."""
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        return event({**self._head("chat.completion.chunk"), "choices": [choice]})

    def stream(
        self, reply: Reply, *, tokens_per_s: float, reasoning_s: float, usage: bool
    ) -> Iterator[tuple[float, bytes]]:
        """(pause before it in seconds, server-sent event) of a streamed answer, in order."""
        yield 0.0, self.chunk({"role": "assistant", "content": ""})
        steps = int(reasoning_s / 0.5)
        for step in range(1, steps + 1):
            yield 0.5, self.chunk({"reasoning_content": f"Considering possibility {step}. "})
        for pause, text in _paced(reply.content, tokens_per_s):
            yield pause, self.chunk({"content": text})
        for index, call in enumerate(reply.calls):
            yield 0.0, self.chunk({"tool_calls": [{**_call(index, call, arguments="")}]})
            part = {"index": index, "function": {"arguments": call.arguments}}
            yield 0.0, self.chunk({"tool_calls": [part]})
        yield 0.0, self.chunk({}, reply.finish_reason)
        if usage:
            head = self._head("chat.completion.chunk")
            yield 0.0, event({**head, "choices": [], "usage": self.usage(reply)})
        yield 0.0, b"data: [DONE]\n\n"

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}


def event(body: dict[str, Any]) -> bytes:
    """`body` as a server-sent event."""
    return b"data: " + msgspec.json.encode(body) + b"\n\n"


def error_body(message: str, kind: str, code: str | None) -> bytes:
    """OpenAI's error object as JSON."""
    error = {"message": message, "type": kind, "param": None, "code": code}
    return msgspec.json.encode({"error": error})


def _call(index: int, call: Call, arguments: str | None = None) -> dict[str, Any]:
    function = {
        "name": call.name,
        "arguments": call.arguments if arguments is None else arguments,
    }
    return {"index": index, "id": f"call_{index}", "type": "function", "function": function}


def _paced(text: str, tokens_per_s: float) -> Iterator[tuple[float, str]]:
    """`text` in pieces, with the pause before each; joined they are `text` again."""
    pieces = _PIECE.findall(text)
    if tokens_per_s:
        size = max(1, round(tokens_per_s * _MIN_FRAME_S))
    else:
        size = max(1, -(-len(pieces) // _BURST_FRAMES))
    for start in range(0, len(pieces), size):
        group = pieces[start : start + size]
        yield (len(group) / tokens_per_s if tokens_per_s else 0.0), "".join(group)
