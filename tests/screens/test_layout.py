"""Geometry and text: every line is exactly as wide as the screen, every place can be hit."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scene import fleet_log, small_log, view_of

from tui.glyphs import ASCII, UNICODE, Glyphs
from tui.text import cut, fitting, pad, plain, resample, width, wrap
from tui.view.arrange import arrange
from tui.view.board import cell_text, minutes, three
from tui.view.fleet import fleet_head, fleet_lines, places
from tui.view.footer import footer_line
from tui.view.header import header_lines, phone_header, phone_totals
from tui.view.inspector import inspector_lines
from tui.view.layout import Shape, lay_out
from tui.view.line import Ink, Line, button
from tui.view.look import Look, in_trouble, parse_filter
from tui.view.trouble import trouble_lines

STRANGE = st.text(alphabet="ab 中é́…●\u200b\x1b", max_size=40)
SHAPES: list[Shape] = ["cards", "rows", "board", "strip"]


@given(text=STRANGE, cells=st.integers(0, 30))
def test_cut_and_pad_keep_to_their_cells(text: str, cells: int) -> None:
    safe = plain(text)
    assert width(cut(safe, cells)) <= cells
    assert width(pad(safe, cells)) == cells
    assert width(pad(safe, cells, "right")) == cells


@given(pieces=st.lists(STRANGE, max_size=6), cells=st.integers(0, 60))
def test_a_line_that_was_fitted_has_its_width(pieces: list[str], cells: int) -> None:
    line = Line()
    for text in pieces:
        line.add(plain(text), Ink("dim"))
    line.fit(cells)
    assert width(line.text) == cells == line.width


def test_wrap_and_fitting() -> None:
    assert wrap("aa bb cc dd", 5, 3) == ["aa bb", "cc dd"]
    assert wrap("aa bb cc dd", 5, 1) == ["aa b…"]
    assert fitting(["one.", "two.", "three."], 9) == "one. two."
    assert fitting(["much too long"], 6) == "much…"


def test_a_sparkline_keeps_the_dips() -> None:
    assert resample([9, 9, 1, 9, 9, 9], 2) == [1, 9]


@pytest.mark.parametrize("shape", SHAPES)
@given(count=st.integers(1, 700), columns=st.integers(40, 220), height=st.integers(1, 60))
@settings(max_examples=60)
def test_every_place_is_hit_where_it_is_drawn(
    shape: Shape, count: int, columns: int, height: int
) -> None:
    layout = lay_out(shape, columns, height, count)
    assert layout.rows * layout.columns >= count
    for index in {0, count // 2, count - 1}:
        column, row = layout.where(index)
        gap = column // layout.group if layout.group else 0
        x = layout.label + column * layout.cell_width + gap
        assert layout.hit(x, row * layout.cell_height) == index
        assert layout.index(column, row) == index
        for dx, dy in ((0, 1), (0, -1), (1, 0), (-1, 0)):
            assert 0 <= layout.step(index, dx, dy) < count


@given(
    columns=st.integers(20, 260),
    height=st.integers(8, 80),
    workers=st.integers(1, 1000),
    endpoints=st.integers(0, 30),
)
def test_sections_fill_the_screen_and_no_more(
    columns: int, height: int, workers: int, endpoints: int
) -> None:
    got = arrange(columns, height, workers, endpoints, "auto")
    used = got.header + got.trouble + got.totals + got.fleet_head + got.inspector + got.footer
    assert used + got.fleet <= height
    if not got.phone:
        assert used + got.fleet == height


@pytest.mark.parametrize(
    ("size", "workers", "shape"),
    [
        ((80, 24), 1, "cards"),
        ((80, 24), 12, "rows"),
        ((80, 24), 100, "board"),
        ((80, 24), 400, "strip"),
        ((120, 40), 12, "cards"),
        ((120, 40), 100, "board"),
        ((120, 40), 299, "strip"),
        ((120, 40), 1000, "strip"),
        ((200, 60), 12, "cards"),
        ((200, 60), 100, "rows"),
        ((200, 60), 1000, "strip"),
    ],
)
def test_the_roomiest_shape_that_fits(size: tuple[int, int], workers: int, shape: str) -> None:
    got = arrange(*size, workers, 3, "auto")
    assert got.shape == shape
    if workers <= 100:
        assert lay_out(got.shape, size[0], got.fleet, workers).height <= got.fleet


@pytest.mark.parametrize("glyphs", [UNICODE, ASCII], ids=["unicode", "ascii"])
@pytest.mark.parametrize("columns", [40, 72, 80, 99, 110, 120, 200])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_line_has_the_width_of_the_screen(shape: Shape, columns: int, glyphs: Glyphs) -> None:
    for found in (fleet_log(), small_log()):
        view = view_of(found)
        look = Look(glyphs=glyphs, selected=2)
        at = places(view, look, shape)
        layout = lay_out(shape, columns, 20, len(at))
        lines = fleet_lines(view, look, layout, at, 0, 20, columns)
        lines += fleet_head(view, look, layout, (0, 20), columns)
        lines += trouble_lines(view, look, in_trouble(view), columns, 9)
        lines += inspector_lines(view, look, columns, 5) + inspector_lines(view, look, columns, 2)
        lines += header_lines(view, glyphs, columns, tall=True, endpoints=2)
        lines += phone_header(view, columns) + phone_totals(view, glyphs, columns)
        lines += [footer_line(view, columns)]
        assert {width(line.text) for line in lines} == {columns}


def test_a_board_cell_is_ten_characters() -> None:
    view = view_of(fleet_log())
    for worker in view.state.workers:
        assert len(cell_text(worker, view.now, wide=True)) == 9
        assert len(cell_text(worker, view.now, wide=False)) == 6


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "   "), (0.04, "0.0"), (9.94, "9.9"), (9.96, " 10"), (999.4, "999"), (1000, "16m")],
)
def test_latency_in_three_cells(seconds: float | None, text: str) -> None:
    assert three(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, " 0"), (59, " 0"), (60, " 1"), (5999, "99"), (6000, "1h"), (9e5, "9h")],
)
def test_elapsed_in_two_cells(seconds: float, text: str) -> None:
    assert minutes(seconds) == text


def test_filter_terms() -> None:
    view = view_of(fleet_log())
    stuck = view.state.workers[82]
    assert parse_filter("").lets(stuck, "stuck")
    assert parse_filter("sympy model:qwen state:stu").lets(stuck, "stuck")
    assert not parse_filter("sympy model:o4").lets(stuck, "stuck")
    assert not parse_filter("label:difficulty=easy").lets(stuck, "stuck")
    stuck.task_id = "sympy-20590@qwen/difficulty=easy"
    assert parse_filter("label:difficulty=easy").lets(stuck, "stuck")
    assert parse_filter("sort:lat").sort == "latency"
    assert parse_filter("sort:nonsense").sort == ""


def test_buttons_have_targets_and_dead_ones_have_none() -> None:
    assert button("x kill", "kill:a").target_at(2) == "kill:a"
    assert button("x kill", "kill:a", on=False).target_at(2) == ""
    assert Line().add("ab", target="t").target_at(5) == ""
