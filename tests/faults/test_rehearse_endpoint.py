"""Each misbehaviour of the rehearsal endpoint as a client on a real socket meets it."""

import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import openai
import psutil
import pytest

from runner.rehearse import Rehearsal, RehearsalError, Script

ROOT = Path(__file__).parents[2]
SAY: Any = [{"role": "user", "content": "hello"}]
WAIT_S = 20.0


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Rehearsal]:
    with Rehearsal.start(Script(seed=1, tasks={"deaf": "no_read"})) as rehearsal:
        yield rehearsal


def client(endpoint: Rehearsal, behaviour: str = "", timeout: float = 5) -> openai.OpenAI:
    url = endpoint.url_for(behaviour) if behaviour else endpoint.base_url
    return openai.OpenAI(base_url=url, api_key="none", max_retries=0, timeout=timeout)


@contextmanager
def asked(endpoint: Rehearsal, model: str, **body: Any) -> Iterator[socket.socket]:
    """A raw connection on which a chat completion was asked for."""
    data = json.dumps({"model": model, "messages": SAY, **body}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(data)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", endpoint.port), timeout=5) as sock:
        sock.sendall(head.encode() + data)
        yield sock


def heard(sock: socket.socket, within: float) -> bytes:
    """All bytes that arrive within so many seconds, or until the end."""
    deadline = time.monotonic() + within
    data = b""
    while (left := deadline - time.monotonic()) > 0:
        sock.settimeout(left)
        try:
            piece = sock.recv(65536)
        except TimeoutError:
            break
        if not piece:
            break
        data += piece
    return data


def heard_until(sock: socket.socket, fits: Callable[[bytes], object]) -> bytes:
    """What arrives until it fits; the test fails if it does not come."""
    data = b""
    sock.settimeout(WAIT_S)
    while not fits(data):
        piece = sock.recv(65536)
        assert piece, data
        data += piece
    return data


def until(condition: Callable[[], bool], within: float = WAIT_S) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "condition not met in time"
        time.sleep(0.02)


# ------------------------------------------------------------------------------- answers


def test_plain_and_streamed_answers_agree_and_carry_usage(endpoint: Rehearsal) -> None:
    chat = client(endpoint).chat.completions
    plain = chat.create(model="m", messages=SAY, user="same")
    chunks = list(
        chat.create(model="m", messages=SAY, stream=True, stream_options={"include_usage": True})
    )
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == plain.choices[0].message.content
    assert chunks[-1].usage == plain.usage
    assert plain.usage is not None
    assert plain.usage.completion_tokens > 1


def test_no_usage_chunk_unless_asked_for(endpoint: Rehearsal) -> None:
    chunks = list(client(endpoint).chat.completions.create(model="m", messages=SAY, stream=True))
    assert all(chunk.usage is None and chunk.choices for chunk in chunks)


def test_azure_path_and_models(endpoint: Rehearsal) -> None:
    azure = openai.AzureOpenAI(
        azure_endpoint=endpoint.azure_endpoint,
        api_version="2024-06-01",
        api_key="none",
        max_retries=0,
    )
    answer = azure.chat.completions.create(model="m:ok,agent=chat", messages=SAY)
    assert answer.model == "m:ok,agent=chat"
    assert [model.id for model in client(endpoint).models.list()] == ["rehearse-ok"]


def test_native_function_calls_plain_and_streamed(endpoint: Rehearsal) -> None:
    tool: Any = {"type": "function", "function": {"name": "file_reader", "parameters": {}}}
    chat = client(endpoint).chat.completions
    plain = chat.create(model="m", messages=SAY, tools=[tool])
    calls = plain.choices[0].message.tool_calls
    assert calls is not None
    assert plain.choices[0].finish_reason == "tool_calls"
    chunks = list(chat.create(model="m", messages=SAY, tools=[tool], stream=True))
    deltas = [d for c in chunks for d in c.choices[0].delta.tool_calls or ()]
    assert deltas[0].function is not None
    assert deltas[0].function.name == "file_reader"


def test_reasoning_comes_as_deltas_before_the_content(endpoint: Rehearsal) -> None:
    stream = client(endpoint, "ok,reasoning=1").chat.completions.create(
        model="m", messages=SAY, stream=True
    )
    kinds = [
        "think" if "reasoning_content" in (chunk.choices[0].delta.model_extra or {}) else "say"
        for chunk in stream
        if chunk.choices[0].delta.content or chunk.choices[0].delta.model_extra
    ]
    assert kinds[:2] == ["think", "think"]
    assert "say" in kinds


def test_slow_stream_is_paced_by_tokens_per_second(endpoint: Rehearsal) -> None:
    started = time.monotonic()
    stream = client(endpoint, "ok,tps=20").chat.completions.create(
        model="m", messages=SAY, stream=True
    )
    times = [time.monotonic() - started for _ in stream]
    assert times[-1] > 0.4
    assert times[-1] - times[0] > 0.3


def test_content_filter_as_error_and_as_finish_reason(endpoint: Rehearsal) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client(endpoint, "content_filter").chat.completions.create(model="m", messages=SAY)
    assert refused.value.code == "content_filter"
    cut = client(endpoint, "filter_finish").chat.completions.create(model="m", messages=SAY)
    assert cut.choices[0].finish_reason == "content_filter"


# -------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        ("429,retry_after=3600", openai.RateLimitError),
        ("500", openai.InternalServerError),
        ("503", openai.InternalServerError),
        ("401", openai.AuthenticationError),
        ("403", openai.PermissionDeniedError),
        ("404", openai.NotFoundError),
    ],
)
def test_status(endpoint: Rehearsal, behaviour: str, error: type[openai.APIStatusError]) -> None:
    with pytest.raises(error) as refused:
        client(endpoint, behaviour).chat.completions.create(model="m", messages=SAY)
    wait = refused.value.response.headers.get("retry-after")
    assert wait == ("3600" if behaviour.startswith("429") else None)


def test_fails_twice_then_answers_counted_by_task(endpoint: Rehearsal) -> None:
    chat = client(endpoint, "500,times=2").chat.completions
    for task in ("twice-a", "twice-b"):
        for _ in range(2):
            with pytest.raises(openai.InternalServerError):
                chat.create(model="m", messages=SAY, extra_headers={"x-pilot-task": task})
        assert chat.create(model="m", messages=SAY, extra_headers={"x-pilot-task": task}).choices
        assert endpoint.stats()["tasks"][task] == 3


def test_a_task_is_named_by_header_in_percent_encoding_or_by_user(endpoint: Rehearsal) -> None:
    chat = client(endpoint).chat.completions
    chat.create(
        model="m", messages=SAY, extra_headers={"x-pilot-task": quote("aufgabe-\u00fc@m/a=1")}
    )
    chat.create(model="m", messages=SAY, user="aufgabe-\u00fc@m/a=1")
    assert endpoint.stats()["tasks"]["aufgabe-\u00fc@m/a=1"] == 2


def test_hang_on_the_second_turn_only(endpoint: Rehearsal) -> None:
    chat = client(endpoint, "silent,turn=2").chat.completions
    assert chat.create(model="m", messages=SAY).choices
    second: Any = [*SAY, {"role": "assistant", "content": "hi"}, *SAY]
    with pytest.raises(openai.APITimeoutError):
        chat.create(model="m", messages=second, timeout=0.3)


def test_garbage_body_is_no_json(endpoint: Rehearsal) -> None:
    def is_whole(data: bytes) -> bool:
        head, _, body = data.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head)
        return length is not None and len(body) >= int(length[1])

    with asked(endpoint, "m:garbage") as sock:
        data = heard_until(sock, is_whole)
    assert data.startswith(b"HTTP/1.1 200 OK\r\n")
    with pytest.raises((UnicodeDecodeError, json.JSONDecodeError)):
        json.loads(data.partition(b"\r\n\r\n")[2])


# --------------------------------------------------------------------------------- hangs


@pytest.mark.parametrize(
    ("model", "stream", "first"),
    [
        ("m:silent", False, b""),
        ("m:headers_stall", False, b"HTTP/1.1 200"),
        ("m:headers_stall", True, b"HTTP/1.1 200"),
        ("m:stream_stall,chunks=1", True, b'"content":"There'),
        ("m:stream_stall,eof=true", True, b'"content":"There'),
        ("m:stream_stall", False, b'"object":"chat.completion"'),
    ],
)
def test_silence(endpoint: Rehearsal, model: str, stream: bool, first: bytes) -> None:
    before = endpoint.stats()["calls"].get(model, 0)
    with asked(endpoint, model, stream=stream) as sock:
        until(lambda: endpoint.stats()["calls"].get(model, 0) > before)
        data = heard_until(sock, lambda data: first in data)
        data += heard(sock, 0.3)  # what belongs to it
        assert b"[DONE]" not in data
        assert bool(data) == bool(first)
        assert heard(sock, 0.3) == b""


@pytest.mark.parametrize(
    ("model", "stream", "piece"),
    [
        ("m:drip_sse,interval=0.1", True, b": keep-alive\n\n"),
        ("m:drip_sse,interval=0.1", False, b"1\r\n \r\n"),
        ("m:drip_json,interval=0.1", False, b"1\r\n \r\n"),
        ("m:drip_headers,interval=0.1", False, b"x-drip-"),
    ],
)
def test_drip(endpoint: Rehearsal, model: str, stream: bool, piece: bytes) -> None:
    with asked(endpoint, model, stream=stream) as sock:
        heard_until(sock, lambda data: piece in data)
        later = heard_until(sock, lambda data: piece in data)
    assert b"choices" not in later


@pytest.mark.parametrize(
    "behaviour",
    [
        "silent,for=0.3",
        "headers_stall,for=0.3",
        "stream_stall,for=0.3",
        "drip_sse,interval=0.1,for=0.3",
        "drip_json,interval=0.1,for=0.3",
        "drip_headers,interval=0.1,for=0.3",
    ],
)
def test_a_hang_of_a_given_length_ends_in_the_answer(endpoint: Rehearsal, behaviour: str) -> None:
    started = time.monotonic()
    answer = client(endpoint, behaviour).chat.completions.create(model="m", messages=SAY)
    assert answer.choices[0].message.content
    assert time.monotonic() - started > 0.25


def test_huge_body_is_slow_and_valid(endpoint: Rehearsal) -> None:
    behaviour = "huge,size=200000,interval=0.02"
    answer = client(endpoint, behaviour).chat.completions.create(model="m", messages=SAY)
    assert len(answer.choices[0].message.content or "") >= 200_000
    stream = client(endpoint, behaviour).chat.completions.create(
        model="m", messages=SAY, stream=True
    )
    assert sum(len(chunk.choices[0].delta.content or "") for chunk in stream) >= 200_000


# ---------------------------------------------------------------------- broken connections


@pytest.mark.parametrize("model", ["m:reset", "m:reset,chunks=1,interval=0.1"])
def test_reset_is_a_tcp_rst(endpoint: Rehearsal, model: str) -> None:
    def read(sock: socket.socket) -> None:
        while sock.recv(4096):
            pass

    with asked(endpoint, model, stream=True) as sock, pytest.raises(ConnectionResetError):
        read(sock)


@pytest.mark.parametrize("model", ["m:truncate", "m:truncate,eof=true"])
def test_truncated_stream_ends_without_done(endpoint: Rehearsal, model: str) -> None:
    with asked(endpoint, model, stream=True) as sock:
        data = heard(sock, 3)
        assert sock.recv(1) == b""
    assert b"There are" in data
    assert b"[DONE]" not in data
    assert (b"chunked" in data) != ("eof" in model)


def test_truncated_plain_body_is_shorter_than_its_length(endpoint: Rehearsal) -> None:
    with pytest.raises(openai.APIConnectionError):
        client(endpoint, "truncate").chat.completions.create(model="m", messages=SAY)


def test_accepted_then_closed(endpoint: Rehearsal) -> None:
    with asked(endpoint, "m:close") as sock:
        assert heard(sock, 3) == b""
    with pytest.raises(openai.APIConnectionError):
        client(endpoint, "close").chat.completions.create(model="m", messages=SAY)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/rehearse/no_read/v1/chat/completions"])
def test_body_is_never_read(endpoint: Rehearsal, path: str) -> None:
    """The kernel's buffers fill up and the client's send blocks."""
    length = 60_000_000
    before = endpoint.stats()["behaviours"].get("no_read", 0)
    head = f"POST {path} HTTP/1.1\r\nx-pilot-task: deaf\r\ncontent-length: {length}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", endpoint.port), timeout=0.5) as sock:
        sock.sendall(head.encode())
        until(lambda: endpoint.stats()["behaviours"].get("no_read", 0) > before)
        with pytest.raises(TimeoutError):
            sock.sendall(bytes(length))
        still_open = endpoint.stats()["open"]
        # A FIN would wait behind the unsent megabytes for ever; what shows is an abort.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    until(lambda: endpoint.stats()["open"] < still_open)


# ------------------------------------------------------------------------------- manners


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET /nowhere HTTP/1.1\r\n\r\n", b"404"),
        (b"DELETE /v1/models HTTP/1.1\r\n\r\n", b"405"),
        (b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}", b"400"),
        (b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: -2\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\ncontent-length: 99999999999999999999\r\n\r\n", b"413"),
        (b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n", b"411"),
        (b"GET / HTTP/1.1\r\nx: " + b"y" * 70_000, b"431"),
    ],
)
def test_bad_requests_are_refused_and_harm_nobody(
    endpoint: Rehearsal, data: bytes, status: bytes
) -> None:
    with socket.create_connection(("127.0.0.1", endpoint.port), timeout=5) as sock:
        sock.sendall(data)
        assert sock.recv(4096).startswith(b"HTTP/1.1 " + status)
    assert client(endpoint).chat.completions.create(model="m", messages=SAY).choices


def test_unknown_behaviour_in_a_model_name_is_explained(endpoint: Rehearsal) -> None:
    with pytest.raises(openai.NotFoundError, match="drip_sse"):
        client(endpoint).chat.completions.create(model="m:drip_sse_", messages=SAY)


def test_hundreds_of_hangs_cost_next_to_nothing(endpoint: Rehearsal) -> None:
    socks: list[socket.socket] = []
    others = endpoint.stats()["open"]
    body = json.dumps({"model": "m:drip_sse", "messages": SAY, "stream": True}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    try:
        for _ in range(300):
            sock = socket.create_connection(("127.0.0.1", endpoint.port), timeout=5)
            socks.append(sock)
            sock.sendall(head + body)
        until(lambda: endpoint.stats()["open"] >= 300)
        process = psutil.Process(endpoint.pid)
        before = process.cpu_times()
        started = time.monotonic()
        with client(endpoint) as asker:  # closed here: it would keep its connection open
            assert asker.chat.completions.create(model="m", messages=SAY).choices
        time.sleep(1)
        after = process.cpu_times()
        used = after.user + after.system - before.user - before.system
        assert used / (time.monotonic() - started) < 0.25
    finally:
        for sock in socks:
            sock.close()
    until(lambda: endpoint.stats()["open"] <= others)


# -------------------------------------------------------------------------------- process


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_stop_resets_who_hangs_and_may_be_called_twice() -> None:
    rehearsal = Rehearsal.start()
    with asked(rehearsal, "m:silent") as sock:
        until(lambda: rehearsal.stats()["calls"].get("m:silent") == 1)
        rehearsal.stop()
        with pytest.raises(ConnectionResetError):
            sock.recv(1)
    rehearsal.stop()
    with pytest.raises(RehearsalError):
        rehearsal.stats()


def test_it_ends_with_the_process_that_started_it() -> None:
    code = (
        "from runner.rehearse import Rehearsal; import sys\n"
        "r = Rehearsal.start(); print(r.pid, flush=True); sys.stdin.read()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
    until(lambda: gone(pid))


@contextmanager
def program(*arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, int]]]:
    command = [sys.executable, "-m", "runner.rehearse", *arguments]
    process = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    with process:
        assert process.stdout is not None
        try:
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


def test_program_says_port_and_pid_and_ends_on_sigterm() -> None:
    with program("--parent-pid", str(os.getpid())) as (process, ready):
        assert ready["pid"] == process.pid
        assert ready["port"] > 0
        process.terminate()
        assert process.wait(WAIT_S) == 0


def test_program_ends_when_stdin_is_closed() -> None:
    with program("--stdin-guard") as (process, _):
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(WAIT_S) == 0


def test_program_ends_when_nobody_calls() -> None:
    with program("--idle-exit", "0.3") as (process, _):
        assert process.wait(WAIT_S) == 0


def test_program_ends_with_a_given_process() -> None:
    other = subprocess.Popen(["sleep", "60"])
    with program("--parent-pid", str(other.pid)) as (process, _):
        other.kill()
        other.wait()
        assert process.wait(WAIT_S) == 0


def test_program_reads_a_script_file_and_names_its_mistakes(tmp_path: Path) -> None:
    script = tmp_path / "script.toml"
    script.write_text('default = "404"\n')
    with program("--script", str(script)) as (_, ready):
        url = f"http://127.0.0.1:{ready['port']}/v1"
        with pytest.raises(openai.NotFoundError):
            openai.OpenAI(base_url=url, api_key="x", max_retries=0).chat.completions.create(
                model="m", messages=SAY
            )
    script.write_text('default = "slient"\n')
    command = [sys.executable, "-m", "runner.rehearse", "--script", str(script)]
    refused = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False
    )
    assert refused.returncode == 2
    assert "slient" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_port_that_is_taken_is_said_at_the_start(endpoint: Rehearsal) -> None:
    with pytest.raises(RehearsalError, match="address already in use"):
        Rehearsal.start(port=endpoint.port)
