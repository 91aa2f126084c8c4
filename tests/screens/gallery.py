"""A screen in every size and colour, as text that can be read and compared.

One app goes through the sizes by resizing and through the themes by switching, as a person would;
a second one draws in ASCII. What is kept of a screen is one text: its lines at each size, and of
the other modes only what does not follow from these.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

from rig import drawn, whole_frame

from tui.app import PilotApp
from tui.glyphs import ASCII, UNICODE
from tui.options import Options
from tui.theme import Palette

SIZES = ((80, 24), (120, 40), (200, 60), (40, 12))
LOUD_AT = (80, 24)
"""At this size it is kept as well what stands out, and how without colours."""
SETTLE_S = 20.0
Make = Callable[[Options], PilotApp]
QUIET = ("dim on bg", "text on bg", "edge on bg", "dim on panel", "text on panel")


async def gallery(
    make: Make,
    themes: dict[str, Palette],
    keys: Sequence[str],
    words: str,
    sizes: Any = SIZES,
    *,
    ready: Callable[[PilotApp], bool] = lambda _app: True,
    strangers: bool = False,
) -> str:
    """The whole record of the screen that ``keys`` lead to, complete once ``words`` are there.

    ``ready``: whether the first screen has all that it will show. ``strangers``: their words stand
    on it, which are in no character set of ours.
    """
    parts: list[str] = []
    shown: dict[tuple[int, int], list[str]] = {}
    app = make(Options(themes=themes, palette=themes["dark"]))
    async with app.run_test(size=sizes[0]) as pilot:
        await settled(app, pilot, "", ready)
        await pilot.press(*keys)
        for size in sizes:
            await pilot.resize_terminal(*size)
            shown[size] = await settled(app, pilot, words if size[0] >= 80 else "")
            parts += [f"== {size[0]}x{size[1]}", *shown[size]]
            parts += await _themes(app, pilot, themes, size, shown[size])
    app = make(Options(themes=themes, palette=themes["dark"], glyphs=ASCII))
    async with app.run_test(size=sizes[0]) as pilot:
        await settled(app, pilot, "", ready)
        await pilot.press(*keys)
        for size in sizes:
            await pilot.resize_terminal(*size)
            lines = await settled(app, pilot, words if size[0] >= 80 else "")
            strange = [line for line in lines if not line.isascii()]
            assert strangers or not strange, strange
            parts += _what_differs(shown[size], lines, f"{size[0]}x{size[1]}")
    return "\n".join(parts) + "\n"


async def settled(
    app: PilotApp, pilot: Any, words: str, ready: Callable[[PilotApp], bool] = lambda _app: True
) -> list[str]:
    """The lines, once ``words`` are among them and two frames in a row are the same."""
    until = time.monotonic() + SETTLE_S
    last: list[str] = []
    while time.monotonic() < until:
        await pilot.pause(0.03)
        app.frame()
        await pilot.pause()
        lines = drawn(app)
        if lines == last and words in "\n".join(lines) and ready(app):
            return lines
        last = lines
    raise AssertionError(f"{words!r} never came:\n" + "\n".join(last))


async def _themes(
    app: PilotApp, pilot: Any, themes: dict[str, Palette], size: Any, lines: list[str]
) -> list[str]:
    """The words are the same in each theme, and play the same roles; what stands out is kept."""
    dark = roles(app, themes["dark"])
    parts = ["-- what stands out", *loud(dark)] if size == LOUD_AT else []
    for name in ("light", "plain"):
        app.palette, app.theme = themes[name], name
        app.frame()
        await pilot.pause()
        assert drawn(app) == lines, f"{name} at {size} says something else"
        if name == "light":
            assert_same_roles(dark, roles(app, themes[name]), size)
        elif size == LOUD_AT:
            parts += ["-- without colours", *loud(roles(app, themes[name]))]
    app.palette, app.theme = themes["dark"], "dark"
    app.frame()
    await pilot.pause()
    return parts


Run = tuple[int, int, str, frozenset[str]]
"""(first cell, last cell, name, names): a stretch of one style, the roles that it may be."""


def roles(app: PilotApp, palette: Palette) -> list[list[Run]]:
    """For each line its stretches of one style, by the roles of ``palette``."""
    found: list[list[Run]] = []
    for line in whole_frame(app).strips:
        runs: list[Run] = []
        x = 0
        for strip in line:
            for segment in strip:
                names = _names(segment.style, palette)
                end = x + segment.cell_length
                if runs and runs[-1][3] == names:
                    runs[-1] = (runs[-1][0], end - 1, runs[-1][2], names)
                elif segment.cell_length:
                    runs.append((x, end - 1, min(names, key=_rank), names))
                x = end
        found.append(runs)
    return found


def _names(style: Any, palette: Palette) -> frozenset[str]:
    if palette.plain:
        words = [word for word in ("bold", "reverse") if style is not None and getattr(style, word)]
        return frozenset([" ".join(words) or "text on bg"])
    colour = style.color.name if style is not None and style.color else palette.colors["text"]
    ground = style.bgcolor.name if style is not None and style.bgcolor else palette.colors["bg"]
    bold = "bold " if style is not None and style.bold else ""
    fore = [role for role, value in palette.colors.items() if value == colour] or [colour]
    back = [role for role, value in palette.colors.items() if value == ground] or [ground]
    return frozenset(f"{bold}{one} on {other}" for one in fore for other in back)


def _rank(name: str) -> tuple[int, str]:
    return (QUIET.index(name) if name in QUIET else len(QUIET), name)


def loud(found: list[list[Run]]) -> list[str]:
    """The stretches that stand out from grey on the ground, a line for each line that has some."""
    lines: list[str] = []
    for y, runs in enumerate(found):
        shown = [f"{first}-{last} {name}" for first, last, name, _ in runs if name not in QUIET]
        if shown:
            lines.append(f"{y:>2}: " + "; ".join(shown))
    return lines


def assert_same_roles(dark: list[list[Run]], light: list[list[Run]], size: Any) -> None:
    """Where one theme makes a difference the other makes it too, or could not (equal colours)."""
    for y, (one, other) in enumerate(zip(dark, light, strict=True)):
        for first, last, name, names in one:
            for left, right, shown, also in other:
                if left <= last and right >= first:
                    assert names & also, f"{size} line {y}: {name} is {shown} in the light theme"


_SIGNS = {ord(a): b for a, b in zip("…│▌─", "~|>-", strict=True)} | {
    ord(UNICODE.state[name]): ASCII.state[name] for name in UNICODE.state
}


def _what_differs(lines: list[str], plain: list[str], size: str) -> list[str]:
    """Lines in ASCII that are more than the same line with its signs exchanged."""
    pairs = enumerate(zip(lines, plain, strict=True))
    other = [f"{y:>2}: {b}" for y, (a, b) in pairs if a.translate(_SIGNS) != b]
    return [f"-- {size} in ASCII", *other] if other else []
