"""The command executor: programs under the same limits, kills and records as functions."""

import json
import sys
import textwrap
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import msgspec
import psutil
import pytest

from runner.core import messages as m
from runner.core.plan import Endpoint

USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
ANSWER = {
    "id": "1",
    "object": "chat.completion",
    "created": 0,
    "model": "m-a",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}}],
    "usage": USAGE,
}


class Model(BaseHTTPRequestHandler):
    """Answers what the path asks for and keeps the headers that came."""

    protocol_version = "HTTP/1.1"
    seen: ClassVar[list[dict[str, str]]] = []

    def log_message(self, format, *args):  # noqa: A002 - its name there
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        Model.seen.append({"path": self.path, **{k.lower(): v for k, v in self.headers.items()}})
        if json.loads(body).get("stream"):
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.end_headers()
            for word in ("one", "two"):
                self.wfile.write(f"data: {json.dumps({'word': word})}\n\n".encode())
            self.wfile.write(b"data: [DONE]\n\n")
            self.close_connection = True
            return
        data = json.dumps(ANSWER).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def model():
    Model.seen = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Model)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def run_program(start, make_plan):
    """Start a host whose attempts run a script; the host."""

    def begin(script, base_url=None, **limits):
        plan = make_plan(executor="command", **limits)
        argv = (sys.executable, "-c", textwrap.dedent(script))
        plan = msgspec.structs.replace(plan, tasks=msgspec.structs.replace(plan.tasks, argv=argv))
        if base_url:
            endpoint = Endpoint(name="e", base_url=base_url, api_key_env="ZOO_KEY")
            plan = msgspec.structs.replace(plan, endpoints=(endpoint,))
        host = start(plan)
        host.run("a1", "x", question="?")
        return host

    return begin


CALL = """
import json, os, sys, urllib.request
def post(body):
    request = urllib.request.Request(
        os.environ["OPENAI_BASE_URL"] + "/chat/completions", json.dumps(body).encode(),
        {"Authorization": "Bearer " + os.environ["OPENAI_API_KEY"]})
    return urllib.request.urlopen(request).read()
"""


def test_task_goes_in_and_the_last_line_comes_out(run_program):
    host = run_program(
        """
        import json, sys
        task = json.load(sys.stdin)
        print("working")
        print("to stderr", file=sys.stderr)
        print(json.dumps({"outcome": "partial", "score": 0.5, "asked": task["question"]}))
        """
    )
    ended = host.wait(m.Ended)
    assert (ended.outcome, ended.record.score) == ("partial", 0.5)
    assert json.loads(ended.record.extra) == {"asked": "?"}
    assert {"working", "to stderr"} <= {one.text for one in host.all(m.Log, "a1")}


def test_the_proxy_adds_the_key_records_and_streams(run_program, model):
    host = run_program(
        CALL
        + """
assert "ZOO_KEY" not in os.environ
answer = json.loads(post({"model": "m-a", "messages": []}))
stream = post({"model": "m-a", "messages": [], "stream": True}).decode()
print(json.dumps({"outcome": "passed", "said": answer["choices"][0]["message"]["content"],
                  "events": stream.count("data:")}))
""",
        base_url=model,
    )
    ended = host.wait(m.Ended)
    assert ended.outcome == "passed", ended.record.error
    assert json.loads(ended.record.extra) == {"said": "hi", "events": 3}
    assert (ended.record.calls, ended.record.turns) == (2, 2)
    assert (ended.record.tokens_in, ended.record.tokens_out) == (11, 7)
    assert [one.how for one in host.all(m.CallEnded, "a1")] == ["ok", "ok"]
    assert {one["authorization"] for one in Model.seen} == {"Bearer a-key-that-must-not-be-seen"}
    assert {one["path"] for one in Model.seen} == {"/v1/chat/completions"}


def test_a_wrong_token_is_refused(run_program, model):
    host = run_program(
        'import os; os.environ["OPENAI_API_KEY"] = "guessed"\n'
        + CALL
        + """
try:
    post({"model": "m-a", "messages": []})
except urllib.error.HTTPError as error:
    print(json.dumps({"outcome": "passed", "status": error.code}))
""",
        base_url=model,
    )
    ended = host.wait(m.Ended)
    assert json.loads(ended.record.extra) == {"status": 401}
    assert ended.record.calls == 0
    assert Model.seen == []


def test_a_call_limit_ends_the_program(run_program):
    host = run_program(CALL + "post({'model': 'm-a', 'messages': []})", call=0.4)
    ended = host.wait(m.Ended)
    assert (ended.outcome, ended.cause) == ("timed_out", "deadline:call")


def test_failed_program_is_an_error_with_its_last_lines(run_program):
    host = run_program("import sys; sys.exit('no such thing')")
    ended = host.wait(m.Ended)
    assert ended.cause == "error:CommandFailed"
    assert "no such thing" in ended.record.error


def test_no_result_is_a_bad_result(run_program):
    host = run_program("print('done, I think')")
    assert host.wait(m.Ended).cause == "error:BadResult"


def test_program_that_does_not_exist(start, make_plan):
    plan = make_plan(executor="command")
    tasks = msgspec.structs.replace(plan.tasks, argv=("no-such-program",))
    host = start(msgspec.structs.replace(plan, tasks=tasks))
    host.run("a1", "x")
    ended = host.wait(m.Ended)
    assert ended.cause == "error:CommandFailed"
    assert "no-such-program" in ended.record.error


STUBBORN = """
import signal, subprocess, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen(["sleep", "300"], start_new_session=True)
print("up", flush=True)
time.sleep(300)
"""


def test_kill_frees_the_slot_at_once_and_the_tree_soon(run_program):
    host = run_program(STUBBORN)
    host.wait(m.Log, attempt_id="a1", text="up")
    at = host.kill("a1")
    ended_at, ended = host.wait_at(m.Ended)
    assert (ended.cause, ended.rung) == ("killed:user", "abort")
    assert ended_at - at < 0.3
    children = [one for one in host.all(m.Child, "a1") if one.running]
    assert len(children) >= 2
    for child in children:
        host.wait(m.Child, 3.0, pid=child.pid, running=False)


def test_deadline_of_a_program(run_program):
    host = run_program("import time; time.sleep(60)", attempt=0.5)
    assert host.wait(m.Ended).cause == "deadline:attempt"


def test_program_dies_with_its_host(run_program):
    host = run_program(STUBBORN)
    host.wait(m.Log, attempt_id="a1", text="up")
    program = next(one for one in psutil.Process(host.pid).children())
    psutil.Process(host.pid).kill()
    end = time.monotonic() + 2.0
    while program.is_running() and program.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_left_behind_child_that_holds_stdout_delays_nothing(run_program):
    host = run_program(
        """
        import subprocess
        subprocess.Popen(["sleep", "300"])
        print('{"outcome": "passed"}')
        """
    )
    ended = host.wait(m.Ended, 5.0)
    assert ended.outcome == "passed"
    assert ended.elapsed_s < 3.0
