"""Routes, the choice of behaviours and the counters: the endpoint without its process.

Takes a script and answers the requests of connections; starts nothing and ends nothing, so a test
can run it in a loop of its own.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Coroutine
from typing import Any, NamedTuple
from urllib.parse import unquote

import msgspec

from runner.rehearse import agents
from runner.rehearse.acts import Answer, perform, refusal
from runner.rehearse.behaviour import Behaviour, Mix, ScriptError, draw
from runner.rehearse.connection import Connection
from runner.rehearse.http1 import Head, response_head
from runner.rehearse.script import Script
from runner.rehearse.wire import ChatRequest, Envelope, Reply

_CHAT = "chat/completions"
_UNREAD = frozenset({"close", "no_read"})
_decode = msgspec.json.Decoder(ChatRequest).decode


class Target(NamedTuple):
    """What a request's path says: the route, Azure's deployment, a behaviour for all its calls."""

    route: str
    deployment: str
    behaviour: str

    @classmethod
    def of(cls, head: Head) -> "Target":
        """Split `[/rehearse/BEHAVIOUR]/v1/...` and `.../openai/deployments/NAME/...`."""
        parts = head.path.strip("/").split("/")
        behaviour = head.headers.get("x-rehearse", "")
        if len(parts) > 1 and parts[0] == "rehearse":
            behaviour, parts = parts[1], parts[2:]
        if parts[:2] == ["openai", "deployments"] and len(parts) > 2:
            return cls("/".join(parts[3:]), parts[2], behaviour)
        return cls("/".join(part for part in parts if part not in ("v1", "openai")), "", behaviour)


class Stats(msgspec.Struct):
    """Connections since the start and `open` ones now; calls by model, kind met and task."""

    connections: int = 0
    open: int = 0
    calls: Counter[str] = msgspec.field(default_factory=Counter[str])
    behaviours: Counter[str] = msgspec.field(default_factory=Counter[str])
    tasks: Counter[str] = msgspec.field(default_factory=Counter[str])


class Endpoint:
    """Answers connections by a script; one asyncio loop, no threads."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._fired: Counter[str] = Counter()
        self._unnamed: Counter[str] = Counter()
        self._open: set[Connection] = set()
        self.stats = Stats()
        self.last_active = time.monotonic()

    async def listen(self, port: int) -> asyncio.Server:
        """Accept connections on 127.0.0.1; port 0 takes a free one. Raises OSError."""
        loop = asyncio.get_running_loop()
        return await loop.create_server(
            lambda: Connection(self), "127.0.0.1", port, backlog=1024, reuse_address=True
        )

    def close(self) -> None:
        """Reset all connections."""
        for connection in tuple(self._open):
            connection.reset()

    def opened(self, connection: Connection) -> None:
        """Count a client in."""
        self._open.add(connection)
        self.stats.connections += 1
        self.stats.open = len(self._open)
        self.last_active = time.monotonic()

    def lost(self, connection: Connection) -> None:
        """Count a client out."""
        self._open.discard(connection)
        self.stats.open = len(self._open)
        self.last_active = time.monotonic()

    def early(self, connection: Connection, head: Head) -> Coroutine[Any, Any, None] | None:
        """The act of a behaviour that does not wait for the body, if path or headers name it."""
        target = Target.of(head)
        task = _named_task(head)
        named = target.behaviour or (task and (target.deployment or task in self._script.tasks))
        if head.method != "POST" or target.route != _CHAT or not named:
            return None
        try:
            behaviour = self._behaviour(target, target.deployment, task)
        except ScriptError:
            return None  # respond() says so, with the body's model name in the message
        key = task or target.deployment
        if behaviour.kind not in _UNREAD or behaviour.turn or not self._fires(behaviour, key, 0):
            return None
        self._count(target.deployment, key, behaviour)
        request = ChatRequest(messages=[], model=target.deployment)
        return perform(connection, behaviour, self._answer(request, behaviour), 0.0)

    async def respond(self, connection: Connection, head: Head, body: bytes) -> None:
        """Answer a whole request."""
        target = Target.of(head)
        if target.route == _CHAT and head.method == "POST":
            await self._chat(connection, head, target, body)
        elif head.method != "GET":
            connection.write(refusal(405, f"no {head.method} here", None, {}))
        elif target.route == "models":
            connection.write(_json({"object": "list", "data": self._models()}))
        elif target.route == "stats":
            connection.write(_json(self.stats))
        elif target.route == "health":
            connection.write(_json({"ok": True}))
        else:
            connection.write(refusal(404, f"no such path: {head.path}", None, {}))

    async def _chat(self, connection: Connection, head: Head, target: Target, body: bytes) -> None:
        try:
            request = _decode(body)
        except msgspec.DecodeError as error:
            connection.write(refusal(400, f"the request body: {error}", "invalid_body", {}))
            return
        request.model = target.deployment or request.model
        task = _named_task(head) or request.user or self._number(request.model)
        try:
            planned = self._behaviour(target, request.model, task)
        except ScriptError as error:
            connection.write(refusal(404, str(error), "model_not_found", {}))
            return
        behaviour = planned if self._fires(planned, task, request.turn) else planned.calm()
        self._count(request.model, task, behaviour)
        answer = self._answer(request, behaviour)
        share = draw(self._script.seed, "latency", task, self.stats.tasks[task])
        latency_s = behaviour.latency_for(share)
        if not answer.streamed and behaviour.tokens_per_s:
            latency_s += answer.reply.tokens / behaviour.tokens_per_s
        await perform(connection, behaviour, answer, latency_s)

    def _behaviour(self, target: Target, model: str, task: str) -> Behaviour:
        """What the call meets: the path's own behaviour, else the script's."""
        if target.behaviour:
            return Mix.parse(target.behaviour).pick(draw(self._script.seed, "mix", task))
        return self._script.behaviour(model, task)

    def _fires(self, behaviour: Behaviour, task: str, turn: int) -> bool:
        """Whether this call misbehaves; if so it counts against the behaviour's `times`."""
        if not behaviour.fires(turn, self._fired[task]):
            return False
        self._fired[task] += 1
        return True

    def _count(self, model: str, task: str, behaviour: Behaviour) -> None:
        self.stats.calls[model] += 1
        self.stats.tasks[task] += 1
        self.stats.behaviours[behaviour.kind] += 1

    def _number(self, model: str) -> str:
        """A task key for a client that names no task: each call is a task of its own."""
        self._unnamed[model] += 1
        return f"{model}#{self._unnamed[model]}"

    def _answer(self, request: ChatRequest, behaviour: Behaviour) -> Answer:
        number = self.stats.calls.total()
        envelope = Envelope.of(request, number, int(time.time()))
        reply = agents.reply(behaviour.agent, request)
        if behaviour.kind == "filter_finish":
            reply = Reply(finish="content_filter")
        streamed = bool(request.stream)
        if streamed:
            options = request.stream_options
            frames = list(
                envelope.stream(
                    reply,
                    tokens_per_s=behaviour.tokens_per_s,
                    reasoning_s=behaviour.reasoning_s,
                    usage=options is not None and options.include_usage,
                )
            )
        else:
            body = envelope.completion(reply)
            half = len(body) // 2
            frames = [(0.0, body[:half]), (0.0, body[half:])]
        return Answer(envelope, reply, frames, streamed, behaviour.eof)

    def _models(self) -> list[dict[str, Any]]:
        names = list(self._script.models) or ["rehearse-ok"]
        return [{"id": name, "object": "model", "created": 0, "owned_by": "x"} for name in names]


def _named_task(head: Head) -> str:
    """The task id in the headers, percent-encoded there: ids may hold any character."""
    return unquote(head.headers.get("x-pilot-task", ""))


def _json(value: object) -> bytes:
    body = msgspec.json.encode(value)
    headers = {"content-type": "application/json", "content-length": str(len(body))}
    return response_head(200, headers) + body
