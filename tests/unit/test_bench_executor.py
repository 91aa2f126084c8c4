"""The interactive executor against a real chat-completions server on loopback."""

import json
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import openai
import pytest

from runner.core.loops import LoopDetector, TurnFeatures
from runner.core.plan import INTERACTIVE_LOOPS
from runner.host.bench import executor
from runner.host.bench.chat import MAX_REPLY_CHARS, ContentFilter
from runner.host.bench.library import LibraryError, load_tasks, load_tools
from runner.host.bench.workflow import BadLabel
from runner.rehearse.process import Rehearsal

Body = dict[str, Any]
Script = Callable[[Body], "list[Body] | tuple[int, Body]"]


def said(text: str, finish: str = "stop") -> list[Body]:
    """Deltas of a streamed text, a reasoning one first."""
    half = len(text) // 2
    return [
        {"delta": {"role": "assistant", "content": ""}},
        {"delta": {"reasoning_content": "<tool_call>not this</tool_call>"}},
        {"delta": {"content": text[:half]}},
        {"delta": {"content": text[half:]}, "finish_reason": finish},
    ]


def called(*calls: tuple[str, str, str]) -> list[Body]:
    """Deltas of native function calls (id, name, arguments), arguments in two pieces."""
    deltas: list[Body] = []
    for index, (call_id, name, arguments) in enumerate(calls):
        head = {"index": index, "id": call_id, "type": "function"}
        deltas.append(
            {
                "delta": {
                    "tool_calls": [head | {"function": {"name": name, "arguments": arguments[:3]}}]
                }
            }
        )
        deltas.append(
            {"delta": {"tool_calls": [{"index": index, "function": {"arguments": arguments[3:]}}]}}
        )
    return [*deltas, {"delta": {}, "finish_reason": "tool_calls"}]


class Server(ThreadingHTTPServer):
    """Answers each request with what ``script`` makes of its body; keeps the bodies."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script: Script = lambda _: said("TASK COMPLETE")
        self.bodies: list[Body] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Server  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.bodies.append(body)
        answer = self.server.script(body)
        if isinstance(answer, tuple):
            self.reply(answer[0], "application/json", json.dumps(answer[1]).encode())
        elif body["stream"]:
            self.reply(200, "text/event-stream", stream(answer))
        else:
            self.reply(200, "application/json", plain(answer))

    def reply(self, status: int, kind: str, data: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        pass


def stream(choices: list[Body]) -> bytes:
    head = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    chunks: list[Body] = [head | {"choices": []}]
    chunks += [head | {"choices": [{"index": 0, "finish_reason": None} | one]} for one in choices]
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    chunks.append(head | {"choices": [], "usage": usage})
    return (
        b"".join(b"data: %s\n\n" % json.dumps(one).encode() for one in chunks) + b"data: [DONE]\n\n"
    )


def plain(choices: list[Body]) -> bytes:
    text = "".join(one["delta"].get("content") or "" for one in choices)
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": choices[-1]["finish_reason"]}
    head = {"id": "x", "object": "chat.completion", "created": 1, "model": "m"}
    return json.dumps(head | {"choices": [choice]}).encode()


@dataclass
class Task:
    data: Mapping[str, Any]

    @property
    def id(self) -> str:
        return self.data["id"]


@dataclass
class Context:
    """The least that the executor may ask of an attempt."""

    client: openai.OpenAI
    model: str = "m"
    params: dict[str, Any] = field(default_factory=dict)
    seed: int = 7
    max_turns: int = 10
    protocol: Any = "tags"
    tools_path: str | None = None
    ends_when_done: bool = True
    labels: dict[str, Any] = field(default_factory=lambda: {"tool_success_rate": 1.0})
    turns: list[TurnFeatures] = field(default_factory=list)
    tools: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    transcript: list[tuple[str, str]] = field(default_factory=list)
    logged: list[str] = field(default_factory=list)

    def label(self, name: str, default: Any, /) -> Any:
        return self.labels.get(name, default)

    @contextmanager
    def turn(self) -> Generator["Context"]:
        before = len(self.turns)
        yield self
        assert len(self.turns) == before + 1, "each turn reports its features once"

    def features(self, features: TurnFeatures, /) -> None:
        self.turns.append(features)

    @contextmanager
    def tool(self, name: str, /, **args: object) -> Generator["Context"]:
        self.tools.append(name)
        yield self

    def failed(self, error: str, /) -> None:
        self.failures.append(error)

    def say(self, role: str, text: str, /) -> None:
        self.transcript.append((role, text))

    def check(self) -> None:
        pass

    def log(self, text: str, /) -> None:
        self.logged.append(text)


@pytest.fixture
def server() -> Generator[Server]:
    with Server() as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.02,))
        thread.start()
        yield made
        made.shutdown()
        thread.join(10)


@pytest.fixture
def ctx(server: Server) -> Generator[Context]:
    with openai.OpenAI(base_url=server.url, api_key="k", max_retries=0) as client:
        yield Context(client)


TASK = Task(
    {
        "id": "t1",
        "description": "Copy a table.",
        "task_type": "basic_task",
        "required_tools": ["csv_loader", "file_writer"],
        "test_input": {"path": "a.csv"},
    }
)


def play(ctx: Context, task: Task = TASK) -> dict[str, Any]:
    executor.prepare(task, ctx)
    return executor.score(task, ctx, executor.run(task, ctx))


def in_turn(*texts: str) -> Script:
    """One text a request; the last one for ever."""
    left = list(texts)
    return lambda _: said(left.pop(0) if len(left) > 1 else left[0])


def until_ok(*names: str) -> Script:
    """A model that calls each tool until it has succeeded, then says that it is done."""

    def script(body: Body) -> list[Body]:
        texts = [m["content"] for m in body["messages"] if m["role"] == "user"]
        for name in names:
            if not any(f"Result of {name}: " in text and '"ok": true' in text for text in texts):
                return said(f'<tool_call>{name} {{"path": "x"}}</tool_call>')
        return said("TASK COMPLETE")

    return script


def test_ends_as_soon_as_all_required_tools_have_succeeded(server: Server, ctx: Context) -> None:
    server.script = until_ok("csv_loader", "file_writer")
    result = play(ctx)
    assert (result["outcome"], result["ended"], result["done"]) == ("passed", "done", True)
    assert (result["in_order"], result["required_coverage"]) == (True, 1.0)
    assert ctx.tools == [call["tool"] for call in result["tool_calls"]]
    assert [turn.all_required_ok for turn in ctx.turns][-1] is True
    assert ctx.turns[-1].result == "ok"
    assert len(server.bodies) == result["turns"] == len(ctx.turns)


def test_goes_on_after_that_where_the_plan_does_not_end_it(server: Server, ctx: Context) -> None:
    ctx.ends_when_done = False
    server.script = until_ok("csv_loader", "file_writer")
    result = play(ctx)
    assert (result["outcome"], result["ended"]) == ("passed", "said")
    assert result["completion_said"]
    assert not result["done"]  # it was not what ended the attempt


def test_the_transcript_is_the_conversation(server: Server, ctx: Context) -> None:
    server.script = until_ok("csv_loader", "file_writer")
    result = play(ctx)
    sent = [(m["role"], m["content"]) for m in server.bodies[-1]["messages"]]
    assert ctx.transcript[: len(sent)] == sent
    assert [(m["role"], m["content"]) for m in result["messages"]] == ctx.transcript
    assert ctx.failures == [call["error"] for call in result["tool_calls"] if not call["ok"]]


def test_endless_replies_are_cut_and_fit_into_a_row(server: Server, ctx: Context) -> None:
    ctx.max_turns = 8
    server.script = lambda _: said("\0" * 300_000)
    result = play(ctx)
    assert result["invalid_replies"] == 8
    assert len(json.dumps(result["messages"])) < 8 * 2**20
    sizes = {len(m["content"]) for m in server.bodies[-1]["messages"] if m["role"] == "assistant"}
    assert sizes == {MAX_REPLY_CHARS}


def test_every_kind_of_action_is_answered(server: Server, ctx: Context) -> None:
    server.script = in_turn(
        "<tool_search>load a csv</tool_search>",
        "<tool_info>csv_loader</tool_info>",
        "<tool_info>nothing_like_it</tool_info>",
        "<tool_call>csv_lodaer</tool_call>",
        "The task is complete.",
    )
    result = play(ctx)
    answers = [m["content"] for m in server.bodies[-1]["messages"] if m["role"] == "user"][1:]
    assert answers[0].splitlines()[1].startswith("- csv_loader (sources)")
    assert "Parameters:" in answers[1]
    assert "There is no tool" in answers[2]
    assert "UNKNOWN_TOOL" in answers[3]
    assert "csv_loader" in answers[3]
    assert [t.kind for t in ctx.turns] == ["search", "tool_info", "tool_info", "tool_call", "none"]
    assert [t.result for t in ctx.turns] == ["none"] * 5
    assert (result["ended"], result["searches"], result["tool_infos"]) == ("said", 1, 2)
    assert result["tool_errors"] == {"UNKNOWN_TOOL": 1}


def test_an_invalid_reply_gets_feedback_that_differs_each_time(
    server: Server, ctx: Context
) -> None:
    ctx.max_turns = 4
    server.script = in_turn("Let me think.")
    result = play(ctx)
    answers = [m["content"] for m in server.bodies[-1]["messages"] if m["role"] == "user"][1:]
    assert len(set(answers)) == len(answers) == 3
    assert all("<tool_call>" in answer for answer in answers)
    assert (result["outcome"], result["ended"], result["invalid_replies"]) == ("failed", "turns", 4)
    assert len({turn.signature for turn in ctx.turns}) == 1


def test_an_unreadable_unclosed_tag_gets_a_repair_hint_and_becomes_a_loop(
    server: Server, ctx: Context
) -> None:
    server.script = in_turn('<tool_call>csv_loader {"path": "a')
    result = play(ctx)
    assert "never closes it" in server.bodies[1]["messages"][-1]["content"]
    assert all(turn.unclosed_tag and turn.kind == "none" for turn in ctx.turns)
    assert result["format_errors"] == {"unclosed_tag": 10}
    assert "unclosed_tag" in ctx.logged[0]
    detector = LoopDetector(INTERACTIVE_LOOPS)
    findings = [f for n, turn in enumerate(ctx.turns, 1) for f in detector.feed(n, turn)]
    first = next(finding for finding in findings if finding.action == "kill")
    assert (first.rule, first.turns) == ("unclosed_tag", (1, 2, 3))


def test_a_readable_unclosed_tag_is_run_and_counted(server: Server, ctx: Context) -> None:
    server.script = in_turn('<tool_call>csv_loader {"path": "a.csv"}', "TASK COMPLETE")
    result = play(ctx)
    assert ctx.tools == ["csv_loader"]
    assert "not closed" in server.bodies[1]["messages"][-1]["content"]
    assert result["format_errors"] == {"unclosed_tag": 1}


def test_an_empty_reply_is_an_invalid_one(server: Server, ctx: Context) -> None:
    ctx.max_turns = 2
    server.script = lambda _: said("")
    assert play(ctx)["invalid_replies"] == 2
    assert server.bodies[1]["messages"][-2]["content"]  # endpoints refuse empty messages


def test_native_functions(server: Server, ctx: Context) -> None:
    ctx.protocol = "functions"
    replies = [
        called(("c1", "tool_search", '{"query": "csv"}')),
        called(("", "tool_call", '{"name": "csv_loader"}'), ("", "bad name!", "{cut")),
        called(("c3", "file_writer", '{"path": "b.csv", "content": "x"}')),
        said("No idea."),
        said("TASK COMPLETE"),
    ]
    server.script = lambda _: replies.pop(0)
    ctx.max_turns = 5
    ctx.ends_when_done = False
    result = play(ctx)
    assert [one["function"]["name"] for one in server.bodies[0]["tools"]] == [
        "tool_search",
        "tool_info",
        "tool_call",
    ]
    assert ctx.tools == ["csv_loader", "file_writer"]
    assert result["format_errors"] == {"direct_call": 1, "several_actions": 1}
    last = server.bodies[-1]["messages"]
    calls = [call for m in last for call in m.get("tool_calls", ())]
    answers = {m["tool_call_id"]: m["content"] for m in last if m["role"] == "tool"}
    assert len(calls) == 4
    assert {call["id"] for call in calls} == set(answers)
    assert "Not run" in answers[calls[2]["id"]]
    assert all(isinstance(json.loads(call["function"]["arguments"]), dict) for call in calls)
    assert "tool_call" in last[-1]["content"]


def test_streaming_asks_for_usage_and_params_travel_as_they_are(
    server: Server, ctx: Context
) -> None:
    ctx.params = {"temperature": 0, "enable_thinking": False}
    play(ctx)
    body = server.bodies[0]
    assert (body["stream"], body["stream_options"]) == (True, {"include_usage": True})
    assert (body["temperature"], body["enable_thinking"]) == (0, False)


def test_params_may_ask_for_plain_answers(server: Server, ctx: Context) -> None:
    ctx.params = {"stream": False}
    server.script = until_ok("csv_loader", "file_writer")
    assert play(ctx)["outcome"] == "passed"
    assert "stream_options" not in server.bodies[0]


def test_params_may_not_replace_the_conversation(ctx: Context) -> None:
    ctx.params = {"messages": []}
    with pytest.raises(BadLabel, match="messages"):
        executor.prepare(TASK, ctx)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param((400, {"error": {"code": "content_filter", "message": "no"}}), id="azure"),
        pytest.param(
            (400, {"error": {"code": "data_inspection_failed", "message": "no"}}), id="dashscope"
        ),
        pytest.param(
            (400, {"error": {"code": "invalid_request_error", "message": "Content Exists Risk"}}),
            id="deepseek",
        ),
        pytest.param(said("half", "content_filter"), id="finish reason"),
    ],
)
def test_a_content_filter_is_an_error_of_its_own(server: Server, ctx: Context, answer: Any) -> None:
    server.script = lambda _: answer
    with pytest.raises(ContentFilter):
        executor.run(TASK, ctx)
    assert len(server.bodies) == 1


def test_other_errors_pass_through(server: Server, ctx: Context) -> None:
    server.script = lambda _: (400, {"error": {"code": "bad", "message": "no"}})
    with pytest.raises(openai.BadRequestError):
        executor.run(TASK, ctx)


def test_the_same_seed_gives_the_same_result(server: Server, ctx: Context) -> None:
    ctx.labels = {"tool_success_rate": 0.5, "prompt_type": "flawed_tool_misuse"}
    results: list[dict[str, Any]] = []
    for _ in range(2):
        server.script = until_ok("csv_loader", "file_writer")
        results.append(play(ctx))
    assert results[0] == results[1]
    half = len(server.bodies) // 2
    assert server.bodies[:half] == server.bodies[half:]


def test_the_users_own_tools_replace_the_library(
    server: Server, ctx: Context, tmp_path: Path
) -> None:
    tool = {
        "name": "my_tool",
        "category": "mine",
        "description": "Does it.",
        "parameters": [],
        "returns": [],
        "errors": [{"code": "E", "description": "d"}],
    }
    ctx.tools_path = str(tmp_path / "tools.json")
    Path(ctx.tools_path).write_text(json.dumps([tool]))
    task = Task({"id": "mine", "description": "d", "required_tools": ["my_tool"], "extra": 1})
    server.script = lambda _: said("<tool_call>my_tool</tool_call>")
    assert play(ctx, task)["outcome"] == "passed"
    with pytest.raises(LibraryError, match="csv_loader"):
        executor.prepare(TASK, ctx)


@pytest.mark.parametrize(
    ("labels", "match"),
    [
        ({"prompt_type": "nice"}, "optimal"),
        ({"tool_success_rate": "high"}, "0 to 1"),
        ({"tool_success_rate": True}, "0 to 1"),
        ({"tool_success_rate": 1.5}, "0 to 1"),
    ],
)
def test_a_bad_label_is_told_before_anything_runs(
    ctx: Context, labels: dict[str, Any], match: str
) -> None:
    ctx.labels = labels
    with pytest.raises(BadLabel, match=match):
        executor.prepare(TASK, ctx)


def test_all_tasks_of_the_library_can_be_passed(server: Server, ctx: Context) -> None:
    """A model that follows the workflow passes each of them, given turns for the retries."""
    ctx.max_turns = 40
    tools = load_tools()
    for task in load_tasks(library=tools):
        server.script = until_ok(*task.required_tools)
        data = {"id": task.id, "description": task.description, "task_type": task.task_type}
        assert (
            play(ctx, Task(data | {"required_tools": task.required_tools}))["outcome"] == "passed"
        )


@pytest.mark.parametrize("protocol", ["tags", "functions"])
def test_the_rehearsed_agent_works_through_a_workflow(protocol: str) -> None:
    labels = {"tool_success_rate": 1.0, "prompt_type": "optimal"}
    with (
        Rehearsal.start() as endpoint,
        openai.OpenAI(base_url=endpoint.base_url, api_key="k", max_retries=0) as client,
    ):
        ctx = Context(client, model="any", protocol=protocol, max_turns=15, labels=labels)
        result = play(ctx)
    assert (result["outcome"], result["ended"], result["searches"]) == ("passed", "done", 1)
    assert result["format_errors"] == {}
