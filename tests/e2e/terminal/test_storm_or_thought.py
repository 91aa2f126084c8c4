"""Silence has many causes: from the screen alone a 429 storm is told from a model that thinks."""

import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from support.running import Project, Watched, checked, held
from support.terminal import Terminal, needs_tmux

from runner.core import events as ev
from runner.core.state import State
from runner.core.why import CALLS_FOR_USUAL

PROGRAM = (sys.executable, "-m", "tui")
pytestmark = [needs_tmux, pytest.mark.timeout(150)]
SIZES = ((120, 40), (80, 24))
CODE = """
def run(task, ctx):
    with ctx.turn():
        ctx.client.chat.completions.create(
            model=ctx.model, messages=[{"role": "user", "content": "go"}]
        )
    return True
"""
ANSWER = b'{"choices": [{"message": {"role": "assistant", "content": "ok"}}]}'
RATE_PER_S = 3.0
PAUSES_S = 2.0


def diagnosis(text: str) -> str:
    """What a person who sees only this says: the words are the test's, the facts the screen's."""
    verdict = text.splitlines()[1]
    if "429 from here" in verdict and re.search(r"the first goes on in \d+s", verdict):
        rows = re.findall(r"429 from h.* \d+s goes on", text)
        limited = re.search(r"429: [1-9]\d*/min", text) or re.search(r"here .* [1-9]\d* ", text)
        return "429 storm" if rows and limited else ""
    if re.search(r"NEEDS YOU: m on here rests for \d+m\d\ds: the first 3 calls all", verdict):
        return "gave up on a slow model"
    if re.search(r"STUCK for \d+s, but that is usual here \(p95 \d", verdict):
        return "thinks as long as always" if "usual here: p95 " in text else ""
    return ""


class Strict(ThreadingHTTPServer):
    """A provider that counts refused requests too: who keeps asking too fast gets nothing."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Strict)
        self.base_url = f"http://127.0.0.1:{self.server_port}/v1"
        self._asked: list[float] = []
        self._lock = threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def admits(self) -> bool:
        """Whether this request is within the rate."""
        with self._lock:
            now = time.monotonic()
            self._asked = [at for at in self._asked if at > now - 1.0] + [now]
            return len(self._asked) <= RATE_PER_S


class _Strict(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Nothing."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        assert isinstance(self.server, Strict)
        status, body = (200, ANSWER) if self.server.admits() else (429, b'{"error": {}}')
        self.send_response(status)
        if status == 429:
            self.send_header("retry-after", f"{PAUSES_S:g}")
        self.send_header("content-length", str(len(body)))
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def strict() -> Iterator[Strict]:
    """The provider."""
    with Strict() as found:
        yield found
        found.shutdown()


class Screens:
    """Two people before screens of different sizes: each is to see what happens."""

    def __init__(self, run: Watched, terminal: Callable[..., Terminal]) -> None:
        self.all = [terminal(f"watch{size[0]}", size) for size in SIZES]
        for screen in self.all:
            screen.run(*PROGRAM, "attach", str(run.dir))

    def until(self, what: str | Callable[[str], object], timeout_s: float = 30.0) -> list[str]:
        """The first texts that show it."""
        return [screen.until(what, timeout_s) for screen in self.all]


def change(run: Watched, *words: str) -> None:
    """``pilot-tui set RUN ...``."""
    subprocess.run([*PROGRAM, "set", str(run.dir), *words], check=True, capture_output=True)


def test_a_429_storm_is_told_and_a_lower_rate_ends_it(
    project: Project, strict: Strict, terminal: Callable[..., Terminal]
) -> None:
    limits = "retries = 99\nretry_wait = 2\nretry_total = 140\nattempt = 140"
    plan = project.write(tasks=24, workers=12, code=CODE, base_url=strict.base_url, limits=limits)
    run = project.launch(plan)
    screens = Screens(run, terminal)
    screens.until(lambda text: diagnosis(text) == "429 storm")
    before = len(run.of(ev.AttemptEnded))
    change(run, "endpoints.here.qps=2")
    screens.until(lambda text: _done(text) > before + 3 and not diagnosis(text), 60)
    assert run.ended(60).exit_code == 0
    assert {event.origin for event in run.of(ev.PlanChanged)} != {""}
    checked(run)


def _done(text: str) -> int:
    found = re.search(r"(\d+)(?:/| of )24", text.splitlines()[0])
    return int(found[1]) if found else -1


def test_a_model_that_thinks_in_silence_is_told_from_a_hang_and_a_storm(
    project: Project, terminal: Callable[..., Terminal]
) -> None:
    limits = "first_byte = 60\nattempt = 100"
    script = 'default = "thinking,for=5"'
    workers = CALLS_FOR_USUAL  # after one round it is known what is usual
    tasks = 3 * workers
    code = held(*(f"t{number:03d}" for number in range(tasks)))
    run = project.launch(
        project.write(tasks=tasks, workers=workers, code=code, script=script, limits=limits)
    )
    screens = Screens(run, terminal)
    screens.until("RUNNING")
    project.go()  # only now: the first calls may be over before a slow machine shows anything
    run.until(lambda state: all(worker.calls for worker in state.workers))
    # Nobody knows yet what is usual here.
    screens.until(lambda text: f"{workers} STUCK" in text and "no byte yet" in text)
    screens.until(lambda text: diagnosis(text) == "thinks as long as always")
    change(run, "watch.slow_after=20", "watch.stuck_after=30", "--now")
    screens.until(f"{workers} workers busy, all well.")
    run.until(_waits_longer_than_it_might)
    assert not [screen for screen in screens.all if "STUCK" in screen.text()]
    assert run.ask("stop")["ok"]
    run.ended()


def _waits_longer_than_it_might(state: State) -> bool:
    """Whether somebody waits for longer than the 2 s after which he was stuck before."""
    waiting = [worker for worker in state.workers if worker.phase == "wait"]
    return any(state.at - worker.progress_at > 3.0 for worker in waiting)


def test_a_model_that_is_given_up_too_early_is_told_and_a_longer_limit_brings_it_back(
    project: Project, terminal: Callable[..., Terminal]
) -> None:
    plan = project.write(
        tasks=6, workers=3, code=CODE, script='default = "thinking,for=4"', limits="call = 2"
    )
    run = project.launch(plan)
    screens = Screens(run, terminal)
    screens.until(lambda text: diagnosis(text) == "gave up on a slow model")
    large, small = screens.all
    row = re.compile(r"m +here +0 +3 +rests \d+m\d\ds: the first 3 calls all ended")
    large.until(row.search)
    small.until(re.compile(r"m 0 of 3 paused \d+m\d\ds").search)
    change(run, "limits.call=30")
    screens.until("3 workers busy", 30)
    assert run.ended(60).done
    assert "passed" in run.state().done.values()
