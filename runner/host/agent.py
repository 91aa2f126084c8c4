"""ctx: what an executor gets of its attempt (contract, "Python executor").

Apart from the attempt because this is the public face, used by strangers' code. Each method is a
sign of life and a cancel point; none may be interrupted half-way by the ladder.
"""

import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from runner.core import messages
from runner.core.loops import TurnFeatures
from runner.core.plan import Plan
from runner.core.rows import ToolCall
from runner.core.text import one_line
from runner.host import chat
from runner.host.attempt import Attempt
from runner.host.calls import Session
from runner.host.guard import Connections
from runner.host.proxy import Proxy
from runner.host.recorder import Recorder
from runner.masking import Secrets

if TYPE_CHECKING:
    import httpx2
    from openai import AsyncOpenAI, OpenAI

Label = str | int | float | bool
_DETAIL_CHARS = 200
_SAID_CHARS = 1_000_000


class Task:
    """The task of an attempt, read-only for executor code."""

    def __init__(self, order: messages.Run) -> None:
        self.id = str(order.data.get("id", order.task_id))
        """The id of the source line; `task_id` names model and matrix cell too."""
        self.task_id = order.task_id
        self.data: Mapping[str, Any] = order.data
        self.labels: Mapping[str, Label] = order.labels


class Turn:
    """An open turn of the agent. ``number`` counts from 1."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.told: TurnFeatures | None = None

    def features(self, features: TurnFeatures | Mapping[str, Any], /) -> None:
        """Say what the loop rules may know of this turn; the last word counts.

        Raises ``msgspec.ValidationError`` for a mapping that has not the fields of `TurnFeatures`.
        """
        self.told = msgspec.convert(features, TurnFeatures, from_attributes=True)


class Tool:
    """A tool at work."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.error = ""

    def failed(self, error: str, /) -> None:
        """Say that the tool failed although nothing was raised."""
        self.error = error or "failed"


class Ctx:
    """One attempt, for executor code."""

    def __init__(
        self,
        attempt: Attempt,
        session: Session,
        recorder: Recorder,
        connections: Connections,
        plan: Plan,
        run_dir: str,
        secrets: Secrets,
        proxy: Proxy,
    ) -> None:
        self._attempt = attempt
        self._session = session
        self._recorder = recorder
        self._connections = connections
        self._plan = plan
        self._run_dir = run_dir
        self._secrets = secrets
        self._proxy = proxy

    # -- what was ordered -----------------------------------------------------------------------

    @property
    def model(self) -> str:
        """What to send as ``model``: the deployment that this attempt was given."""
        return self._attempt.order.deployment

    @property
    def params(self) -> Mapping[str, Any]:
        """Sampling parameters of the plan's model."""
        return MappingProxyType(self._attempt.model.params)

    @property
    def seed(self) -> int:
        """Seed of this attempt; the same for the same plan."""
        return self._attempt.order.seed

    @property
    def max_turns(self) -> int:
        """``[limits] turns`` of the model."""
        return self._attempt.limits.turns

    @property
    def endpoint_url(self) -> str:
        """The endpoint's own address, as the plan has it. Calls to it know no call limits."""
        return self._attempt.endpoint.base_url

    @property
    def protocol(self) -> Literal["tags", "functions"]:
        """``[tasks] protocol``."""
        return self._plan.tasks.protocol

    @property
    def tools_path(self) -> str | None:
        """``[tasks] tools``, None if the plan names none."""
        return self._plan.tasks.tools or None

    @property
    def ends_when_done(self) -> bool:
        """Whether ``[loops] done`` is ``kill``: to end once everything required is done."""
        return self._plan.loops.done == "kill"

    def label(self, name: str, default: Label, /) -> Label:
        """The label of the task's matrix cell or source line, else ``default``."""
        return self._attempt.order.labels.get(name, default)

    # -- clients --------------------------------------------------------------------------------

    @cached_property
    def client(self) -> "OpenAI":
        """A real ``openai.OpenAI`` (or ``AzureOpenAI``), guarded, recorded, with our retries."""
        with self._attempt.gate.shut_for_block():
            client = chat.openai_client(self._session, self._connections)
            self._attempt.clients.append(client)
            return client

    @cached_property
    def async_client(self) -> "AsyncOpenAI":
        """The same for asyncio."""
        with self._attempt.gate.shut_for_block():
            return chat.async_openai_client(self._session)

    @cached_property
    def http_client(self) -> "httpx2.Client":
        """A guarded ``httpx2.Client`` for any address."""
        with self._attempt.gate.shut_for_block():
            client = chat.http_client(self._session, self._connections)
            self._attempt.clients.append(client)
            return client

    @cached_property
    def base_url(self) -> str:
        """Where any other SDK, thread or process of this attempt finds the model: our own door.

        Whatever key it sends, its calls have the plan's key, limits, permits, retries and records,
        as those of `client`. Good for this attempt alone.
        """
        with self._attempt.gate.shut_for_block():
            return self._proxy.door(self._attempt).url

    # -- turns and tools ------------------------------------------------------------------------

    @contextmanager
    def turn(self) -> Generator[Turn]:
        """``with ctx.turn() as turn:`` around one request and what follows from it."""
        attempt = self._attempt
        with attempt.gate.shut_for_block():
            attempt.scope.check()
            self._recorder.turns_are_opened = True
            attempt.record.turns += 1
            turn = Turn(attempt.record.turns)
            attempt.scope.progress()
            attempt.send(
                messages.TurnStarted(time.monotonic(), attempt.id, turn.number, self.max_turns)
            )
        try:
            yield turn
        finally:
            with attempt.gate.shut_for_block():
                attempt.scope.progress()
                attempt.send(
                    messages.TurnEnded(time.monotonic(), attempt.id, turn.number, turn.told)
                )

    @contextmanager
    def tool(self, name: str, /, **args: object) -> Generator[Tool]:
        """``with ctx.tool("bash", command=...):`` around a tool's work; an exception is a failure.

        ``args`` are shown to people and stand nowhere else.
        """
        attempt = self._attempt
        tool = Tool(one_line(name, _DETAIL_CHARS))
        with attempt.gate.shut_for_block():
            attempt.scope.check()
            detail = " ".join(f"{key}={value}" for key, value in args.items())
            began = time.monotonic()
            attempt.send(
                messages.ToolStarted(
                    began, attempt.id, tool.name, self._harmless(detail, _DETAIL_CHARS)
                )
            )
        try:
            with attempt.scope.phase_of("tool"):
                yield tool
        except BaseException as error:
            tool.error = f"{type(error).__name__}: {error}"
            raise
        finally:
            with attempt.gate.shut_for_block():
                self._tool_ended(tool, time.monotonic() - began)

    def _tool_ended(self, tool: Tool, elapsed_s: float) -> None:
        attempt, record = self._attempt, self._attempt.record
        error = self._harmless(tool.error, _DETAIL_CHARS)
        record.tool_s += elapsed_s
        record.tool_calls.append(
            ToolCall(
                turn=record.turns, tool=tool.name, ok=not error, error=error, elapsed_s=elapsed_s
            )
        )
        attempt.scope.progress()
        attempt.send(
            messages.ToolEnded(time.monotonic(), attempt.id, tool.name, not error, elapsed_s, error)
        )

    # -- waits, words, files --------------------------------------------------------------------

    def sleep(self, seconds: float) -> None:
        """Sleep; a kill or a limit ends it at once."""
        self._attempt.scope.sign()
        self._attempt.scope.sleep(seconds)

    def check(self) -> None:
        """Raise if the attempt was ended; a sign of life."""
        self._attempt.scope.sign()
        self._attempt.scope.check()

    def log(self, text: object, /) -> None:
        """A line for the attempt's log. More than 100 a second are counted, not kept."""
        with self._attempt.gate.shut_for_block():
            self._attempt.scope.sign()
            self._attempt.scope.check()
            self._attempt.say(self._secrets.mask(str(text)))

    def say(self, role: str, text: str, /) -> None:
        """A message of the conversation, for the transcript."""
        attempt = self._attempt
        with attempt.gate.shut_for_block():
            attempt.scope.sign()
            attempt.scope.check()
            words = self._secrets.mask(text[:_SAID_CHARS])
            attempt.send(
                messages.Said(
                    time.monotonic(), attempt.id, attempt.record.turns, one_line(role, 40), words
                )
            )

    @cached_property
    def dir(self) -> Path:
        """A folder for this attempt alone, ``work/<attempt_id>/`` in the run folder."""
        path = Path(self._run_dir, "work", self._attempt.id)
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path

    def _harmless(self, text: str, limit: int) -> str:
        return one_line(self._secrets.mask(text[: 4 * limit]), limit)
