"""The report: success by model and prompt type as a heat table, time taken, outcomes over time."""

from typing import TYPE_CHECKING, Final

from runner import count, duration
from tui.glyphs import Glyphs
from tui.text import clock, pad, plain, width
from tui.view.line import DIM, EDGE, HI, TEXT, Ink, Line, rule

if TYPE_CHECKING:  # polars takes a quarter of a second to load, which the screen must not wait for
    from runner import Figures, Heat

HISTOGRAM_EDGES: Final = (0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600)
_SCORED: Final = ("passed", "partial", "failed")
_CELL: Final = 16
_WIDEST_CELL: Final = 22


def report_lines(found: "Figures", glyphs: Glyphs, cells: int) -> list[Line]:
    """The whole report, to be scrolled."""
    lines = _heat(found, glyphs, cells)
    lines += [Line(), *_groups(found, glyphs, cells)]
    lines += [Line(), *_histogram(found, glyphs, cells)]
    lines += [Line(), *_over_time(found, glyphs, cells)]
    return [line.fit(cells) for line in lines]


def _heat(found: "Figures", glyphs: Glyphs, cells: int) -> list[Line]:
    down = sorted({item.down for item in found.heat})
    across = sorted({item.across for item in found.heat})
    by_place = {(item.down, item.across): item for item in found.heat}
    words = "passed of scored tasks, by model and prompt type"
    spread = "rate, Wilson 95 %, scored" if cells >= 100 else "Wilson 95 %"
    title = Line().add(words if cells >= 60 else "passed, by model and prompt", HI)
    lines = [rule(title, cells, glyphs.dash, Line().add(spread, DIM))]
    left = min(26, max((width(plain(name, 60)) for name in down), default=0) + 2)
    widest = max((width(plain(name, 40)) for name in across), default=0)
    size = min(_WIDEST_CELL, max(_CELL, widest))
    fit = max(1, (cells - left - 1) // (size + 1))
    for start in range(0, len(across), fit):
        names = across[start : start + fit]
        head = Line().add(" " + pad("", left), DIM)
        for name in names:
            head.add(pad(plain(name, 40) or "all", size, "right", glyphs.more) + " ", DIM)
        lines.append(head)
        for name in down:
            line = Line().add(" " + pad(plain(name, 60), left, more=glyphs.more), TEXT)
            for other in names:
                line.extend(_heat_cell(by_place.get((name, other)), size)).add(" ")
            lines.append(line)
    return lines


def _heat_cell(item: "Heat | None", size: int) -> Line:
    """``83% 78-87`` and how many; the deeper the ground the better."""
    if item is None:
        return Line().add(" " * size, DIM)
    if item.rate is None or item.low is None or item.high is None:
        return Line().add(pad(f"0 of {item.n} scored", size, "right"), Ink("not_scored"))
    share = f"{100 * item.rate:.0f}%"
    spread = f"{100 * item.low:.0f}-{100 * item.high:.0f}"
    text = f"{share:>4} {spread:>6} {count(item.scored):>4}"
    role = "passed" if item.rate >= 0.66 else "partial" if item.rate >= 0.33 else "failed"
    return Line().add(pad(text, size, "right"), Ink(role, bold=item.rate >= 0.66))


_GROUP_HEADS: Final = (
    ("model", 24),
    ("tasks", 7),
    ("passed", 7),
    ("rate", 7),
    ("not scored", 11),
    ("turns", 7),
    ("p50", 8),
    ("p95", 8),
    ("tokens in/out", 16),
    ("cost", 9),
)


def _groups(found: "Figures", glyphs: Glyphs, cells: int) -> list[Line]:
    lines = [rule(Line().add("models", HI), cells, glyphs.dash)]
    head = Line().add(" ")
    for name, size in _GROUP_HEADS:
        head.add(pad(name, size, "left" if name == "model" else "right"), DIM)
    lines.append(head)
    for group in found.groups:
        line = Line().add(" ")
        for (name, size), text in zip(_GROUP_HEADS, _group_texts(group), strict=True):
            ink = Ink("not_scored") if name == "not scored" and text != "0" else TEXT
            line.add(pad(text, size, "left" if name == "model" else "right", glyphs.more), ink)
        lines.append(line)
    return lines


def _group_texts(group: dict[str, str | int | float | None]) -> tuple[str, ...]:
    def number(name: str) -> float:
        value = group[name]
        return float(value) if isinstance(value, (int, float)) else 0.0

    rate = group["rate"]
    turns = group["turns"]
    return (
        plain(str(group["model"]), 60),
        f"{number('n'):.0f}",
        f"{number('passed'):.0f}",
        f"{100 * number('rate'):.1f}%" if rate is not None else "-",
        f"{number('not_scored'):.0f}",
        f"{number('turns'):.1f}" if turns is not None else "-",
        duration(number("elapsed_p50_s")),
        duration(number("elapsed_p95_s")),
        f"{count(number('tokens_in'))}/{count(number('tokens_out'))}",
        f"${number('cost'):.2f}",
    )


def _histogram(found: "Figures", glyphs: Glyphs, cells: int) -> list[Line]:
    lines = [rule(Line().add("how long tasks took", HI), cells, glyphs.dash)]
    counts = found.histogram
    used = [place for place, number in enumerate(counts) if number]
    if not used:
        return [*lines, Line().add("  no task has ended yet", DIM)]
    most = max(counts)
    room = max(10, cells - 28)
    for place in range(used[0], used[-1] + 1):
        bar = round(counts[place] / most * room)
        line = Line().add(pad(_bin(place), 16, "right") + " ", DIM)
        line.add(glyphs.full * max(bar, 1 if counts[place] else 0), Ink("accent"))
        lines.append(line.add(f" {counts[place]}", TEXT))
    return lines


def _bin(place: int) -> str:
    if place >= len(HISTOGRAM_EDGES):
        return f"over {duration(HISTOGRAM_EDGES[-1])}"
    edge = HISTOGRAM_EDGES[place]
    return f"to {edge:g}s" if edge < 1 else f"to {duration(edge)}"


def _over_time(found: "Figures", glyphs: Glyphs, cells: int) -> list[Line]:
    lines = [rule(Line().add("outcomes over the run", HI), cells, glyphs.dash)]
    if not found.tasks:
        return lines
    most = max((sum(stretch.values()) for stretch in found.over_time), default=0) or 1
    room = max(10, cells - 18)
    span = (found.last_at - found.first_at) / max(1, len(found.over_time))
    for place, stretch in enumerate(found.over_time):
        line = Line().add(f"  {clock(found.first_at + place * span)} ", DIM)
        for role, number in _roles(stretch):
            line.add(glyphs.bar[role] * round(number / most * room), Ink(role))
        total = sum(stretch.values())
        lines.append(line.add(f" {total}" if total else "", DIM))
    legend = Line().add("  ")
    for role in (*_SCORED, "not_scored"):
        legend.add(glyphs.bar[role] * 2, Ink(role)).add(f" {role.replace('_', ' ')}   ", EDGE)
    return [*lines, legend]


def _roles(stretch: dict[str, int]) -> list[tuple[str, int]]:
    scored = [(name, stretch.get(name, 0)) for name in _SCORED]
    rest = sum(number for name, number in stretch.items() if name not in _SCORED)
    return [*scored, ("not_scored", rest)]
