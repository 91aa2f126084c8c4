"""Scripts that know nothing of us, under ``pilot-tui wrap``: seen, limited, killed call by call."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from support.running import PACKAGE, Watched, checked, wait_for

from runner.core import events as ev
from runner.rehearse import Rehearsal, Script
from runner.runs import engine_alive
from runner.start.launching import resume_run

KEY = "a-real-key-0123456789abcdef"
LIMITS = ("limits.first_byte=2", "limits.idle=2", "limits.call=2")

PLAIN = """
import json, sys, time
from concurrent.futures import ThreadPoolExecutor
from openai import OpenAI

client = OpenAI(max_retries=0)


def ask(number):
    began = time.monotonic()
    try:
        answer = client.chat.completions.create(
            model="gpt-x",
            user=f"t{number}",
            messages=[{"role": "user", "content": f"question {number}"}],
            stream=number % 2 == 0,
        )
        if number % 2 == 0:
            said = "".join(c.choices[0].delta.content or "" for c in answer if c.choices)
        else:
            said = answer.choices[0].message.content
        how = "ok" if said else "empty"
    except Exception as error:
        how = type(error).__name__
    return {"task": f"t{number}", "how": how, "took_s": time.monotonic() - began}


with ThreadPoolExecutor(20) as pool:
    for result in pool.map(ask, range(int(sys.argv[1]))):
        print(json.dumps(result), flush=True)
sys.exit(7)
"""

AZURE = """
import os
from openai import AzureOpenAI

client = AzureOpenAI(max_retries=0)
for number in range(5):
    answer = client.chat.completions.create(
        model="my-deployment", messages=[{"role": "user", "content": "hello"}]
    )
    print(answer.choices[0].message.content)
print("key", os.environ["AZURE_OPENAI_API_KEY"])
"""

PATIENT = """
from openai import OpenAI

try:
    OpenAI(max_retries=3).chat.completions.create(
        model="gpt-x", messages=[{"role": "user", "content": "hello"}]
    )
except Exception as error:
    print(type(error).__name__, getattr(error, "status_code", None), flush=True)
"""

HASTY = PATIENT.replace("max_retries=3", "max_retries=0, timeout=0.5")


class Wrap:
    """``pilot-tui wrap`` on a script, against an endpoint that misbehaves on demand."""

    def __init__(self, folder: Path, script: str) -> None:
        self.folder = folder
        self.server = Rehearsal.start(Script.decode(script.encode(), toml=True))
        self.process: subprocess.Popen[str] | None = None
        self.run = Watched(folder / "runs" / "w")

    def start(
        self,
        source: str,
        *arguments: str,
        limits: tuple[str, ...] = LIMITS,
        stdin: int = subprocess.DEVNULL,
    ) -> None:
        (self.folder / "bench.py").write_text(textwrap.dedent(source))
        sets = [part for pair in limits for part in ("--set", pair)]
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tui", "wrap", "--run-id", "w", *sets, "--"),
                *(sys.executable, "bench.py", *arguments),
            ],
            cwd=self.folder,
            env={
                **os.environ,
                "PYTHONPATH": str(PACKAGE),
                "OPENAI_BASE_URL": self.server.base_url,
                "OPENAI_API_KEY": KEY,
                "AZURE_OPENAI_ENDPOINT": self.server.azure_endpoint,
                "AZURE_OPENAI_API_KEY": KEY,
            },
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def finish(self) -> tuple[int, str]:
        """Exit code and output of the script."""
        assert self.process is not None
        out, err = self.process.communicate(timeout=50)
        assert "Traceback" not in err, err
        self.run.ended(20.0)
        return self.process.returncode, out

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.communicate(timeout=10)
        if engine_alive(self.run.dir):
            wait_for(lambda: not engine_alive(self.run.dir), 20.0)
        self.server.stop()


@pytest.fixture
def wrap(tmp_path: Path) -> Iterator[Callable[[str], Wrap]]:
    started: list[Wrap] = []

    def make(script: str = 'default = "ok,latency=0.05"') -> Wrap:
        started.append(Wrap(tmp_path, script))
        return started[-1]

    yield make
    for one in started:
        one.close()


def written(folder: Path) -> bytes:
    """Everything that a run left on disk."""
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


def test_a_plain_script_with_twenty_threads(wrap: Callable[[str], Wrap]) -> None:
    hangs = {"t5", "t8"}
    one = wrap('default = "ok,latency=0.05"\n[tasks]\nt5 = "silent"\nt8 = "silent"')
    one.start(PLAIN, "60")
    code, out = one.finish()
    assert code == 7, "the script's own"
    said = {result["task"]: result for result in map(json.loads, out.splitlines())}
    assert {task for task, result in said.items() if result["how"] != "ok"} == hangs
    rows = one.run.rows()
    assert rows.height == 60
    assert Counter(rows["outcome"].to_list()) == {"passed": 58, "timed_out": 2}
    passed = rows.filter(rows["outcome"] == "passed")
    assert set(passed["turns"]) == set(passed["calls"]) == {1}
    assert set(passed["model"]) == {"gpt-x"}
    counted = passed.filter(passed["tokens_out"] > 0)
    assert counted.height == 29, "usage comes with plain answers; streams were not asked for it"
    theirs = sorted(said[task]["took_s"] for task in said if task not in hangs)
    ours = sorted(passed["api_s"].to_list())
    middle = len(ours) // 2
    assert 0.05 <= ours[middle] <= theirs[middle] <= ours[middle] + 0.5
    state = one.run.state()
    assert (state.status, state.tasks_total, state.exit_code) == ("finished", 60, 1)
    busy = [event.worker for event in one.run.of(ev.AttemptStarted)]
    assert 20 <= len(set(busy)) < 32, "a lane for each open request, the first ones again"
    assert KEY.encode() not in written(one.run.dir)
    checked(one.run)


def test_an_azure_script(wrap: Callable[[str], Wrap]) -> None:
    one = wrap('default = "ok"')
    one.start(AZURE)
    code, out = one.finish()
    assert code == 0
    assert len(out.splitlines()) == 6
    assert KEY not in out, "the script itself never holds the key"
    rows = one.run.rows()
    assert set(rows["endpoint"]) == {"azure"}
    assert set(rows["model"]) == {"my-deployment"}
    assert rows["turns"].to_list() == [1] * 5
    assert one.server.stats()["calls"] == {"my-deployment": 5}
    checked(one.run)


def test_a_kill_ends_the_call_and_is_not_asked_again(wrap: Callable[[str], Wrap]) -> None:
    one = wrap('default = "silent"')
    one.start(PATIENT, limits=("limits.first_byte=60",))
    wait_for((one.run.dir / "events.jsonl").exists)
    one.run.until(lambda state: any(worker.phase == "wait" for worker in state.workers))
    answer = one.run.ask("kill", worker=one.run.of(ev.AttemptStarted)[0].worker)
    assert (answer["ok"], answer["cause"]) == (True, "killed:user")
    assert answer["took_s"] < 1.0
    _, out = one.finish()
    assert out.split() == ["InternalServerError", "504"]
    assert one.run.rows()["cause"].to_list() == ["killed:user"]
    refused = one.run.of(ev.AttemptStarted)
    assert len(refused) == 1


def test_a_request_that_the_script_gave_up_frees_its_lane(wrap: Callable[[str], Wrap]) -> None:
    one = wrap('default = "silent"')
    one.start(HASTY, limits=("limits.first_byte=60", "limits.call=60"))
    _, out = one.finish()
    assert out.split()[0] == "APITimeoutError"
    assert one.run.rows()["cause"].to_list() == ["error:ClientGone"]
    checked(one.run)


def test_an_error_of_the_endpoint_reaches_the_script_as_it_is(wrap: Callable[[str], Wrap]) -> None:
    one = wrap('default = "429,retry_after=0"')
    one.start(PATIENT.replace("max_retries=3", "max_retries=1"))
    _, out = one.finish()
    assert out.split() == ["RateLimitError", "429"]
    rows = one.run.rows()
    assert rows.height == 2, "the SDK's own second try, and none of ours"
    assert set(rows["outcome"]) == {"errored"}
    assert rows["call_retries"].to_list() == [0, 0]


def test_a_launcher_that_is_killed_takes_script_and_run_along(wrap: Callable[[str], Wrap]) -> None:
    one = wrap('default = "silent"')
    one.start(PATIENT, limits=("limits.first_byte=3",))
    wait_for((one.run.dir / "events.jsonl").exists)
    one.run.until(lambda state: any(worker.phase == "wait" for worker in state.workers))
    assert one.process is not None
    (script,) = psutil.Process(one.process.pid).children()
    os.kill(one.process.pid, signal.SIGKILL)
    one.process.communicate(timeout=10)
    wait_for(lambda: not script.is_running() or script.status() == psutil.STATUS_ZOMBIE)
    state = one.run.ended(30.0)
    assert state.status == "finished"
    assert one.run.rows().height == 1


def test_a_wrapped_run_is_no_plan_to_run_or_to_resume(
    wrap: Callable[[str], Wrap], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "k")
    one = wrap('default = "ok"')
    one.start(PATIENT)
    one.finish()
    with pytest.raises(Exception, match="wrap it again"):
        resume_run(one.run.dir)
    done = subprocess.run(
        [sys.executable, "-m", "tui", "run", str(one.run.dir / "plan.toml")],
        cwd=one.folder,
        env={**os.environ, "PYTHONPATH": str(PACKAGE)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2
    assert "pilot-tui wrap" in done.stderr


SLOWLY = """
import sys
from openai import OpenAI

for line in sys.stdin:
    client = OpenAI(max_retries=0, timeout=float(line))
    try:
        answer = client.chat.completions.create(
            model="gpt-x", messages=[{"role": "user", "content": "hello"}]
        )
        print("ok", flush=True)
    except Exception as error:
        print(type(error).__name__, flush=True)
"""

PIECES = """
import http.client, json, os
from urllib.parse import urlsplit

url = urlsplit(os.environ["OPENAI_BASE_URL"])
link = http.client.HTTPConnection(url.hostname, url.port)
body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "x" * 300_000}]}).encode()
pieces = (body[at : at + 5000] for at in range(0, len(body), 5000))
for _ in range(2):
    link.request("POST", url.path + "/chat/completions", pieces, {
        "authorization": "Bearer " + os.environ["OPENAI_API_KEY"],
        "content-type": "application/json"}, encode_chunked=True)
    answer = link.getresponse()
    print(answer.status, len(answer.read()) > 100)
    pieces = iter([body])
"""


def test_a_pause_holds_new_calls_until_the_run_goes_on(wrap: Callable[[str], Wrap]) -> None:
    one = wrap('default = "ok"')
    one.start(SLOWLY, stdin=subprocess.PIPE)
    assert one.process is not None
    assert one.process.stdin is not None
    assert one.process.stdout is not None

    def ask(timeout_s: float) -> None:
        assert one.process is not None
        assert one.process.stdin is not None
        one.process.stdin.write(f"{timeout_s}\n")
        one.process.stdin.flush()

    ask(30)
    assert one.process.stdout.readline() == "ok\n"
    assert one.run.ask("pause")["ok"]
    one.run.until(lambda state: state.status == "paused")
    ask(0.5)
    assert one.process.stdout.readline() == "APITimeoutError\n", "its own time-out still works"
    ask(30)
    assert len(one.run.of(ev.AttemptStarted)) == 1, "what waits at the door has no lane"
    assert one.run.ask("resume")["ok"]
    assert one.process.stdout.readline() == "ok\n"
    one.finish()
    assert one.run.rows()["outcome"].to_list() == ["passed", "passed"]
    checked(one.run)


def test_a_body_of_unknown_length_is_passed_on(wrap: Callable[[str], Wrap]) -> None:
    one = wrap('default = "ok"')
    one.start(PIECES)
    code, out = one.finish()
    assert code == 0
    assert out.splitlines() == ["200 True"] * 2
    assert one.run.rows()["outcome"].to_list() == ["passed"] * 2
