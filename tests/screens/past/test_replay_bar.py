"""The replay's bar, as lines and in the app: where we are, what happened, where a click leads."""

import asyncio
import time
from pathlib import Path

import pytest
from rig import drawn, themes

from runner import Mark, State, ev
from tui.app import PilotApp
from tui.glyphs import ASCII, UNICODE
from tui.options import Options
from tui.runview import RunView
from tui.source import Position, ReplaySource, Timeline
from tui.view.replaybar import levels, mark_places, replay_lines

FIRST, LAST = 1_760_000_000.0, 1_760_007_200.0


def view_at(seconds: float, marks: list[Mark], density: list[int]) -> RunView:
    view = RunView(Path("r"), State(run_id="7f3a"), kind="replay", now=FIRST + seconds)
    view.position = Position(view.now, 10.0, True, FIRST, LAST)
    view.timeline = Timeline(FIRST, LAST, density, marks)
    return view


MARKS = [
    Mark(FIRST + 1800, "hang", "hang, 14 workers, azure first byte"),
    Mark(FIRST + 1801, "kill", "ended by hand, 1 worker"),
    Mark(FIRST + 5400, "restart", "restart, the engine was \x1b[2J gone"),
]


@pytest.mark.parametrize("cells", [40, 60, 80, 100, 120, 200])
@pytest.mark.parametrize("glyphs", [UNICODE, ASCII], ids=["unicode", "ascii"])
def test_three_lines_that_fit_and_drive_no_terminal(cells, glyphs):
    lines = replay_lines(view_at(3600, MARKS, [1] * 240), glyphs, cells)
    assert [line.width for line in lines] == [cells] * 3
    assert "\x1b" not in "".join(line.text for line in lines)


def test_it_says_where_we_are_and_how_fast():
    first, graph, names = replay_lines(view_at(3600, MARKS, [1] * 240), UNICODE, 120)
    assert "09:53:20 (1h00m of 2h00m)  10x" in first.text
    assert "space pause" in first.text
    assert graph.text.startswith(" 08:53 ")
    assert graph.text.rstrip().endswith("10:53")
    assert "^09:23 hang, 14 workers" in names.text
    assert "^10:23 restart" in names.text
    assert names.text.index("^09:23") == graph.text.index("!")
    assert names.text.index("^10:23") == graph.text.index("R")


def test_a_click_on_the_graph_means_that_moment():
    _, graph, names = replay_lines(view_at(0, MARKS, [1] * 240), UNICODE, 120)
    kind, _, at = graph.target_at(60).partition(":")
    assert kind == "seek"
    assert FIRST + 3000 < float(at) < FIRST + 4200
    assert names.target_at(names.text.index("^09:23")) == f"seek:{FIRST + 1800:.3f}"


def test_the_most_telling_mark_of_a_cell_is_shown():
    assert mark_places(MARKS, FIRST, LAST, 8) == {2: ("!", "stuck"), 6: ("R", "accent")}


def test_quiet_stretches_are_blank_and_the_busiest_is_full():
    assert levels([0, 1, 100, 0], 4, UNICODE) == " ▂█ "
    assert len(levels([1, 2, 3], 50, UNICODE)) == 50


def test_until_the_run_was_read_it_says_so():
    view = RunView(Path("r"), State(), kind="replay")
    assert "reading the run" in replay_lines(view, UNICODE, 80)[0].text


def test_while_the_log_is_read_it_says_how_far():
    view = view_at(60, [], [1] * 240)
    view.timeline = Timeline(FIRST, LAST, [1] * 240, [], read=0.456)
    assert "(1m00s of 2h00m)  reading 46%  10x" in replay_lines(view, UNICODE, 120)[0].text
    view.timeline = Timeline(FIRST, LAST, [1] * 240, [])
    assert "reading" not in replay_lines(view, UNICODE, 120)[0].text


@pytest.fixture
def story(make_run):
    maker = make_run()
    maker.engine()
    maker.begin(0, "first")
    maker.wait(100).begin(1, "second")
    maker.wait(100).emit(ev.KillRequested(attempt_id="second.1", origin="me"))
    maker.wait(100).finish()
    return maker


def test_keys_step_play_and_jump_and_acting_keys_are_off(story):
    start = story.made[0].at
    found = themes()
    source = ReplaySource(story.run_dir, playing=False)
    app = PilotApp(
        RunView(story.run_dir, kind="replay", read_only=True),
        source,
        Options(themes=found, palette=found["dark"]),
    )

    async def until(pilot, condition) -> None:
        deadline = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < deadline, "\n".join(drawn(app))
            await pilot.pause(0.05)

    async def play() -> None:
        async with app.run_test(size=(120, 40)) as pilot:
            await until(pilot, lambda: "space play" in "\n".join(drawn(app)))
            await pilot.press("full_stop")
            await until(pilot, lambda: source.now() == start + 100)
            await pilot.press("comma")
            await until(pilot, lambda: source.now() == start)
            await pilot.press("n")
            await until(pilot, lambda: source.now() > start)
            await pilot.press("greater_than_sign")
            await until(pilot, lambda: "2x" in "\n".join(drawn(app)))
            await pilot.press("space")
            await until(pilot, lambda: "space pause" in "\n".join(drawn(app)))
            await pilot.press("space", "x")
            await until(pilot, lambda: "replay" in drawn(app)[-1])

    asyncio.run(play())
