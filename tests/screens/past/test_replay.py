"""The replay source: play, pause, seek, step, speed, marks; frames are dropped, never delayed."""

import queue
import time

import pytest

from runner import History, State, apply, ev, fold
from tui.source import Answer, Events, Loaded, Position, ReplaySource, SourceFailed, Timeline


class Screen:
    """Takes messages in the source's own thread, as a call that waits for the app does."""

    def __init__(self) -> None:
        self.state: State = State()
        self.position: Position | None = None
        self.timeline: Timeline | None = None
        self.loads = 0
        self.messages: queue.Queue = queue.Queue()

    def post(self, message) -> None:
        match message:
            case Loaded(state):
                self.state = state
                self.loads += 1
            case Events(events):
                for event in events:
                    apply(self.state, event)
            case Position():
                self.position = message
            case Timeline():
                self.timeline = message
        self.messages.put(message)

    def until(self, done, timeout_s: float = 10.0):
        deadline = time.monotonic() + timeout_s
        while not done():
            try:
                self.messages.get(timeout=max(0.001, deadline - time.monotonic()))
            except queue.Empty:
                pytest.fail(f"never came; at {self.position}")


@pytest.fixture
def screen() -> Screen:
    return Screen()


@pytest.fixture
def replay(screen: Screen):
    sources: list[ReplaySource] = []

    def start(maker, at=None, speed=1.0, playing=False) -> ReplaySource:
        source = ReplaySource(maker.run_dir, at, speed, playing=playing)
        sources.append(source)
        source.start(screen.post)
        return source

    yield start
    for source in sources:
        source.close()


@pytest.fixture
def story(make_run):
    """Ten seconds: an attempt at 0, a pulse at 3, another attempt at 5, a hang's end at 10."""
    maker = make_run()
    maker.engine()
    a = maker.begin(0, "a")
    maker.wait(3).emit(ev.Pulse(slots=[], hosts=[]))
    maker.wait(2).begin(1, "b")
    maker.emit(ev.CallStarted(attempt_id="b.1", worker=1, n=1, stream=True))
    maker.wait(5).end(0, a)
    maker.end(1, "b.1", "timed_out", "deadline:first_byte", then="requeued")
    maker.finish()
    return maker


def at(maker, seconds: float) -> float:
    return maker.made[0].at + seconds


def test_it_begins_where_it_is_told_to(story, replay, screen):
    replay(story, at(story, 5))
    screen.until(lambda: screen.position is not None)
    assert screen.state == fold([e for e in story.made if e.at <= at(story, 5)])
    assert not screen.position.playing
    assert (screen.position.first_at, screen.position.last_at) == (at(story, 0), at(story, 10))


def test_it_plays_to_the_end_at_its_speed_and_stands_still_there(story, replay, screen):
    began = time.monotonic()
    source = replay(story, speed=10.0, playing=True)
    screen.until(lambda: screen.position is not None and not screen.position.playing)
    assert 0.9 < time.monotonic() - began < 3.0
    assert screen.state == fold(story.made)
    assert source.now() == at(story, 10)


def test_seeking_goes_both_ways_and_stays_within_the_run(story, replay, screen):
    source = replay(story)
    for seconds, shown in ((7, 7), (2, 2), (99, 10), (-5, 0)):
        source.seek(at(story, seconds))
        wanted = at(story, shown)
        screen.until(lambda wanted=wanted: source.now() == wanted)
        screen.until(lambda wanted=wanted: screen.position and screen.position.now == wanted)
        assert screen.state == fold([e for e in story.made if e.at <= wanted])


def test_steps_go_from_happening_to_happening_and_pause(story, replay, screen):
    source = replay(story, playing=True, speed=0.1)
    source.step(1)
    screen.until(lambda: source.now() == at(story, 5))
    source.step(1)  # the call at the same moment: shown, the clock stays
    source.step(1)
    screen.until(lambda: source.now() == at(story, 10))
    source.step(-1)
    screen.until(lambda: source.now() == at(story, 5))
    screen.until(lambda: screen.position is not None and screen.position.now == at(story, 5))
    assert not screen.position.playing
    assert screen.state == fold([e for e in story.made if e.at <= at(story, 5)])


def test_speed_goes_in_steps_and_has_bounds(story, replay, screen):
    source = replay(story)
    source.faster()
    screen.until(lambda: screen.position is not None and screen.position.speed == 2.0)
    source.faster(-1)
    source.faster(-1)
    screen.until(lambda: screen.position.speed == 0.5)
    source.set_speed(1e9)
    screen.until(lambda: screen.position.speed == 1000.0)
    source.set_speed(0)
    screen.until(lambda: screen.position.speed == 0.1)


def test_orders_are_carried_out_while_the_log_is_still_read(
    lively, replay, screen, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("runner.engine.log.reader.CHUNK_BYTES", 200)
    read: list[float] = []
    source = replay(lively)
    screen.until(lambda: screen.position is not None)
    source.set_speed(2.0)
    screen.until(lambda: screen.position.speed == 2.0)
    read.append(source._history.read_share)
    source.seek(lively.made[-1].at)  # which lies in what was not read yet
    screen.until(lambda: screen.position.now == lively.made[-1].at)
    assert screen.state == fold(lively.made)
    screen.until(lambda: screen.timeline is not None and screen.timeline.read == 1.0)
    assert 0 < read[0] < 1
    assert sum(screen.timeline.density) == sum(type(e) is not ev.Pulse for e in lively.made)


def test_that_all_was_read_is_told_even_if_the_last_events_were_told_before(
    story, screen, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("tui.source.replay.TIMELINE_S", 0.0)
    monkeypatch.setattr(History, "read_share", 0.999)
    source = ReplaySource(story.run_dir)
    source._post = screen.post
    source._history.refresh()
    source._tell_timeline(settled=False)
    assert screen.timeline.read == 0.999
    source._tell_timeline(settled=True)
    assert screen.timeline.read == 1.0


def test_a_jump_finds_a_mark_that_was_not_read_yet(
    make_run, replay, screen, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("runner.engine.log.reader.CHUNK_BYTES", 200)
    maker = make_run()
    maker.engine()
    for _ in range(3000):
        maker.wait(1).emit(ev.Pulse(slots=[], hosts=[]))
    maker.emit(ev.KillRequested(attempt_id="nobody", origin="me"))
    source = replay(maker)
    screen.until(lambda: screen.position is not None)
    assert source._history.read_share < 1
    source.jump(1)
    screen.until(lambda: screen.position.now == maker.at)
    source.jump(1)  # there is none: it stays
    source.set_speed(5.0)
    screen.until(lambda: screen.position.speed == 5.0)
    assert source.now() == maker.at


def test_the_timeline_has_density_and_marks_to_jump_between(story, replay, screen):
    source = replay(story)
    screen.until(lambda: screen.timeline is not None)
    assert sum(screen.timeline.density) == len(story.made) - 1  # all but the pulse
    assert [mark.kind for mark in screen.timeline.marks] == ["hang"]
    assert screen.timeline.marks[0].at == at(story, 5)
    source.jump(1)
    screen.until(lambda: source.now() == at(story, 5))
    source.seek(at(story, 9))
    source.jump(-1)
    screen.until(lambda: source.now() == at(story, 5))


def test_playing_from_the_end_begins_anew(story, replay, screen):
    source = replay(story, at(story, 10))
    screen.until(lambda: screen.position is not None)
    source.play()
    screen.until(lambda: screen.position.playing)
    assert source.now() < at(story, 5)
    source.toggle()
    screen.until(lambda: not screen.position.playing)


def test_too_much_at_once_is_skipped_and_the_end_is_right(
    make_run, replay, screen, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("tui.source.replay.FRAME_EVENTS", 1000)
    maker = make_run(workers=8, tasks=1000)
    maker.engine()
    maker.chatter(30_000)
    began = time.monotonic()
    replay(maker, speed=1000.0, playing=True)
    screen.until(lambda: screen.position is not None and not screen.position.playing, 30)
    assert time.monotonic() - began < 15  # 300 s of the run
    assert screen.loads > 1
    assert screen.state == fold(maker.made)


def test_a_log_that_grows_is_played_on(story, replay, screen):
    source = replay(story, at(story, 10))
    screen.until(lambda: screen.position is not None)
    story.wait(4).emit(ev.EngineLagged(gap_s=2))
    source.seek(at(story, 14))
    screen.until(lambda: source.now() == at(story, 14))
    assert screen.state.seq == story.seq


def test_orders_to_the_run_are_refused_in_words(story, replay, screen):
    source = replay(story)
    got: list[Answer] = []
    screen_post = screen.post

    def post(message):
        if isinstance(message, Answer):
            got.append(message)
        screen_post(message)

    source._post = post
    number = source.send("kill", attempt_id="a.1")
    screen.until(lambda: bool(got))
    assert (got[0].request_id, got[0].ok) == (number, False)
    assert "replay" in got[0].text


def test_a_folder_without_a_log_is_an_empty_run_and_no_traceback(make_run, replay, screen):
    maker = make_run()
    maker.close()
    (maker.run_dir / "events.jsonl").unlink()
    replay(maker, playing=True)
    screen.until(lambda: screen.position is not None)
    assert screen.state.seq == 0
    assert not any(isinstance(m, SourceFailed) for m in screen.messages.queue)
