"""The live source against real files, a real lock and a real control socket."""

import fcntl
import json
import os
import queue
import socket
import threading
import time
from pathlib import Path

import pytest

from runner import EngineSeen, State, apply, fold
from tui.source import (
    Answer,
    EngineChanged,
    EngineTrouble,
    Events,
    Fetched,
    LiveSource,
    Loaded,
)
from tui.source.clock import RunClock
from tui.source.words import answer_words, disk_words


class Screen:
    """Takes messages as an app would, and folds them."""

    def __init__(self) -> None:
        self.messages: queue.Queue = queue.Queue()
        self.seen: list = []
        self.state: State = State()
        self.gate = threading.Event()
        self.gate.set()

    def post(self, message) -> None:
        self.gate.wait(10)
        self.messages.put(message)

    def until(self, done, timeout_s: float = 10.0):
        """Handle messages until ``done(self, message)``; the message."""
        deadline = time.monotonic() + timeout_s
        while True:
            left = deadline - time.monotonic()
            assert left > 0, f"never came; seen {self.seen[-5:]}"
            try:
                message = self.messages.get(timeout=left)
            except queue.Empty:
                continue
            self.seen.append(message)
            if isinstance(message, Loaded):
                self.state = message.state
            elif isinstance(message, Events):
                for event in message.events:
                    apply(self.state, event)
            elif isinstance(message, Fetched):
                message.deliver()
            if done(self, message):
                return message

    def until_seq(self, seq: int):
        return self.until(lambda s, m: s.state.seq >= seq)

    def until_a(self, kind):
        return self.until(lambda s, m: isinstance(m, kind))


class FakeEngine:
    """Holds the run's lock and answers on its socket, as long as it lives."""

    def __init__(self, run_dir: Path, answers=None) -> None:
        self.answers = {"ping": {"ok": True, "log": {}, "rows": {}, "free_bytes": 5}}
        self.answers.update(answers or {})
        self.asked: list[dict] = []
        self.frozen = threading.Event()
        self._lock = os.open(run_dir / "run.lock", os.O_CREAT | os.O_RDWR)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(run_dir / "control.sock"))
        self._socket.listen(8)
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                peer, _ = self._socket.accept()
            except OSError:
                return
            self._open.append(peer)
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer: socket.socket) -> None:
        try:
            with peer, peer.makefile("rwb") as file:
                for line in file:
                    order = json.loads(line)
                    self.asked.append(order)
                    answer = self.answers.get(order["op"], {"ok": False, "error": "unknown op"})
                    while self.frozen.is_set():
                        time.sleep(0.01)
                    file.write(json.dumps(answer).encode() + b"\n")
                    file.flush()
        except OSError:
            return  # the viewer hung up

    def die(self) -> None:
        self._socket.close()
        for peer in self._open:
            try:
                peer.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        os.close(self._lock)


@pytest.fixture
def screen() -> Screen:
    return Screen()


@pytest.fixture
def watch(screen: Screen):
    """Start a source on a run; it is closed at the end."""
    sources: list[LiveSource] = []

    def start(maker) -> LiveSource:
        source = LiveSource(maker.run_dir)
        sources.append(source)
        source.start(screen.post)
        return source

    yield start
    for source in sources:
        source.close()


@pytest.fixture
def engine():
    """Start a `FakeEngine` on a run; it is ended at the end."""
    engines: list[FakeEngine] = []

    def start(maker, **answers) -> FakeEngine:
        made = FakeEngine(maker.run_dir, answers)
        engines.append(made)
        return made

    yield start
    for made in engines:
        made.frozen.clear()
        try:
            made.die()
        except OSError:
            pass


def test_what_was_written_before_comes_as_one_state_and_the_rest_as_events(make_run, watch, screen):
    maker = make_run()
    maker.engine()
    maker.begin(0, "a")
    watch(maker)
    screen.until_seq(5)
    assert isinstance(screen.seen[0], Loaded)
    assert screen.state == fold(maker.made)
    began = time.monotonic()
    maker.wait(1).begin(1, "b")
    screen.until_seq(7)
    assert time.monotonic() - began < 1.0
    assert isinstance(screen.seen[-1], Events)
    assert screen.state == fold(maker.made)


def test_a_log_that_is_not_there_yet_is_awaited(make_run, watch, screen):
    maker = make_run()
    (maker.run_dir / "events.jsonl").unlink()
    watch(maker)
    screen.until_a(Loaded)
    assert screen.state.seq == 0
    maker._log.close()
    maker._log = (maker.run_dir / "events.jsonl").open("ab")
    maker.engine()
    screen.until_seq(3)
    assert screen.state == fold(maker.made)


def test_a_slow_screen_holds_the_source_back_and_misses_nothing(make_run, watch, screen):
    maker = make_run(workers=8, tasks=200)
    maker.engine()
    watch(maker)
    screen.until_seq(3)
    screen.gate.clear()
    maker.chatter(12_000)
    waiting = screen.messages.qsize()
    assert waiting <= 3  # one from each thread at most: nothing piles up
    screen.gate.set()
    screen.until_seq(maker.seq)
    assert screen.state == fold(maker.made)
    assert max(len(m.events) for m in screen.seen if isinstance(m, Events)) <= 5000


def test_a_log_that_was_cut_is_loaded_anew(make_run, watch, screen):
    maker = make_run()
    maker.engine()
    maker.begin(0, "a")
    watch(maker)
    screen.until_seq(5)
    log = maker.run_dir / "events.jsonl"
    log.write_bytes(b"".join(line + b"\n" for line in log.read_bytes().split(b"\n")[:2]))
    screen.until(lambda s, m: isinstance(m, Loaded) and m.state.seq == 2)
    assert screen.state == fold(maker.made[:2])


def test_the_engine_is_seen_gone_within_two_seconds(make_run, watch, screen, engine):
    maker = make_run()
    maker.engine()
    fake = engine(maker)
    source = watch(maker)
    screen.until(lambda s, m: isinstance(m, EngineChanged) and m.seen.alive)
    began = time.monotonic()
    fake.die()
    screen.until(lambda s, m: isinstance(m, EngineChanged) and not m.seen.alive)
    assert time.monotonic() - began < 2.0
    assert not source.engine().alive
    frozen = source.now()
    assert source.now() == frozen


def test_silence_of_a_stopped_engine_counts_on_and_ends_when_it_speaks(
    make_run, watch, screen, engine
):
    maker = make_run()
    maker.engine()
    fake = engine(maker)
    source = watch(maker)
    screen.until(lambda s, m: isinstance(m, EngineChanged) and m.seen.alive)
    fake.frozen.set()
    began = time.monotonic()
    screen.until(lambda s, m: isinstance(m, EngineChanged) and m.seen.silent_s >= 1.6)
    assert time.monotonic() - began < 4.0
    assert source.engine().alive
    fake.frozen.clear()
    screen.until(lambda s, m: isinstance(m, EngineChanged) and m.seen.silent_s < 1)


def test_growth_of_the_log_is_a_sign_of_life_too(make_run, watch, screen):
    maker = make_run()
    maker.engine()
    source = watch(maker)
    screen.until_seq(3)
    source._heard -= 10
    assert source.engine().silent_s > 9
    maker.begin(0, "a")
    screen.until_seq(5)
    assert source.engine().silent_s < 9  # it was 10 before


def test_a_kill_is_answered_in_words(make_run, watch, screen, engine):
    maker = make_run()
    maker.engine()
    answer = {
        "ok": True,
        "attempt_id": "a.1",
        "outcome": "killed",
        "rung": "abort",
        "took_s": 0.002,
    }
    fake = engine(maker, kill=answer)
    source = watch(maker)
    request_id = source.send("kill", attempt_id="a.1")
    found = screen.until_a(Answer)
    assert (found.request_id, found.ok) == (request_id, True)
    assert found.text == "killed in 2 ms: connection closed"
    assert {"op": "kill", "attempt_id": "a.1"} in fake.asked


def test_an_order_to_a_gone_engine_says_so(make_run, watch, screen):
    maker = make_run()
    maker.engine()
    source = watch(maker)
    source.send("pause")
    found = screen.until_a(Answer)
    assert not found.ok
    assert "no engine answers" in found.text


def test_a_full_disk_is_told_by_ping_and_over_when_it_is_over(make_run, watch, screen, engine):
    maker = make_run()
    maker.engine()
    sick = {"ok": True, "log": {"behind_bytes": 9, "error": "the disk is full"}, "rows": {}}
    fake = engine(maker, ping=sick)
    watch(maker)
    found = screen.until_a(EngineTrouble)
    assert "the disk is full" in found.text
    assert "nothing is lost" in found.text
    fake.answers["ping"] = {"ok": True, "log": {}, "rows": {}}
    assert screen.until_a(EngineTrouble).text == ""


def test_a_fetch_runs_elsewhere_and_comes_back_on_the_screen(make_run, watch, screen):
    maker = make_run()
    maker.engine()
    source = watch(maker)
    got: list = []
    source.fetch(threading.get_ident, lambda value, error: got.append((value, error)))
    source.fetch((maker.run_dir / "none").read_text, lambda v, e: got.append((v, e)))
    screen.until(lambda s, m: len(got) == 2)
    assert got[0][0] not in (None, threading.get_ident())
    assert got[1][0] is None
    assert "No such file" in got[1][1]


def test_a_closed_source_ends_its_threads(make_run, watch, screen):
    maker = make_run()
    maker.engine()
    before = set(threading.enumerate())
    source = watch(maker)
    screen.until_seq(3)
    mine = set(threading.enumerate()) - before
    assert len(mine) >= 3
    source.close()
    for thread in mine:
        thread.join(5)
        assert not thread.is_alive(), thread.name


@pytest.mark.parametrize(
    ("op", "answer", "words"),
    [
        ("kill", {"ok": True, "pending": True}, "not ended after 10s; the engine goes on trying"),
        (
            "kill",
            {"ok": False, "error": "already ended", "outcome": "passed", "cause": ""},
            "already ended: passed",
        ),
        (
            "kill",
            {"ok": True, "already": True, "rung": "abandon", "took_s": 1.6},
            "already killed in 1.6s: its thread did not obey and was left behind",
        ),
        ("retry", {"ok": True, "rung": "abort", "took_s": 0.4}, "killed, runs again in 400 ms"),
        ("retry", {"ok": True}, "queued first, runs again"),
        ("pause", {"ok": True}, "paused: no new tasks are started"),
        ("workers", {"ok": True, "workers": 7}, "workers: 7"),
        ("kill", {"ok": False, "error": "evil \x1b[2J"}, "evil \ufffd[2J"),
    ],
)
def test_answers_in_words(op, answer, words):
    assert answer_words(op, {}, answer).startswith(words)


def test_disk_words_are_harmless_and_empty_when_all_is_well():
    assert disk_words({"log": {"error": ""}, "rows": {"error": ""}}) == ""
    assert disk_words({}) == ""
    said = disk_words({"rows": {"error": "no\x1b space", "waiting": 3}})
    assert said == "NEEDS YOU: 3 results cannot be saved (no\ufffd space); none is lost"


class TestClock:
    def test_it_counts_on_when_nothing_arrives(self):
        clock = RunClock()
        clock.hear(1000.0, 5.0)
        assert clock.now(5.0) == 1000.0
        assert clock.now(8.5) == 1003.5

    def test_a_fresher_delivery_corrects_it_and_a_late_one_does_not(self):
        clock = RunClock()
        clock.hear(1000.0, 5.0)  # arrived 0.8 s late
        clock.hear(1001.8, 6.0)
        clock.hear(1002.0, 9.0)  # 2 s late
        assert clock.now(9.0) == pytest.approx(1004.8)

    def test_it_is_never_behind_the_newest_event(self):
        clock = RunClock()
        clock.hear(1000.0, 5.0)
        clock.hear(2000.0, 5.1)
        assert clock.now(5.0) == 2000.0

    def test_a_resumed_run_begins_a_new_axis(self):
        clock = RunClock()
        clock.hear(5000.0, 5.0)
        clock.freeze(6.0)
        assert clock.now(99.0) == 5001.0
        clock.restart(5100.0, 100.0)
        assert clock.now(101.0) == 5101.0

    def test_before_anything_was_heard_there_is_no_time(self):
        assert RunClock().now(77.0) == 0.0
        assert EngineSeen().alive
