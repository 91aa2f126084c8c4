"""The palette narrows as one types, and orders go where the pointer is."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from rig import StillSource, app_on, drawn
from scene import ended_log, fleet_log, small_log, view_of
from textual.fuzzy import FuzzySearch
from textual.pilot import Pilot

from tui.app import PilotApp
from tui.glyphs import ASCII, UNICODE
from tui.keys import COMMANDS, KEYS
from tui.runview import RunView
from tui.screens.dialogs import Ask
from tui.screens.endpoints import EndpointsScreen
from tui.screens.palette import Palette
from tui.view.look import SORTS
from tui.view.palette import Found, answer_to, entries, narrowed, palette_lines

Play = Callable[[PilotApp, Pilot[str], StillSource], Awaitable[None]]
ALL = entries(KEYS, [("dark", "calm"), ("light", "for the day")])


def play(steps: Play, view: RunView | None = None) -> None:
    async def run() -> None:
        app, source = app_on(view or view_of(fleet_log()))
        async with app.run_test(size=(120, 40)) as pilot:
            await pilot.pause()
            await steps(app, pilot, source)

    asyncio.run(run())


def names(typed: str) -> list[str]:
    return [found.entry.name for found in narrowed(ALL, typed, FuzzySearch().match)]


def test_everything_that_can_be_typed_is_listed_once() -> None:
    listed = [entry.name for entry in ALL]
    assert len(set(listed)) == len(listed)
    assert {"endpoints", "kill", "theme light", "view rows", "workers N", "stop"} <= set(listed)
    assert {f"sort {name}" for name in SORTS} <= set(listed)
    for command in COMMANDS:
        assert any(entry.name.startswith(command.name.partition(" ")[0]) for entry in ALL)


@pytest.mark.parametrize(
    ("typed", "best"),
    [
        ("rep", "report"),
        ("rsl", "results"),
        ("stop", "stop"),
        ("th l", "theme light"),
        ("sort t", "sort turn"),
        ("END", "endpoints"),
    ],
)
def test_a_few_letters_find_it(typed: str, best: str) -> None:
    assert names(typed)[0] == best


def test_words_of_what_it_does_find_it_after_the_names() -> None:
    assert "pager" in names("transcript")
    assert names("zzzz") == []
    assert len(names("")) == len(ALL)


@pytest.mark.parametrize(
    ("typed", "chosen", "answer"),
    [
        ("", "report", "report"),
        ("rst", "results", "results"),
        ("workers 7", "workers N", "workers 7"),
        ("workers", "workers N", "workers"),
        ("theme pink", None, "theme pink"),
        (": stop", "stop", "stop"),
    ],
)
def test_enter_means_the_chosen_one_or_a_command_with_its_value(
    typed: str, chosen: str | None, answer: str
) -> None:
    entry = next((entry for entry in ALL if entry.name == chosen), None)
    assert answer_to(typed, None if entry is None else Found(entry)) == answer


@pytest.mark.parametrize("glyphs", [UNICODE, ASCII], ids=["unicode", "ascii"])
@pytest.mark.parametrize("cells", [40, 80, 200])
def test_lines_have_the_width_and_hold_the_chosen_one(cells: int, glyphs: object) -> None:
    found = narrowed(ALL, "", FuzzySearch().match)
    for selected in (0, 5, len(found) - 1):
        lines = palette_lines(found, selected, glyphs, cells, 6)  # type: ignore[arg-type]
        assert [line.width for line in lines] == [cells] * 6
        assert sum(found[selected].entry.name in line.text for line in lines) >= 1
        assert sum(line.text[0] == glyphs.pointer for line in lines) == 1  # type: ignore[attr-defined]
    assert "nothing of that name" in palette_lines([], 0, UNICODE, cells, 3)[0].text


def test_typing_narrows_arrows_choose_and_enter_does_it() -> None:
    async def steps(app: PilotApp, pilot: Pilot[str], source: StillSource) -> None:
        await pilot.press("colon", *"endp")
        assert isinstance(app.screen, Palette)
        text = "\n".join(drawn(app))
        assert "endpoints" in text
        assert "incidents, as episodes" not in text
        await pilot.press("enter")
        assert isinstance(app.screen, EndpointsScreen)
        await pilot.press("colon", *"view", "down", "enter")
        screen = app.run_screen()
        assert screen is not None
        assert screen._fleet.shape == "rows"

    play(steps)


def test_tab_completes_and_a_click_does_it() -> None:
    async def steps(app: PilotApp, pilot: Pilot[str], source: StillSource) -> None:
        await pilot.press("colon", *"wor", "tab", *"42", "enter")
        assert source.sent == [("workers", {"n": 42})]
        await pilot.press("colon", *"drai")
        y = next(y for y, line in enumerate(drawn(app)) if "drain" in line)
        await pilot.click(offset=(4, y))
        await pilot.pause()
        assert isinstance(app.screen, Ask)

    play(steps)


def test_esc_does_nothing_and_keys_that_are_off_are_not_listed() -> None:
    async def steps(app: PilotApp, pilot: Pilot[str], source: StillSource) -> None:
        await pilot.press("colon", *"kill", "escape")
        assert source.sent == []
        await pilot.press("colon")
        assert isinstance(app.screen, Palette)
        listed = [entry.name for entry in app.screen._entries]
        assert "kill" not in listed
        assert "pause" not in listed
        assert "report" in listed

    play(steps, view_of(fleet_log(), read_only=True))


# ----------------------------------------------------------------------------------------- sorting


def workers_in_order(app: PilotApp) -> list[int]:
    screen = app.run_screen()
    assert screen is not None
    return screen._fleet.at


def test_s_goes_through_the_orders_and_i_turns_them_round() -> None:
    async def steps(app: PilotApp, pilot: Pilot[str], source: StillSource) -> None:
        screen = app.run_screen()
        assert screen is not None
        seen = []
        for _ in SORTS:
            await pilot.press("S")
            seen.append(screen.look.order)
        assert seen == [*SORTS[1:], SORTS[0]]
        assert screen._fleet.shape == "rows", "a board stands by number"
        await pilot.press("f6")
        assert workers_in_order(app)[0] == 82, "the most silent comes first"
        forward = workers_in_order(app)
        await pilot.press("I")
        assert workers_in_order(app) == forward[::-1]
        assert "by silent, turned round" in "\n".join(drawn(app))

    play(steps)


def test_a_click_on_a_head_of_the_fleet_orders_by_it() -> None:
    async def steps(app: PilotApp, pilot: Pilot[str], source: StillSource) -> None:
        await pilot.press("v", "v", "v")
        for expected in (False, True):
            lines = drawn(app)
            y = next(y for y, line in enumerate(lines) if "of limit" in line)
            await pilot.click(offset=(lines[y].index("turn") + 1, y))
            await pilot.pause()
            turns = [app.view.state.workers[number].turn for number in workers_in_order(app)]
            assert turns == sorted(turns, reverse=not expected)

    play(steps)


def test_a_click_on_a_head_of_a_list_orders_by_it_and_an_arrow_says_so() -> None:
    async def steps(app: PilotApp, pilot: Pilot[str], source: StillSource) -> None:
        await pilot.press("2")
        await pilot.pause()

        def models() -> list[str]:
            return [line[1:14].strip() for line in drawn(app)[3:7]]

        before = models()
        for arrow, first in (("↓", "qwen2.5-72b"), ("↑", "deepseek-v3")):
            head = drawn(app)[2]
            await pilot.click(offset=(head.index("busy") + 1, 2))
            await pilot.pause()
            assert f"busy{arrow}" in drawn(app)[2]
            assert models()[0] == first
        await pilot.press("left", "right")
        assert models()[0] == "qwen2.5-72b"
        await pilot.press("I")
        assert models()[0] == "deepseek-v3"
        await pilot.press(*["right"] * 11)
        assert models() == before, "past the last column it is as it came"

    play(steps)


# ------------------------------------------------------------------------- a script that is watched


def wrapped(found: list) -> RunView:
    """The same run, its calls made by a foreign script."""
    import msgspec

    view = view_of(found)
    plan = view.state.plan
    assert plan is not None
    tasks = msgspec.structs.replace(plan.tasks, executor="wrap")
    view.state.plan = msgspec.structs.replace(plan, tasks=tasks)
    return view


def test_a_watched_script_has_calls_and_no_total() -> None:
    async def steps(app: PilotApp, pilot: Pilot[str], source: StillSource) -> None:
        lines = drawn(app)
        assert " calls ended" in lines[0]
        assert "of 60" not in lines[0]
        assert "%" not in lines[0]
        assert "left" not in lines[0]
        assert "calls/min" in "\n".join(lines)
        assert "tasks" not in lines[0] + lines[1] + lines[3]
        await pilot.press("colon", *"stop", "enter")
        assert "Take no new calls" in "\n".join(drawn(app))

    play(steps, wrapped(small_log()))


def test_the_end_of_a_watched_script_is_told_in_calls() -> None:
    async def steps(app: PilotApp, pilot: Pilot[str], source: StillSource) -> None:
        line = drawn(app)[1]
        assert "finished: " in line
        assert "calls answered" in line
        assert "tasks" not in line

    play(steps, wrapped(ended_log()))
