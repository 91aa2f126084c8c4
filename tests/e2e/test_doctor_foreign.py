"""A harness that hung for hours, rebuilt from its report; and programs that are well."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from support.commands import COMMAND, Said
from support.running import PACKAGE, wait_for

from runner.doctor import Process, diagnose_pids, end_processes

HOURS_S = 5 * 3600
CONTROLLER = """
import subprocess, sys, time
port, copies = sys.argv[2], int(sys.argv[4])
folder = __file__.rpartition("/")[0]
children = []
for number in range(copies):
    shard = str(number % 3)
    children.append(subprocess.Popen([
        sys.executable, folder + "/smart_batch_runner.py", "--port", port,
        "--model", sys.argv[6], "--shard", shard, "--silent",
    ]))
print("up", flush=True)
for child in children:
    child.wait()
"""
EXECUTOR = """
import socket, sys
call = socket.create_connection(("127.0.0.1", int(sys.argv[2])))
call.sendall(b"POST /v1/chat/completions HTTP/1.1\\r\\n\\r\\n")
call.recv(1)
"""
BUSY = """
import multiprocessing, time
def work():
    end = time.monotonic() + 60
    while time.monotonic() < end:
        sum(range(10000))
if __name__ == "__main__":
    multiprocessing.set_start_method("fork")
    pool = [multiprocessing.Process(target=work) for _ in range(3)]
    for worker in pool:
        worker.start()
    print("up", flush=True)
    for worker in pool:
        worker.join()
"""
ASKING = """
import socket, sys, time
call = socket.create_connection(("127.0.0.1", int(sys.argv[2])))
print("up", flush=True)
while True:
    call.sendall(b"?")
    call.recv(1)
    time.sleep(0.2)
"""


ASKS = """
import threading
def ask_the_model():
    call.recv(1)
def wait_for_all(thread):
    thread.join()
asking = threading.Thread(target=ask_the_model, name="the worker\\x1b]0;owned\\x07")
asking.start()
wait_for_all(asking)
"""


class Endpoint:
    """A server on loopback that takes every connection and answers all or nothing."""

    def __init__(self, *, answers: bool) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listener.getsockname()[1]
        self._answers = answers
        self.calls: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                call, _ = self._listener.accept()
                self.calls.append(call)
                if self._answers:
                    threading.Thread(target=self._answer, args=(call,), daemon=True).start()

    def _answer(self, call: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while call.recv(1):
                call.sendall(b"!")

    def close(self) -> None:
        """Give the sockets back."""
        for sock in (self._listener, *self.calls):
            sock.close()


class Harness:
    """Foreign programs in a folder of their own, ended by their process groups."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self._started: list[subprocess.Popen[str]] = []
        self._servers: list[Endpoint] = []

    def endpoint(self, *, answers: bool) -> Endpoint:
        """A server for these programs."""
        self._servers.append(Endpoint(answers=answers))
        return self._servers[-1]

    def start(
        self, name: str, code: str, *words: str, stdin: int = subprocess.DEVNULL
    ) -> "subprocess.Popen[str]":
        """A program under this name; returns when it has said that it is up."""
        (self.folder / name).write_text(code)
        process = subprocess.Popen(
            [sys.executable, str(self.folder / name), *words],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        self._started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        return process

    def close(self) -> None:
        """End all of it."""
        for process in self._started:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate(timeout=10)
        for server in self._servers:
            server.close()


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[Harness]:
    """Nothing yet."""
    found = Harness(tmp_path / "harness")
    try:
        yield found
    finally:
        found.close()


def doctor(*words: str, answer: str = "") -> Said:
    """The command, with an answer to its question."""
    done = subprocess.run(
        [*COMMAND, "doctor", *words],
        input=answer,
        env={**os.environ, "PYTHONPATH": str(PACKAGE)},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Said(done)


@pytest.fixture
def scene(harness: Harness) -> Path:
    """Three controllers, nine executors and thirteen duplicates of them; nothing saved for 5 h."""
    silent = harness.endpoint(answers=False)
    (harness.folder / "smart_batch_runner.py").write_text(EXECUTOR)
    for model, copies in (("qwen2.5-72b", 8), ("deepseek-v3", 7), ("o4-mini", 7)):
        words = ("--port", str(silent.port), "--copies", str(copies), "--model", model)
        harness.start("ultra_parallel_runner.py", CONTROLLER, *words)
    wait_for(lambda: len(silent.calls) == 22)
    data = harness.folder / "pilot_bench_parquet_data"
    (data / "incremental").mkdir(parents=True)
    results = data / "test_results.parquet"
    pl.DataFrame({"score": [1.0]}).write_parquet(results)
    unfinished = data / "batch.tmp"
    unfinished.touch()
    for path in (results, unfinished):
        os.utime(path, (time.time() - HOURS_S, time.time() - HOURS_S))
    return data


def test_the_report_names_every_root_cause_with_its_figures(harness: Harness, scene: Path):
    said = doctor("--match", str(harness.folder), "--data", str(scene), "--json")
    assert said.code == 1
    found = said.json
    assert found["kind"] == "idle-hung"
    assert len(found["processes"]) == 25
    causes = {cause["kind"]: cause["text"] for cause in found["causes"]}
    assert list(causes) == ["memory", "crowding", "no_limit", "hidden_errors", "not_saved"]
    assert "25 x " in causes["memory"]
    assert "25 processes on " in causes["crowding"]
    assert "3 controllers started 22 of them" in causes["crowding"]
    assert "13 duplicates" in causes["crowding"]
    assert "22 connections ESTABLISHED in 22 processes" in causes["no_limit"]
    assert "22 of 25 processes run with --silent" in causes["hidden_errors"]
    assert "25 of 25 write their errors to /dev/null" in causes["hidden_errors"]
    assert "test_results.parquet was last written 5h00m ago" in causes["not_saved"]
    assert "incremental/ is empty" in causes["not_saved"]
    assert "1 unfinished file" in causes["not_saved"]
    assert sum(process["cpu_percent"] for process in found["processes"]) < 125
    unread = {item["what"]: item for item in found["unread"]}
    if "where in their code they wait" in unread:  # py-spy is not installed here
        assert unread["where in their code they wait"]["command"].startswith("py-spy dump --pid")


def test_text_and_markdown_say_the_verdict_first_and_the_command_last(
    harness: Harness, scene: Path
):
    words = ("--match", str(harness.folder), "--data", str(scene), "--window", "0.5")
    text = doctor(*words).out.splitlines()
    assert text[0].startswith("IDLE-HUNG: 25 processes did nothing for 0.5 s")
    assert text[-1] == f"next: pilot-tui doctor --match {harness.folder} --kill"
    markdown = doctor(*words, "--markdown").out.splitlines()
    assert markdown[0].startswith("## IDLE-HUNG: 25 processes")
    assert markdown[-1].startswith("Next: pilot-tui doctor --match")
    assert sum(line.startswith("| ") for line in markdown) == 25 + 1


def test_kill_ends_exactly_what_was_listed_and_only_after_a_yes(harness: Harness, scene: Path):
    words = ("--match", f"{harness.folder}/ultra", "--data", str(scene), "--window", "0.2")
    refused = doctor(*words, "--kill", answer="n\n")
    assert "nothing was ended" in refused.err
    said = doctor("--match", str(harness.folder), "--json", "--window", "0.2").json
    assert len(said["processes"]) == 25
    ended = doctor(*words, "--kill", answer="y\n")
    assert ended.code == 0, ended.err
    assert ended.err.count(": ended") == 25
    after = doctor("--match", str(harness.folder), "--json", "--window", "0.2")
    assert (after.code, after.out) == (2, "")  # a zombie has no command line to match


def test_a_busy_pool_is_no_alarm(harness: Harness):
    parent = harness.start("pool.py", BUSY)
    said = doctor("--pid", str(parent.pid), "--json")
    found = said.json
    assert (said.code, found["kind"], found["causes"]) == (0, "busy", [])
    assert len(found["processes"]) == 4
    assert found["next"] == ""


def test_programs_that_wait_for_answers_which_come_are_no_alarm(harness: Harness):
    talkative = harness.endpoint(answers=True)
    pids = [
        harness.start(f"ask{number}.py", ASKING, "--port", str(talkative.port)).pid
        for number in range(3)
    ]
    found = diagnose_pids(pids, window_s=1.0)
    assert (found.kind, found.hung) == ("progressing", False)


def test_a_program_that_saves_is_no_alarm(harness: Harness, scene: Path):
    pl.DataFrame({"score": [1.0]}).write_parquet(scene / "incremental" / "part-1.parquet")
    said = doctor("--match", str(harness.folder), "--data", str(scene), "--window", "0.5")
    assert said.code == 0
    assert said.out.startswith("progressing: incremental/part-1.parquet was saved ")


def test_hung_up_connections_are_counted(harness: Harness):
    silent = harness.endpoint(answers=False)
    code = EXECUTOR.replace("call.recv(1)", "print('up', flush=True); sys.stdin.read()")
    process = harness.start("left.py", code, "--port", str(silent.port), stdin=subprocess.PIPE)
    wait_for(lambda: silent.calls)
    silent.calls[0].shutdown(socket.SHUT_WR)
    found = diagnose_pids([process.pid], window_s=0.5)
    assert found.kind == "idle-hung"
    assert any("1 in CLOSE_WAIT" in cause.text for cause in found.causes)


def test_what_is_not_there_is_told_with_a_command(harness: Harness):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    found = diagnose_pids([gone.pid], window_s=0.2)
    assert found.unread[0].what == f"process {gone.pid}"
    assert found.unread[0].command == f"ps -fp {gone.pid}"


@pytest.mark.skipif(not shutil.which("py-spy"), reason="py-spy is not installed")
def test_the_line_at_which_a_program_hangs_is_shown(harness: Harness):
    silent = harness.endpoint(answers=False)
    code = EXECUTOR.replace("call.recv(1)", "print('up', flush=True)\n" + ASKS)
    process = harness.start("hung.py", code, "--port", str(silent.port))
    said = doctor("--pid", str(process.pid), "--window", "0.2")
    assert f"stacks of {process.pid}" in said.out
    assert "ask_the_model (hung.py:" in said.out
    assert '"the worker?]0;owned?"' in said.out.replace("\ufffd", "?")
    assert "wait_for_all (hung.py:" in said.out
    assert "where in their code" not in said.out
    assert process.poll() is None


def test_keys_on_command_lines_are_not_shown(harness: Harness):
    keys = ("sk-abcdefghijklmnopqrstuvwxyz", "Zq81-plain-looking", "Zq82-plain-looking")
    words = ("--model", "m", "--key", keys[0], "--api-key=" + keys[1], "--auth-token", keys[2])
    code = "import sys; print('up', flush=True); sys.stdin.read()"
    process = harness.start("keys.py", code, *words, stdin=subprocess.PIPE)
    said = doctor("--pid", str(process.pid), "--window", "0.2", "--json")
    command = said.json["processes"][0]["command"]
    assert command.endswith("--model m --key *** --api-key=*** --auth-token ***")
    assert not [key for key in keys if key in said.out]


def sleeper(user: int | None = None) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(["sleep", "60"], user=user)


def test_a_successor_of_the_same_number_is_left_alone():
    process = sleeper()
    try:
        listed = diagnose_pids([process.pid], window_s=0.2).processes[0]
        older = Process(pid=listed.pid, uid=listed.uid, started_at=listed.started_at - 10)
        (ended,) = end_processes([older], grace_s=0.5)
        assert ended.how == "was gone"
        assert process.poll() is None
    finally:
        process.kill()
        process.communicate()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can start another user's process")
def test_another_users_process_is_refused():
    process = sleeper(user=65534)
    try:
        listed = diagnose_pids([process.pid], window_s=0.2).processes
        (ended,) = end_processes(listed, grace_s=0.5)
        assert (ended.how, ended.why) == ("refused", "belongs to uid 65534")
        assert process.poll() is None
    finally:
        process.kill()
        process.communicate()


def test_one_that_ignores_the_order_is_killed():
    code = "trap '' TERM; echo up; read line"
    process = subprocess.Popen(["sh", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"up\n"
        listed = diagnose_pids([process.pid], window_s=0.2).processes
        (ended,) = end_processes(listed, grace_s=0.5)
        assert ended.how == "killed"
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    "words",
    [("--match", "("), ("--kill",), ("--data", "."), ("latest", "--pid", "99"), ("--pid", "1")],
    ids=" ".join,
)
def test_bad_arguments_are_told(words: tuple[str, ...]):
    assert doctor(*words).code == 2


@pytest.mark.parametrize("form", [(), ("--json",), ("--markdown",), ("--kill",)], ids=str)
def test_a_process_that_is_not_there_is_a_wrong_argument(form: tuple[str, ...]):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    said = doctor("--pid", str(gone.pid), *form)
    assert (said.code, said.out) == (2, "")
    assert f"'--pid': process {gone.pid} is not there" in said.err


def test_one_that_is_gone_hides_nothing_of_those_that_are_there():
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    process = sleeper()
    try:
        words = ("--pid", str(gone.pid), "--pid", str(process.pid), "--window", "0.2")
        said = doctor(*words)
        assert said.code == 0
        assert said.out.startswith("idle: 1 process")
        assert f"process {gone.pid}: is not there; try: ps -fp {gone.pid}" in said.out
    finally:
        process.kill()
        process.communicate()


def test_what_started_the_command_is_not_looked_at():
    said = doctor("--pid", str(os.getpid()))
    assert said.code == 2
    assert f"process {os.getpid()} started this very command" in said.err


def test_a_pattern_that_no_command_line_has_is_a_wrong_argument(tmp_path: Path):
    said = doctor("--match", str(tmp_path / "none.py"))
    assert (said.code, said.out) == (2, "")
    assert "'--match': no process" in said.err
