"""Every key, button and mouse target does what the table of keys says it does."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from rig import StillSource, answer, app_on, drawn
from scene import ended_log, fleet_log, small_log, view_of
from textual.pilot import Pilot

from runner import EngineSeen
from tui.app import PilotApp
from tui.keys import BY_ID, KEYS, remapped
from tui.runview import RunView
from tui.screens.attempt import AttemptScreen
from tui.screens.dialogs import Ask, Prompt
from tui.screens.help import Help, HelpBody
from tui.screens.run import RunScreen
from tui.view.layout import Shape

Play = Callable[[PilotApp, Pilot[str], StillSource], Awaitable[None]]
STUCK = "a0082-1"


def play(steps: Play, view: RunView | None = None, size: tuple[int, int] = (120, 40)) -> None:
    async def run() -> None:
        app, source = app_on(view or view_of(fleet_log()))
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            await steps(app, pilot, source)

    asyncio.run(run())


def screen(app: PilotApp) -> RunScreen:
    found = app.run_screen()
    assert found is not None
    return found


async def press(pilot: Pilot[str], *keys: str) -> None:
    for key in keys:
        await pilot.press(key)
    await pilot.pause()


async def click_text(app: PilotApp, pilot: Pilot[str], text: str, *, times: int = 1) -> None:
    """Click the middle of ``text`` where it stands on the screen."""
    lines = drawn(app)
    for y, line in enumerate(lines):
        if text in line:
            offset = (line.index(text) + len(text) // 2, y)
            await pilot.click(offset=offset, times=times)
            await pilot.pause()
            return
    raise AssertionError(f"{text!r} is not on the screen:\n" + "\n".join(lines))


def test_pointer_rests_on_the_worst_trouble() -> None:
    async def steps(app: PilotApp, pilot: Pilot[str], source: StillSource) -> None:
        assert screen(app).look.selected == 82

    play(steps)


def test_arrows_move_over_the_board() -> None:
    async def steps(app: PilotApp, pilot: Pilot[str], source: StillSource) -> None:
        seen = []
        for key in ("right", "up", "left", "left", "down", "home", "end", "pageup", "pagedown"):
            await press(pilot, key)
            seen.append(screen(app).look.selected)
        assert seen == [83, 73, 72, 71, 81, 0, 99, 9, 99]

    play(steps)


def test_next_and_previous_trouble_go_round() -> None:
    async def steps(app: PilotApp, pilot: Pilot[str], source: StillSource) -> None:
        seen = []
        for key in ("n", "n", "n", "n", "N"):
            await press(pilot, key)
            seen.append(screen(app).look.selected)
        assert seen == [49, 0, 29, 82, 29]

    play(steps)


@pytest.mark.parametrize(("key", "op"), [("x", "kill"), ("r", "retry")])
def test_killing_asks_and_names_the_attempt(key: str, op: str) -> None:
    async def steps(app: PilotApp, pilot: Pilot[str], source: StillSource) -> None:
        await press(pilot, key)
        assert isinstance(app.screen, Ask)
        text = "\n".join(drawn(app))
        assert "End this attempt?" in text
        assert "Left alone it ends in 10m54s (attempt limit)" in text
        assert "runs again as attempt 2 of 2" in text
        assert source.sent == []
        await press(pilot, key)
        assert source.sent == [(op, {"attempt_id": STUCK})]
        answer(app, "killed in 2 ms: connection closed")
        await pilot.pause()
        assert "killed in 2 ms: connection closed" in drawn(app)[-1]

    play(steps)


@pytest.mark.parametrize("key", ["enter", "escape", "ctrl+c", "ctrl+q", "q"])
def test_dialog_leaves_it_by_default(key: str) -> None:
    async def steps(app: PilotApp, pilot: Pilot[str], source: StillSource) -> None:
        await press(pilot, "x", key)
        assert isinstance(app.screen, RunScreen)
        assert source.sent == []

    play(steps)


@pytest.mark.parametrize(
    ("label", "sent"),
    [
        ("Leave it: enter", []),
        ("x Kill, do not run again", [("kill", {"attempt_id": STUCK})]),
        ("r Kill + run again", [("retry", {"attempt_id": STUCK})]),
    ],
)
def test_dialog_buttons(label: str, sent: list[object]) -> None:
    async def steps(app: PilotApp, pilot: Pilot[str], source: StillSource) -> None:
        await press(pilot, "x")
        await click_text(app, pilot, label)
        assert source.sent == sent
        assert isinstance(app.screen, RunScreen)

    play(steps)


@pytest.mark.parametrize(("label", "op"), [("x kill", "kill"), ("r kill + run again", "retry")])
def test_inspector_buttons(label: str, op: str) -> None:
    async def steps(app: PilotApp, pilot: Pilot[str], source: StillSource) -> None:
        await click_text(app, pilot, label)
        assert isinstance(app.screen, Ask)
        await press(pilot, "x" if op == "kill" else "r")
        assert source.sent == [(op, {"attempt_id": STUCK})]

    play(steps)


def test_card_buttons_act_on_their_own_card() -> None:
    async def steps(app: PilotApp, pilot: Pilot[str], source: StillSource) -> None:
        line = next(text for text in drawn(app) if "x kill" in text)
        y = drawn(app).index(line)
        await pilot.click(offset=(line.index("x kill") + 1, y))
        await pilot.pause()
        assert isinstance(app.screen, Ask)
        await press(pilot, "x")
        assert source.sent == [("kill", {"attempt_id": "a0000-1"})]

    play(steps, view_of(small_log()))


def test_marks_act_on_many_and_the_dialog_says_how_many() -> None:
    async def steps(app: PilotApp, pilot: Pilot[str], source: StillSource) -> None:
        await press(pilot, "space", "n", "space", "right", "space", "space")
        assert screen(app).look.marks == {STUCK, "a0049-1"}
        assert any("2 marked" in line for line in drawn(app))
        await press(pilot, "r")
        text = "\n".join(drawn(app))
        assert "End 2 attempts?" in text
        assert "r Kill 2 + run again" in text
        await press(pilot, "r")
        assert source.sent == [
            ("retry", {"attempt_id": "a0049-1"}),
            ("retry", {"attempt_id": STUCK}),
        ]
        await press(pilot, "escape")
        assert screen(app).look.marks == set()

    play(steps)


def test_a_dialog_names_the_attempt_that_was_asked_about_though_it_has_ended() -> None:
    async def steps(app: PilotApp, pilot: Pilot[str], source: StillSource) -> None:
        await press(pilot, "x")
        worker = app.view.state.workers[82]
        worker.attempt_id = "another"
        app.view.state.owner.pop(STUCK)
        app.frame()
        await pilot.pause()
        assert any("Nothing to end any more" in line for line in drawn(app))
        await press(pilot, "x")
        assert source.sent == [("kill", {"attempt_id": STUCK})]  # the engine says how it ended

    play(steps)


def test_filter_while_typing_and_escape() -> None:
    async def steps(app: PilotApp, pilot: Pilot[str], source: StillSource) -> None:
        await press(pilot, "slash", *"state:st")
        assert isinstance(app.screen, Prompt)
        await press(pilot, "enter")
        assert any("2 match state:st" in line for line in drawn(app))
        await press(pilot, "escape")
        assert screen(app).look.only.source == ""
        await press(pilot, "slash", *"flask", "escape")
        assert screen(app).look.only.source == ""

    play(steps)


def test_rows_list_only_what_matches_in_the_order_asked_for() -> None:
    async def steps(app: PilotApp, pilot: Pilot[str], source: StillSource) -> None:
        screen(app).set_mode("rows")
        screen(app).set_filter("model:o4 sort:turn")
        await pilot.pause()
        fleet = screen(app)._fleet
        turns = [app.view.state.workers[number].turn for number in fleet.at]
        assert len(fleet.at) == 30
        assert turns == sorted(turns, reverse=True)

    play(steps)


def test_v_goes_through_the_four_shapes() -> None:
    async def steps(app: PilotApp, pilot: Pilot[str], source: StillSource) -> None:
        seen = [screen(app)._fleet.shape]
        for _ in range(4):
            await press(pilot, "v")
            seen.append(screen(app)._fleet.shape)
        assert seen == ["board", "strip", "cards", "rows", "board"]

    play(steps)


@pytest.mark.parametrize("shape", ["cards", "rows", "board", "strip"])
def test_click_finds_the_worker_it_hits(shape: Shape) -> None:
    async def steps(app: PilotApp, pilot: Pilot[str], source: StillSource) -> None:
        screen(app).set_mode(shape)
        await pilot.pause()
        fleet = screen(app)._fleet
        column, row = fleet.grid.where(7)
        gap = column // fleet.grid.group if fleet.grid.group else 0
        x = fleet.grid.label + column * fleet.grid.cell_width + gap
        x += min(3, fleet.grid.cell_width - 1)
        await pilot.click(fleet, offset=(x, row * fleet.grid.cell_height))
        await pilot.pause()
        assert screen(app).look.selected == 7

    play(steps, size=(120, 40))


def test_click_in_the_trouble_list_moves_the_pointer() -> None:
    async def steps(app: PilotApp, pilot: Pilot[str], source: StillSource) -> None:
        await click_text(app, pilot, "049 requests-2317")
        assert screen(app).look.selected == 49

    play(steps)


def test_workers_asks_for_a_number() -> None:
    async def steps(app: PilotApp, pilot: Pilot[str], source: StillSource) -> None:
        await press(pilot, "w", "backspace", "backspace", "backspace", *"42", "enter")
        assert source.sent == [("workers", {"n": 42})]
        await press(pilot, "w", *"x", "enter")
        assert "is no number from 1 to 4096" in drawn(app)[-1]
        assert len(source.sent) == 1

    play(steps)


def test_pause_asks_and_resume_as_well() -> None:
    async def steps(app: PilotApp, pilot: Pilot[str], source: StillSource) -> None:
        await press(pilot, "P")
        assert any("Start no new tasks?" in line for line in drawn(app))
        await press(pilot, "p")
        assert source.sent == [("pause", {})]
        app.view.state.pauses["user"] = ""
        await press(pilot, "P", "p")
        assert source.sent[-1] == ("resume", {})

    play(steps)


@pytest.mark.parametrize(("command", "drain"), [("stop", False), ("drain", True)])
def test_stop_only_as_a_command_and_asks(command: str, drain: bool) -> None:
    async def steps(app: PilotApp, pilot: Pilot[str], source: StillSource) -> None:
        await press(pilot, "colon", *command, "enter")
        assert isinstance(app.screen, Ask)
        await press(pilot, "s")
        assert source.sent == [("stop", {"drain": drain})]

    play(steps)


def test_commands_by_name() -> None:
    async def steps(app: PilotApp, pilot: Pilot[str], source: StillSource) -> None:
        await press(pilot, "colon", *"view", "space", *"rows", "enter")
        assert screen(app)._fleet.shape == "rows"
        await press(pilot, "colon", *"theme", "space", *"light", "enter")
        assert app.palette.name == "light"
        await press(pilot, "colon", *"theme", "space", *"pink", "enter")
        assert "no theme 'pink'; one of" in drawn(app)[-1]
        await press(pilot, "colon", *"workers", "space", *"7", "enter")
        assert source.sent == [("workers", {"n": 7})]
        await press(pilot, "colon", *"help", "enter")
        assert isinstance(app.screen, Help)
        await press(pilot, "escape", "colon", *"nonsense", "enter")
        assert "no command 'nonsense'" in drawn(app)[-1]

    play(steps)


def test_theme_key_goes_through_all_and_back() -> None:
    async def steps(app: PilotApp, pilot: Pilot[str], source: StillSource) -> None:
        seen = [app.palette.name]
        while len(seen) == 1 or seen[-1] != seen[0]:
            await press(pilot, "t")
            seen.append(app.palette.name)
            assert len(seen) < 12
        assert set(seen) == {"dark", "light", "high-contrast", "safe-dark", "safe-light", "ansi-16"}

    play(steps)


def test_help_names_every_key() -> None:
    async def steps(app: PilotApp, pilot: Pilot[str], source: StillSource) -> None:
        await press(pilot, "question_mark")
        assert isinstance(app.screen, Help)
        text = "\n".join(line.text for line in app.screen.query_one(HelpBody)._lines)
        for key in KEYS:
            assert key.words in text, key.id
        await press(pilot, "escape")
        assert isinstance(app.screen, RunScreen)

    play(steps)


@pytest.mark.parametrize("key", ["q", "ctrl+q", "ctrl+c"])
def test_every_way_of_leaving_asks_and_prints_the_attach_line(key: str) -> None:
    result: list[str | None] = []

    async def steps(app: PilotApp, pilot: Pilot[str], source: StillSource) -> None:
        await press(pilot, key)
        assert isinstance(app.screen, Ask)
        assert any("pilot-tui attach 7f3a" in line for line in drawn(app))
        await press(pilot, "escape")
        assert isinstance(app.screen, RunScreen)
        await press(pilot, key, "l")
        result.append(app.return_value)
        assert source.closed or not app.is_running

    play(steps)
    assert result == ["the run goes on; watch it: pilot-tui attach 7f3a"]


def test_an_ended_run_is_left_without_a_question() -> None:
    async def steps(app: PilotApp, pilot: Pilot[str], source: StillSource) -> None:
        await press(pilot, "q")
        assert not app.is_running or app._exit

    play(steps, view_of(ended_log()))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kind": "replay", "read_only": True}, "this is a replay"),
        ({"read_only": True}, "attached with --read-only"),
        ({"engine": EngineSeen(alive=False, silent_s=9)}, "R starts it again"),
    ],
)
def test_acting_keys_are_off_and_say_why(changes: dict[str, object], words: str) -> None:
    async def steps(app: PilotApp, pilot: Pilot[str], source: StillSource) -> None:
        for key in ("x", "r", "P", "w"):
            await press(pilot, key)
            assert isinstance(app.screen, RunScreen), key
            assert any(words in line for line in drawn(app)[-1:]), key
        assert source.sent == []

    play(steps, view_of(fleet_log(), **changes))


def test_stack_and_copy() -> None:
    async def steps(app: PilotApp, pilot: Pilot[str], source: StillSource) -> None:
        await press(pilot, "s")
        assert isinstance(app.screen, AttemptScreen)
        assert app.view.attempt_id == STUCK
        assert app.screen.tab == "stack"
        await press(pilot, "escape", "y")
        assert app.clipboard == f"sympy-20590 {STUCK}"

    play(steps)


def test_mouse_and_redraw_keys_do_no_harm() -> None:
    async def steps(app: PilotApp, pilot: Pilot[str], source: StillSource) -> None:
        await press(pilot, "m")
        assert "mouse is the terminal's now" in drawn(app)[-1]
        await press(pilot, "m", "ctrl+l")
        assert "mouse is ours again" in drawn(app)[-1]

    play(steps)


def test_keys_of_a_config_file_replace_ours() -> None:
    async def run() -> None:
        view = view_of(fleet_log())
        app, _source = app_on(view, keys={"kill": "k"})
        async with app.run_test(size=(120, 40)) as pilot:
            await press(pilot, "k")
            assert isinstance(app.screen, Ask)

    asyncio.run(run())


def test_remapping_is_checked() -> None:
    assert {key.id: key.keys for key in remapped({"kill": "k"})}["kill"] == "k"
    with pytest.raises(ValueError, match=r"keys\.kil: there is no such action"):
        remapped({"kil": "k"})
    with pytest.raises(ValueError, match="already"):
        remapped({"kill": "r"})


def test_the_table_names_each_key_once_per_place() -> None:
    assert remapped({}) == KEYS
    assert len(BY_ID) == len(KEYS)


@pytest.mark.parametrize("size", [(40, 12), (80, 24), (120, 40)])
def test_clicks_on_the_footer_press_the_key(size: tuple[int, int]) -> None:
    async def steps(app: PilotApp, pilot: Pilot[str], source: StillSource) -> None:
        await click_text(app, pilot, "? help")
        assert isinstance(app.screen, Help)
        await press(pilot, "escape")
        await click_text(app, pilot, "q leave")
        assert isinstance(app.screen, Ask)

    play(steps, size=size)
