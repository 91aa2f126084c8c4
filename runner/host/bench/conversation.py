"""The conversation as it is sent: messages of both protocols in the form that endpoints accept.

Apart from the executor because servers are strict where models are not: function calls must have
ids, legal names and JSON arguments, and each must be answered.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from runner.host.bench.chat import Reply
from runner.host.bench.protocol import FunctionCall

_LEGAL_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
MAX_RECORD_CHARS: Final = 1_000_000
"""Of all messages in a row; six bytes each at worst, so well below what a row may hold."""

_NOT_RUN: Final = "Not run: take one action in each reply."
_EMPTY: Final = "(empty reply)"


class Conversation:
    """All messages of an attempt so far, oldest first."""

    def __init__(self, system: str, user: str) -> None:
        self.messages: list[dict[str, Any]] = [
            {"role": "system", "content": system},
            {"role": "user", "content": user},
        ]

    def add(self, reply: Reply, answer: str) -> list[dict[str, Any]]:
        """Append the model's reply and our answer to it, and return what was appended.

        An empty answer ends the conversation.
        """
        before = len(self.messages)
        self._append(reply, answer)
        return self.messages[before:]

    def record(self) -> list[dict[str, Any]]:
        """The conversation for the result row: long contents are cut to an equal share of it."""
        limit = MAX_RECORD_CHARS // len(self.messages)
        return [
            {"role": message["role"], "content": shown(message)[:limit]}
            for message in self.messages
        ]

    def _append(self, reply: Reply, answer: str) -> None:
        if not reply.calls:
            self.messages.append({"role": "assistant", "content": reply.text or _EMPTY})
            if answer:
                self.messages.append({"role": "user", "content": answer})
            return
        number = len(self.messages)
        calls = [_sendable(call, f"call_{number}_{n}") for n, call in enumerate(reply.calls)]
        self.messages.append(
            {"role": "assistant", "content": reply.text or None, "tool_calls": calls}
        )
        for position, call in enumerate(calls):
            content = _NOT_RUN if position else answer
            self.messages.append({"role": "tool", "tool_call_id": call["id"], "content": content})


def shown(message: Mapping[str, Any]) -> str:
    """A message as one text: its content, then its function calls a line each."""
    parts: list[str] = [message["content"]] if message["content"] else []
    calls = [call["function"] for call in message.get("tool_calls", ())]
    parts.extend(f"{call['name']} {call['arguments']}" for call in calls)
    return "\n".join(parts)


def _sendable(call: FunctionCall, fallback_id: str) -> dict[str, Any]:
    """The call with everything replaced that a server would refuse the whole conversation for."""
    try:
        valid = isinstance(json.loads(call.arguments), dict)
    except (ValueError, RecursionError):
        valid = False
    name = call.name if _LEGAL_NAME.fullmatch(call.name) else "tool_call"
    arguments = call.arguments if valid else "{}"
    return {
        "id": call.id or fallback_id,
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }
