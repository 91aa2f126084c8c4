"""The fleet: its heading and any window of its lines, in whatever shape it has."""

from collections.abc import Sequence

from runner import WorkerState, plural, stalled_s
from tui.runview import RunView
from tui.view.board import board_head, board_line, strip_line
from tui.view.cards import card_lines
from tui.view.layout import Layout, Shape, lay_out
from tui.view.line import DIM, Ink, Line, rule
from tui.view.look import Look, ordered, sign_of
from tui.view.rows import rows_head, worker_row
from tui.view.words import attempt_limit_s, ran_s

_CALM = frozenset(("wait", "stream", "connect", "prepare", "tool", "code", "score", "idle"))
"""Signs of workers whose row shows nothing but what `_row_of` looks at."""


def places(view: RunView, look: Look, shape: Shape) -> list[int]:
    """The worker at each place. Board and strip show all, in their order, always."""
    if shape in ("board", "strip"):
        return list(range(len(view.state.workers)))
    return ordered(view, look)


def fleet_layout(shape: Shape, width: int, height: int, count: int) -> Layout:
    """The geometry; see `tui.view.layout.lay_out`."""
    return lay_out(shape, width, height, count)


def fleet_lines(
    view: RunView, look: Look, layout: Layout, at: Sequence[int], first: int, count: int, cells: int
) -> list[Line]:
    """Lines ``first`` .. ``first + count - 1`` of the fleet, each ``cells`` wide.

    ``at`` is from `places`. Only what is asked for is drawn, so 4,000 workers cost no more.
    """
    last = min(layout.height, first + count)
    if layout.shape in ("board", "strip"):
        lit = [
            not look.only.source or look.only.lets(w, sign_of(view, w)) for w in view.state.workers
        ]
        draw = board_line if layout.shape == "board" else strip_line
        lines = [draw(view, look, layout, row, lit).fit(cells) for row in range(first, last)]
    elif layout.shape == "rows":
        lines = [_row(view, look, layout, at, row, cells) for row in range(first, last)]
    else:
        lines = _cards(view, look, layout, at, first, last, cells)
    return lines + [Line().fit(cells) for _ in range(count - len(lines))]


def _row(
    view: RunView, look: Look, layout: Layout, at: Sequence[int], row: int, cells: int
) -> Line:
    line = Line()
    for column in range(layout.columns):
        index = layout.index(column, row)
        if index is None:
            break
        worker = view.state.workers[at[index]]
        last = column == layout.columns - 1
        room = cells - line.width if last else layout.cell_width - 1
        line.extend(_row_of(view, look, worker, room))
        if not last:
            line.add(" ")
    return line.fit(cells)


def _row_of(view: RunView, look: Look, worker: WorkerState, cells: int) -> Line:
    """`worker_row`; of a worker that is well, as it was if it would look the same."""
    sign = sign_of(view, worker)
    if sign not in _CALM:
        return worker_row(view, look, worker, cells)
    facts = (
        sign,
        worker.attempt_id,
        worker.tool,
        worker.model,
        worker.turn,
        worker.max_turns,
        worker.last_latency_s,
        int(ran_s(view, worker)),
        int(stalled_s(worker, view.now)),
        worker.worker == look.selected,
        worker.attempt_id in look.marks,
        look.glyphs.name,
        cells,
        len(view.state.workers),
        attempt_limit_s(view, worker),
    )
    name = ("row", worker.worker)
    return view.as_long_as(name, facts, lambda: worker_row(view, look, worker, cells))


def _cards(
    view: RunView,
    look: Look,
    layout: Layout,
    at: Sequence[int],
    first: int,
    last: int,
    cells: int,
) -> list[Line]:
    found: list[Line] = []
    height = layout.cell_height
    for row in range(first // height, -(-last // height)):
        lines = [Line() for _ in range(height)]
        for column in range(layout.columns):
            index = layout.index(column, row)
            if index is None:
                break
            card = card_lines(view, look, view.state.workers[at[index]], layout.cell_width, height)
            for line, piece in zip(lines, card, strict=True):
                line.extend(piece)
        found += [line.fit(cells) for line in lines]
    skip = first - first // height * height
    return found[skip : skip + last - first]


_MEANING = {
    ("board", True): "cell: state, turn, elapsed min, last call s",
    ("board", False): "cell: state, turn, last call s",
    ("strip", False): "one sign for each worker",
}


def fleet_head(
    view: RunView, look: Look, layout: Layout, window: tuple[int, int], cells: int
) -> list[Line]:
    """The heading, and the heads of columns. ``window``: lines shown, (first, past the last)."""
    count = len(view.state.workers)
    title = Line().add("FLEET ", Ink("hi", bold=True)).add(str(count), Ink("text"))
    if look.only.source:
        matched = sum(1 for w in view.state.workers if look.only.lets(w, sign_of(view, w)))
        title.add(f"   {matched} match ", Ink("accent")).add(look.only.source, Ink("hi"))
        title.add("  esc shows all", DIM)
    elif look.marks:
        title.add(f"   {plural(len(look.marks), 'marked one', 'marked')}", Ink("accent"))
        title.add("  x kill all  r run all again  esc clears", DIM)
    elif cells >= 60:
        words = _MEANING.get((layout.shape, layout.wide), "")
        title.add(f"   {words}" if words else "", DIM)
        if cells >= 110 and layout.shape == "board":
            title.add("    place = number", DIM)
    right = Line().add("v ", Ink("text"), "key:view").add(f"{layout.shape}  ", DIM, "key:view")
    if layout.height > window[1] - window[0]:
        right = (
            Line()
            .add(f"lines {window[0] + 1}-{window[1]} of {layout.height}   ", DIM)
            .extend(right)
        )
    if layout.shape in ("cards", "rows") and cells >= 60:
        by = look.order + (", turned round" if look.backwards else "")
        right.add("S ", Ink("text"), "key:sort").add(f"by {by}  ", DIM, "key:sort")
    right.add("/ ", Ink("text"), "key:filter").add("find", DIM, "key:filter")
    heads = [rule(title, cells, look.glyphs.dash, right)]
    if layout.shape == "board":
        heads.append(board_head(layout).fit(cells))
    elif layout.shape == "rows":
        heads.append(_rows_heads(view, look, layout, cells))
    return heads


def _rows_heads(view: RunView, look: Look, layout: Layout, cells: int) -> Line:
    line = Line()
    for column in range(layout.columns):
        last = column == layout.columns - 1
        room = cells - line.width if last else layout.cell_width - 1
        line.extend(rows_head(view, look, room))
        if not last:
            line.add(" ")
    return line
