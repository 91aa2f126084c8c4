"""The run screen as a person reads it; how it looks as a whole is recorded by `test_gallery`."""

import asyncio
from collections.abc import Callable

import pytest
from rig import app_on, drawn, styles
from scene import (
    disk_full_log,
    ended_log,
    fleet_log,
    paused_log,
    small_log,
    view_of,
)

from runner import EngineSeen, ev
from tui.glyphs import UNICODE, Glyphs
from tui.runview import RunView
from tui.text import width

SIZES = {"40x12": (40, 12), "80x24": (80, 24), "120x40": (120, 40), "200x60": (200, 60)}
SCENES: dict[str, Callable[[], list[ev.Event]]] = {
    "fleet": fleet_log,
    "small": small_log,
    "one": lambda: fleet_log(1, ended=3, lasted_s=600),
    "ended": ended_log,
    "paused": paused_log,
    "disk-full": disk_full_log,
}


def show(
    view: RunView,
    size: tuple[int, int],
    *,
    theme: str = "dark",
    glyphs: Glyphs = UNICODE,
    keys: str = "",
) -> tuple[list[str], list[str]]:
    """Lines and styles of the app on ``view`` after ``keys``."""

    async def run() -> tuple[list[str], list[str]]:
        app, _ = app_on(view, theme=theme, glyphs=glyphs)
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            for key in keys.split():
                await pilot.press(key)
            await pilot.pause()
            return drawn(app), styles(app)

    return asyncio.run(run())


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scene", SCENES)
def test_verdict_is_line_two_and_footer_never_clips(scene: str, size: str) -> None:
    lines, _ = show(view_of(SCENES[scene]()), SIZES[size])
    columns, height = SIZES[size]
    assert len(lines) == height
    assert all(width(line) <= columns for line in lines)
    assert any(word in lines[1] for word in ("STUCK", "busy", "finished", "PAUSED", "NEEDS YOU"))
    assert "q leave" in lines[-1]
    assert "? help" in lines[-1]


def test_each_of_100_workers_is_on_an_80x24_screen_with_turn_and_latency() -> None:
    view = view_of(fleet_log())
    lines, _ = show(view, (80, 24))
    board = lines[11:21]
    for row, line in enumerate(board):
        assert line.startswith(f" {row:02d}x")
        for column in range(10):
            worker = view.state.workers[row * 10 + column]
            cell = line[5 + column * 7 : 12 + column * 7].ljust(7)
            assert cell[1:3] == f"{worker.turn:2d}"
            assert worker.last_latency_s is not None
            assert float(cell[4:7]) == pytest.approx(worker.last_latency_s, abs=0.55)


def test_stuck_comes_first_with_why_and_its_end() -> None:
    lines, _ = show(view_of(fleet_log()), (120, 40))
    head = next(y for y, line in enumerate(lines) if "TROUBLE 4" in line)
    assert "082 sympy-20590" in lines[head + 1]
    assert "2m29s" in lines[head + 1]
    assert "waits for pid 4242: docker" in lines[head + 1]
    assert "10m54s attempt" in lines[head + 1]
    assert "049 requests-2317" in lines[head + 2]
    assert "13s gap" in lines[head + 2]
    assert "029 astropy-7166" in lines[head + 4]
    assert "goes on" in lines[head + 4]


def test_nothing_moves_when_trouble_comes() -> None:
    calm = view_of(fleet_log())
    for worker in calm.state.workers:
        worker.progress_at = worker.sign_at = calm.now
        worker.phase = "wait"
    quiet, _ = show(calm, (120, 40))
    loud, _ = show(view_of(fleet_log()), (120, 40))
    for word in ("FLEET 100", " 00x", " 09x", "x kill", "q leave"):
        assert [word in line for line in quiet] == [word in line for line in loud]
    assert any("every worker gets on" in line for line in quiet)


def test_silent_engine_takes_line_two_and_greys_the_rest() -> None:
    view = view_of(fleet_log(), engine=EngineSeen(alive=True, silent_s=3.4))
    lines, found = show(view, (120, 40))
    assert "ENGINE SILENT 3s: numbers below are old" in lines[1]
    assert all("#4a1410" not in line for line in found[2:]), "no stuck ground is left"


def test_gone_engine_offers_to_start_again() -> None:
    view = view_of(fleet_log(), engine=EngineSeen(alive=False, silent_s=30))
    lines, _ = show(view, (120, 40))
    assert "ENGINE GONE" in lines[1]
    assert "395 results safe" in lines[1]
    assert "R start again" in lines[1]
    assert "x kill" not in lines[-1]


def test_read_only_shows_no_acting_keys() -> None:
    lines, _ = show(view_of(small_log(), read_only=True), (120, 40))
    assert "x kill" not in lines[-1]
    assert "w workers" not in lines[-1]


HOSTILE = "\x1b[2J\x1b]0;owned\x07[bold red]x[/]\u202eevil\u200b\n\r\tend 中文 👩‍👩‍👧 é"


@pytest.mark.parametrize("size", SIZES)
def test_strings_of_strangers_drive_nothing(size: str) -> None:
    found = small_log()
    for event in found:
        if isinstance(event, (ev.AttemptStarted, ev.AttemptEnded)):
            event.task_id = HOSTILE + event.task_id
        elif isinstance(event, ev.ToolStarted):
            event.tool, event.detail = HOSTILE, HOSTILE * 1000
        elif isinstance(event, ev.ChildChanged):
            event.command = HOSTILE
    view = view_of(found)
    view.state.name = HOSTILE
    lines, _ = show(view, SIZES[size])
    text = "".join(lines)
    assert not any(ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0 for character in text)
    assert "\u202e" not in text
    assert "\u200d" not in text
    assert all(width(line) <= SIZES[size][0] for line in lines)
    assert "[bold red]" in text, "markup is text"
