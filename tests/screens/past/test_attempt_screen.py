"""One attempt on the screen, read from a real log and transcript."""

import time

import pytest
from stage import Stage, harmless, on_stage

from runner import ev
from tui.screens.dialogs import Ask

EVIL = "\x1b]0;owned\x07\x1b[2J\u202eevil\u200b 中文 é\u0301"


@pytest.fixture
def talk(make_run):
    """An attempt that has said a few things and hangs in a tool; the engine's lock is not held."""
    maker = make_run("talk-1", workers=3)
    maker.engine()
    maker.wait(1)
    a = maker.begin(0, "django-1")
    maker.emit(ev.TurnStarted(attempt_id=a, worker=0, turn=1, max_turns=50))
    maker.message(0, a, 1, "system", "You are an agent.")
    maker.message(0, a, 1, "user", EVIL)
    maker.call(0, a, 1, 2.1)
    maker.message(0, a, 1, "assistant", "I will run the test suite now.")
    maker.emit(ev.Logged(attempt_id=a, worker=0, text="printed by the executor"))
    maker.emit(ev.ToolStarted(attempt_id=a, worker=0, tool="bash", detail="make test"))
    maker.begin(1, "other-2")
    return maker


async def opened(stage: Stage, attempt_id: str = "django-1.1") -> None:
    stage.app.orders.open_attempt(attempt_id)
    await stage.until("talk", "events")


@pytest.mark.parametrize(
    "size", [(80, 24), (120, 40), (200, 60)], ids=["80x24", "120x40", "200x60"]
)
def test_it_tells_the_conversation_and_no_word_of_it_drives_the_terminal(talk, size):
    async def play(stage: Stage) -> None:
        await opened(stage)
        await stage.until("I will run the test suite now.", "2.1s, 5 tokens", "make test")
        await stage.press("home")
        await stage.until("You are an agent.", "owned")
        assert harmless(stage)
        assert ("turn  call  byte tool" in stage.text) == (size[0] >= 100)
        assert "x kill" in stage.text

    on_stage(talk.run_dir, size, play)


def test_it_follows_what_is_said_and_stops_following_when_moved(talk):
    for n in range(60):
        talk.message(0, "django-1.1", 1, "tool", f"line {n}")

    async def play(stage: Stage) -> None:
        await opened(stage)
        await stage.until("line 59", "follow on")
        talk.message(0, "django-1.1", 1, "assistant", "something new")
        await stage.until("something new")
        await stage.press("pageup")
        await stage.until("follow off")
        talk.message(0, "django-1.1", 1, "assistant", "newer still")
        await stage.pilot.pause(0.6)
        assert "newer still" not in stage.text
        await stage.press("f")
        await stage.until("newer still", "follow on")

    on_stage(talk.run_dir, (120, 40), play)


def test_a_body_that_is_not_written_yet_comes_later(talk):
    body = b'{"content": "late words"}'
    offset = talk._bodies.tell()
    talk.emit(
        ev.MessageAdded(
            attempt_id="django-1.1",
            worker=0,
            turn=1,
            role="assistant",
            offset=offset,
            length=len(body),
        )
    )

    async def play(stage: Stage) -> None:
        await opened(stage)
        await stage.until("(not written yet)")
        talk._bodies.write(body + b"\n")
        talk._bodies.flush()
        await stage.until("late words")
        assert "(not written yet)" not in stage.text

    on_stage(talk.run_dir, (120, 40), play)


def test_tabs_show_calls_tools_output_and_raw_events(talk):
    async def play(stage: Stage) -> None:
        await opened(stage)
        for words in (
            ("1st byte", "10/5"),
            ("make test", "..."),
            ("while it made no progress",),
            ("printed by the executor",),
            ('{"type":"ToolStarted"',),
            ("I will run the test suite now.",),
        ):
            await stage.press("tab")
            await stage.until(*words)

    on_stage(talk.run_dir, (120, 40), play)


def test_words_are_searched_and_esc_takes_the_search_away_first(talk):
    for n in range(80):
        text = "needle here" if n == 10 else f"hay {n}"
        talk.message(0, "django-1.1", 1, "tool", text)

    async def play(stage: Stage) -> None:
        await opened(stage)
        await stage.until("hay 79")
        stage.app.screen.find("NEEDLE")  # type: ignore[attr-defined]
        await stage.until("needle here")
        await stage.press("escape")
        await stage.until("talk")
        await stage.press("escape")
        await stage.until("FLEET")

    on_stage(talk.run_dir, (80, 24), play)


def test_arrows_go_to_the_other_attempts(talk):
    async def play(stage: Stage) -> None:
        await opened(stage)
        await stage.until("django-1")
        await stage.press("right")
        await stage.until("other-2", "nothing was said yet")
        await stage.press("left")
        await stage.until("django-1", "make test")

    on_stage(talk.run_dir, (120, 40), play)


def test_kill_asks_for_this_attempt(talk, monkeypatch: pytest.MonkeyPatch):
    async def play(stage: Stage) -> None:
        await opened(stage)
        monkeypatch.setattr(type(stage.app.view), "acting", True)
        await stage.press("x")
        deadline = time.monotonic() + 5
        while not isinstance(stage.app.screen, Ask):
            assert time.monotonic() < deadline
            await stage.pilot.pause(0.05)
        await stage.until("django-1", "x Kill")
        await stage.press("enter")

    on_stage(talk.run_dir, (120, 40), play)


def test_an_ended_attempt_says_how_it_ended(talk):
    talk.wait(3).end(0, "django-1.1", "timed_out", "deadline:attempt", then="requeued")

    async def play(stage: Stage) -> None:
        await opened(stage)
        await stage.until("timed_out", "deadline:attempt", "its task runs again", "r run again")

    on_stage(talk.run_dir, (120, 40), play)


def test_a_replay_shows_what_was_said_by_then(talk):
    talk.wait(30).message(0, "django-1.1", 1, "tool", "said much later")

    async def play(stage: Stage) -> None:
        stage.app.orders.replay(talk.at - 10)
        await stage.until("REPLAY", "space play")
        await opened(stage)
        await stage.until("I will run the test suite now.")
        assert "said much later" not in stage.text
        stage.app.orders.replay(talk.at)
        await stage.until("said much later")
        stage.app.orders.replay(talk.at - 10)
        await stage.until("make test")
        deadline = time.monotonic() + 5
        while "said much later" in stage.text:
            assert time.monotonic() < deadline
            await stage.pilot.pause(0.05)

    on_stage(talk.run_dir, (120, 40), play)


def test_a_line_of_a_megabyte_holds_nobody_up(talk):
    talk.message(0, "django-1.1", 1, "tool", "x" * 1_000_000)
    talk.message(0, "django-1.1", 1, "tool", "🙂" * 250_000)

    async def play(stage: Stage) -> None:
        began = time.process_time()
        await opened(stage)
        await stage.until("more characters: o shows all of it")
        assert time.process_time() - began < 5
        await stage.press("home", "end")

    on_stage(talk.run_dir, (120, 40), play)
