"""What happened since the last look: noted on leaving, said on coming back; the home screen."""

import asyncio
from pathlib import Path

import pytest
from rig import app_on, drawn
from scene import ended_log, fleet_log, view_of
from textual.pilot import Pilot

from runner import EngineSeen
from tui.app import PilotApp
from tui.runview import RunView
from tui.screens.runs import RunsScreen
from tui.seen import KEPT, Seen, last_seen, note_seen, since_words
from tui.source import HomeSource, Loaded
from tui.text import clock
from tui.view.dialogs import left_words


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"XDG_STATE_HOME": str(tmp_path / "state")}


def test_the_last_look_is_remembered_for_that_folder_only(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    view = view_of(fleet_log())
    view.run_dir = tmp_path / "runs" / "7f3a"
    assert last_seen(view.run_dir, environ) is None
    note_seen(view, environ)
    seen = last_seen(view.run_dir, environ)
    assert seen == Seen(run_dir=str(view.run_dir), at=view.now, done=368)
    assert last_seen(tmp_path / "other" / "7f3a", environ) is None


@pytest.mark.parametrize("kind", ["replay", "home"])
def test_only_looks_at_the_present_count(
    tmp_path: Path, environ: dict[str, str], kind: str
) -> None:
    view = view_of(fleet_log(), kind=kind)
    view.run_dir = tmp_path / "7f3a"
    note_seen(view, environ)
    assert last_seen(view.run_dir, environ) is None


def test_old_looks_are_forgotten(tmp_path: Path, environ: dict[str, str]) -> None:
    view = view_of(fleet_log(1, ended=1, lasted_s=100))
    for number in range(KEPT + 3):
        view.run_dir = tmp_path / f"r{number:03d}"
        note_seen(view, environ)
    assert len(list((tmp_path / "state" / "pilot-tui" / "seen").iterdir())) == KEPT
    assert last_seen(view.run_dir, environ) is not None


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe"])
def test_a_broken_note_is_none(tmp_path: Path, environ: dict[str, str], content: bytes) -> None:
    folder = tmp_path / "state" / "pilot-tui" / "seen"
    folder.mkdir(parents=True)
    (folder / "7f3a").write_bytes(content)
    assert last_seen(tmp_path / "7f3a", environ) is None


def test_what_happened_since_in_words() -> None:
    view = view_of(fleet_log())
    seen = Seen(run_dir="", at=view.now - 3600, done=56)
    left = clock(seen.at)[:5]
    words = since_words(seen, view.state, 2)
    assert words == f"Since you left at {left}: +312 ended, 2 incidents, all saved"
    assert "incident" not in since_words(seen, view.state, None)


def test_it_is_said_once_the_run_is_loaded(tmp_path: Path) -> None:
    async def run() -> None:
        view = view_of(fleet_log())
        view.run_dir = tmp_path
        (tmp_path / "events.jsonl").write_bytes(b"")
        seen = Seen(run_dir=str(tmp_path), at=view.now - 60, done=363)
        app, source = app_on(view, seen=seen)
        async with app.run_test(size=(120, 40)) as pilot:
            app.on_source(Loaded(view.state))
            for _ in range(200):
                if app.view.notice:
                    break
                await pilot.pause(0.02)
            assert "+5 ended, 0 incidents, all saved" in drawn(app)[-1]
            assert source.sent == []

    asyncio.run(run())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "the run goes on; watch it: pilot-tui attach 7f3a"),
        ({"status": "finished"}, "the run is finished; look at it again: pilot-tui replay 7f3a"),
        ({"alive": False}, "the engine of this run is gone; start it again: pilot-tui resume 7f3a"),
    ],
)
def test_what_is_said_on_leaving_fits_how_the_run_is(
    changes: dict[str, object], words: str
) -> None:
    view = view_of(fleet_log())
    view.state.status = str(changes.get("status", "running"))  # pyright: ignore[reportAttributeAccessIssue]
    view.engine = EngineSeen(alive=bool(changes.get("alive", True)))
    assert left_words(view) == words


def test_a_run_that_ends_behind_the_leave_dialog_does_not_go_on() -> None:
    result: list[str | None] = []

    async def run() -> None:
        app, _ = app_on(view_of(fleet_log()))
        async with app.run_test(size=(120, 40)) as pilot:
            await pilot.press("q")
            app.on_source(Loaded(view_of(ended_log()).state))
            await pilot.press("q")
            result.append(app.return_value)

    asyncio.run(run())
    assert result == ["the run is finished; look at it again: pilot-tui replay 7f3a"]


def at_home(folder: Path) -> tuple[PilotApp, RunView]:
    app, _ = app_on(view_of(fleet_log()))
    view = RunView(folder, kind="home")
    return PilotApp(view, HomeSource(folder), app.options), view


def test_home_without_runs_says_how_to_make_one_and_leaves_by_escape(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    async def run() -> None:
        app, _ = at_home(tmp_path)
        async with app.run_test(size=(80, 24)) as pilot:
            await until(pilot, lambda: any("pilot-tui demo makes one" in t for t in drawn(app)))
            assert isinstance(app.screen, RunsScreen)
            assert "q leave" in drawn(app)[-1]
            assert "pause" not in drawn(app)[-1]
            for key in ("1", "2", "L", "P", "R", "T", "comma"):
                app.view.notice = ""
                await pilot.press(key)
                assert isinstance(app.screen, RunsScreen), key
                assert "open a run first" in app.view.notice, key
            await pilot.press("escape")
            assert app.return_value in ("", None)
            assert not app.is_running or app._exit

    asyncio.run(run())


async def until(pilot: Pilot[str], true) -> None:
    for _ in range(300):
        if true():
            return
        await pilot.pause(0.02)
    raise AssertionError("it never came")
