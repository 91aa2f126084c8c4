"""Themes: every text can be read, every problem is told with file and key, none stops the app."""

import asyncio
from pathlib import Path

import pytest
from rich.color import ColorSystem
from rich.style import Style
from rig import app_on, themes
from scene import small_log, view_of

from tui.cells import CellDiff, _sgr
from tui.glyphs import ASCII, UNICODE, choose
from tui.theme import (
    ROLES,
    ThemeError,
    contrast,
    load_themes,
    pick,
    shipped_folder,
    weak_pairs,
)
from tui.view.line import Ink

SHIPPED = sorted(path.stem for path in shipped_folder().glob("*.toml"))


def test_the_shipped_ones_are_there() -> None:
    assert {"dark", "light", "high-contrast", "safe-dark", "safe-light", "ansi-16"} == set(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_text_has_contrast(name: str) -> None:
    assert weak_pairs(themes()[name]) == []


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("name", [*SHIPPED, "plain"])
def test_every_theme_can_be_worn(name: str) -> None:
    async def run() -> None:
        app, _ = app_on(view_of(small_log()), theme=name)
        async with app.run_test(size=(80, 24)) as pilot:
            await pilot.press("slash", "a", "escape", "question_mark")

    asyncio.run(run())


def test_plain_has_no_colour_and_stuck_still_stands_out() -> None:
    palette = themes()["plain"]
    for role in ROLES:
        style = palette.style(Ink(role))
        assert style.color is None
        assert style.bgcolor is None
    stuck = palette.style(Ink("on_stuck", "stuck", bold=True))
    assert stuck.reverse
    assert stuck.bold


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[colors]\nbgg = '#000000'", "colors.bgg: no such role"),
        ("extends = 'dark'\n[colors]\nbg = 'pinkish'", "colors.bg = 'pinkish' is no #rrggbb"),
        ("extends = 'dark'\n[colors]\nbg = '#fff'", "colors.bg = '#fff' is no #rrggbb"),
        ("[colors]\nbg = '#000000'", "colors.panel is missing"),
        ("extends = 'nope'", "extends = 'nope': no such theme; one of"),
        ("colors = 3", "colors is not a table"),
        ("not toml", "mine.toml"),
    ],
    ids=["role", "colour", "short", "missing", "base", "table", "toml"],
)
def test_a_wrong_theme_is_told_and_left_out(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "mine.toml").write_text(text, "utf-8")
    found, problems = load_themes([shipped_folder(), tmp_path])
    assert "mine" not in found
    assert len(problems) == 1
    assert "mine.toml" in problems[0]
    assert words in problems[0]


def test_a_theme_of_the_user_wins_over_ours(tmp_path: Path) -> None:
    text = "extends = 'dark'\nabout = 'mine'\n[colors]\naccent = '#ffffff'\n"
    (tmp_path / "dark.toml").write_text(text, "utf-8")
    found, problems = load_themes([shipped_folder(), tmp_path, tmp_path / "absent"])
    assert problems == []
    assert found["dark"].about == "mine"
    assert found["dark"].colors["accent"] == "#ffffff"
    assert found["dark"].colors["bg"] == themes()["dark"].colors["bg"]


def test_which_theme_to_start_with() -> None:
    found = themes()
    assert pick(found, "", {"TERM": "xterm-256color"}).name == "dark"
    assert pick(found, "light", {"TERM": "linux"}).name == "light"
    assert pick(found, "", {"TERM": "linux"}).name == "ansi-16"
    assert pick(found, "light", {"NO_COLOR": "1"}).name == "plain"
    with pytest.raises(ThemeError, match=r"no theme 'pink'; one of ansi-16, dark"):
        pick(found, "pink", {})


@pytest.mark.parametrize(
    ("environ", "asked", "probed", "expected"),
    [
        ({"LANG": "en_US.UTF-8"}, False, 1, UNICODE),
        ({"LANG": "zh_CN.utf8"}, False, 2, ASCII),
        ({"LANG": "C"}, False, 1, ASCII),
        ({"LANG": "de_DE.UTF-8", "LC_ALL": "C"}, False, 1, ASCII),
        ({"LANG": "de_DE.UTF-8", "TERM": "linux"}, False, 1, ASCII),
        ({"LANG": "de_DE.UTF-8", "PILOT_ASCII": "1"}, False, 1, ASCII),
        ({"LANG": "C", "PILOT_ASCII": "0"}, False, 2, UNICODE),
        ({"LANG": "de_DE.UTF-8"}, True, 1, ASCII),
    ],
)
def test_which_characters_to_draw(
    environ: dict[str, str], asked: bool, probed: int, expected: object
) -> None:
    assert choose(environ, ascii_asked=asked, probed_cells=probed) is expected


@pytest.mark.parametrize(
    ("system", "code"),
    [
        (ColorSystem.TRUECOLOR, "38;2;14;19;24"),
        (ColorSystem.EIGHT_BIT, "38;5;"),
        (ColorSystem.STANDARD, "30"),
    ],
)
def test_fewer_colours_are_sent_to_terminals_that_have_fewer(
    system: ColorSystem, code: str
) -> None:
    assert _sgr(Style(color="#0e1318"), system).color.startswith(code)
    assert CellDiff(system)._colors is system
