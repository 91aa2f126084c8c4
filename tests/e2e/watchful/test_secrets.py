"""A key reaches no file of a run, whatever echoes it: a server, a print, a traceback, a model."""

import json
import socket
import threading
from collections.abc import Iterator

import pytest
from support.running import Project, checked

from runner.core import events as ev
from runner.engine.log import unseal_transcript

KEY = "Zq81-plain-looking-but-secret-77"

CODE = """
import logging, os, sys

def ask(ctx, text):
    with ctx.turn():
        answer = ctx.client.chat.completions.create(
            model=ctx.model, messages=[{"role": "user", "content": text}]
        )
    return answer.choices[0].message.content

def run(task, ctx):
    # A command's token is known, and hidden, from the first call on.
    ctx.log("answered: " + ask(ctx, "hello"))
    key = os.environ["PILOT_TEST_KEY"]
    what = task.id
    if what == "t000":
        print("printed", key)
        print("printed to stderr", key, file=sys.stderr)
    if what == "t001":
        ctx.log(f"logged {key}")
        ctx.say("user", f"said {key}")
        logging.getLogger("mine").warning("logging %s", key)
    if what == "t002":
        raise ValueError(f"bad key {key}")
    if what == "t003":
        with ctx.tool("shell", command=f"curl -H 'api-key: {key}'"):
            pass
    if what == "t004":
        return {"outcome": "passed", "score": 1.0, "note": key, "nested": {"list": [key]}}
    ask(ctx, f"{what}: my key is {key}")
    return {"outcome": "passed", "score": 1.0}
"""


class Parrot:
    """A server that repeats the Authorization header in what the model says, or in an error."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.base_url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        try:
            while True:
                call, _ = self._listener.accept()
                threading.Thread(target=self._answer, args=(call,), daemon=True).start()
        except OSError:
            return

    def _answer(self, call: socket.socket) -> None:
        with call, call.makefile("rb") as lines:
            head: dict[str, str] = {}
            lines.readline()
            while (line := lines.readline().decode().strip()) != "":
                name, _, value = line.partition(":")
                head[name.lower()] = value.strip()
            asked = lines.read(int(head.get("content-length", "0"))).decode()
            token = head["authorization"].removeprefix("Bearer ")
            if "t006" in asked:
                status, body = "500 Oops", {"error": {"message": f"overloaded for {token}"}}
            elif "t005" in asked:
                status, body = "400 Bad Request", {"error": {"message": f"refused: key {token}"}}
            else:
                message = {"role": "assistant", "content": f"your key is {token}, I think"}
                choice = {"index": 0, "finish_reason": "stop", "message": message}
                usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
                status = "200 OK"
                body = {"id": "x", "object": "chat.completion", "created": 1, "model": "m"}
                body |= {"choices": [choice], "usage": usage}
            data = json.dumps(body).encode()
            call.sendall(
                f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\nx-key: {token}\r\n"
                f"content-length: {len(data)}\r\nconnection: close\r\n\r\n".encode()
                + data
            )

    def close(self) -> None:
        """Take no more calls."""
        self._listener.close()


@pytest.fixture
def parrot() -> Iterator[Parrot]:
    """The server."""
    found = Parrot()
    yield found
    found.close()


@pytest.mark.parametrize(
    ("isolation", "source"),
    [
        ("thread", 'api_key_env = "PILOT_TEST_KEY"'),
        ("process", 'api_key_env = "PILOT_TEST_KEY"'),
        ("thread", 'api_key_command = ["sh", "-c", "echo $PILOT_TEST_KEY"]'),
    ],
    ids=["variable", "variable, processes", "command"],
)
def test_no_file_of_the_run_holds_the_key(
    project: Project, parrot: Parrot, monkeypatch: pytest.MonkeyPatch, isolation: str, source: str
):
    monkeypatch.setenv("PILOT_TEST_KEY", KEY)
    plan = project.write(
        tasks=7,
        code=CODE,
        base_url=parrot.base_url,
        limits="retries = 1\nretry_wait = 0.1",
        more=f'[resources]\nisolation = "{isolation}"\n',
    )
    plan.write_text(plan.read_text().replace('name = "here"', f'name = "here"\n{source}'))
    run = project.launch(plan)
    run.ended()
    checked(run)
    unseal_transcript(run.dir)
    holding = [
        str(path.relative_to(run.dir))
        for path in sorted(run.dir.rglob("*"))
        if path.is_file() and KEY.encode() in path.read_bytes()
    ]
    assert holding == []
    # Parquet packs its columns: what a reader sees counts.
    assert KEY not in json.dumps(run.rows().to_dicts(), default=str)
    text = "".join(
        (run.dir / name).read_text(errors="replace")
        for name in ("events.jsonl", "transcript.jsonl")
    )
    for told in (
        "bad key ***",
        "logged ***",
        "printed ***",
        "your key is ***",
        "refused: key ***",
        "overloaded for ***",
    ):
        assert told in text, told
    outcomes = {event.task_id: event.outcome for event in run.of(ev.AttemptEnded)}
    assert outcomes["t004"] == "passed"
    assert outcomes["t002"] == "errored"
