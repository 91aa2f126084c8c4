"""What all list screens share: verdict and heading, the list, a few lines on the selected row.

A subclass says what it lists; keys, pointer, wheel, filter and refreshing are done here.
"""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final, TypeVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from tui.actions import Actions
from tui.keys import BY_ID, Place
from tui.runview import RunView
from tui.screens.base import RunViewScreen
from tui.screens.some import Some
from tui.view.header import verdict_line
from tui.view.line import DIM, HI, Ink, Line, rule
from tui.view.table import Column, Order, Rows, fit_columns
from tui.view.words import until_words
from tui.widgets.footer import Footer
from tui.widgets.lines import Clicked, painter
from tui.widgets.replaybar import ReplayBar
from tui.widgets.table import TableView

T = TypeVar("T")
REFRESH_S: Final = 1.0


class ListScreen(RunViewScreen):
    """A list over a run."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", show=False),
        Binding("down", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("home", "edge(0)", show=False),
        Binding("end", "edge(1)", show=False),
        Binding("enter", "open", show=False),
        Binding("slash", "filter", show=False),
        Binding("left", "order(-1)", show=False),
        Binding("right", "order(1)", show=False),
        Binding(BY_ID["sort"].keys, "order(1)", show=False, id="sort"),
        Binding(BY_ID["invert"].keys, "invert", show=False, id="invert"),
        Binding("escape", "back", show=False),
    ]

    columns: ClassVar[Sequence[Column]] = ()
    by: ClassVar[Sequence[Any]] = ()
    """What each column is ordered by: a function of what `in_order` is given, None for not at all.
    """
    title_words: ClassVar[str] = ""
    detail_lines: ClassVar[int] = 0
    places: ClassVar[tuple[Place, ...]] = ("all", "table")
    empty_words: ClassVar[str] = "nothing yet"
    has_verdict: ClassVar[bool] = True
    """Whether the run's verdict stands on top: nobody misses a hang while reading a list."""

    def __init__(self, view: RunView, act: Actions) -> None:
        super().__init__(view, act)
        self.look_for = ""
        self.problem = ""
        self._reading = False
        self._head = Some("head", self._draw_head, 1 + self.has_verdict)
        among = tuple(place for place, by in enumerate(self.by) if by is not None)
        self.table = TableView(self.columns, Order(among=among))
        self._detail = Some("detail", self._draw_detail, self.detail_lines)
        self._bar = ReplayBar(view)
        self._footer = Footer(view, self.places)

    def compose(self) -> ComposeResult:
        """From top to bottom."""
        yield self._head
        yield self.table
        if self.detail_lines:
            yield self._detail
        yield self._bar
        yield self._footer

    def on_mount(self) -> None:
        """Ask for what is to be listed, and again from time to time."""
        self.renew()
        self.set_interval(REFRESH_S, self.renew)

    # -- for subclasses

    def renew(self) -> None:
        """Read again what is listed; here: make the rows from the state."""
        self.redraw()

    def relist(self) -> None:
        """List what was read by another filter or in another order."""
        self.redraw()

    def in_order(self, items: Sequence[T]) -> list[T]:
        """``items`` by the column that was chosen; as they come where none was."""
        place, backwards, _ = self.table.order
        if place < 0:
            return list(reversed(items)) if backwards else list(items)
        return sorted(items, key=self.by[place], reverse=backwards)

    def rows(self) -> Rows | None:
        """The rows of this moment; None to leave those that are there."""
        return None

    def right_words(self) -> str:
        """What stands at the right end of the heading."""
        return ""

    def detail(self, place: int, cells: int) -> list[Line]:
        """Lines on the row under the pointer."""
        raise NotImplementedError

    def open_row(self, place: int) -> None:
        """Enter on a row."""
        raise NotImplementedError

    def read(self, job: Callable[[], T], done: Callable[[T], None]) -> None:
        """Run ``job`` off the screen; one at a time. Its error becomes the screen's `problem`."""
        if self._reading:
            return
        self._reading = True

        def arrived(value: T | None, error: str) -> None:
            self._reading = False
            self.problem = error
            if value is not None and self.is_attached:
                done(value)
            if self.is_attached:
                self.redraw()

        # The heading first: a first read may load a library for half a second.
        self.call_after_refresh(self.act.fetch, job, arrived)

    # -- drawing

    def redraw(self) -> None:
        """Draw what changed."""
        found = self.rows()
        if found is not None:
            self.table.show(found)
        for widget in (self._head, self.table, self._detail, self._bar, self._footer):
            if widget.is_attached:
                widget.redraw()

    def _draw_head(self, width: int, _height: int) -> list[Line]:
        title = Line().add(self.title_words.upper() + " ", HI).add(str(len(self.table.rows)), DIM)
        if self.problem:
            title.add(f"   {self.problem}", Ink("stuck"))
        elif not len(self.table.rows):
            title.add(f"   {self.empty_words}", DIM)
        elif self.look_for:
            title.add(f"   / {self.look_for}", Ink("accent"))
        right = Line().add(self.right_words(), DIM)
        until = until_words(self.view)
        if until:
            title.add(f"   {until}", Ink("accent"))
        head = rule(title, width, painter(self).glyphs.dash, right)
        return [verdict_line(self.view, width).fit(width), head] if self.has_verdict else [head]

    def _draw_detail(self, width: int, height: int) -> list[Line]:
        place = self.table.selected
        lines = self.detail(place, width)[:height] if place >= 0 else []
        lines += [Line() for _ in range(height - len(lines))]
        return [line.fit(width) for line in lines]

    # -- keys

    def action_move(self, rows: int) -> None:
        """An arrow key."""
        self.table.move_to(self.table.selected + rows)

    def action_page(self, way: int) -> None:
        """A screenful."""
        self.table.move_to(self.table.selected + way * self.table.page())

    def action_edge(self, end: int) -> None:
        """The first row or the last."""
        self.table.move_to(len(self.table.rows) - 1 if end else 0)

    def action_open(self) -> None:
        """What the pointer is on."""
        if 0 <= self.table.selected < len(self.table.rows):
            self.open_row(self.table.selected)

    def action_filter(self) -> None:
        """Ask what to look for, and show it while it is typed."""
        self.act.ask_text(f"{self.title_words} /", self.look_for, self.find)

    def find(self, text: str) -> None:
        """List only what has ``text`` in it."""
        self.look_for = text
        self.relist()

    def action_order(self, way: int) -> None:
        """Order by the next column in sight; between the last and the first, as it comes."""
        shown = [place for place, _ in fit_columns(self.columns, self.size.width)]
        order = self.table.order
        places = [-1, *(place for place in shown if place in order.among)]
        after = (places.index(order.place) if order.place in places else 0) + way
        self.put_in_order(order.by(places[after % len(places)], self.columns))

    def action_invert(self) -> None:
        """The other way round."""
        order = self.table.order
        self.put_in_order(order._replace(backwards=not order.backwards))

    def put_in_order(self, order: Order) -> None:
        """List in this order."""
        self.table.order = order
        self.relist()
        self.redraw()

    def action_back(self) -> None:
        """Take the filter away, or leave the screen."""
        if self.look_for:
            self.find("")
        else:
            self.dismiss()

    def on_table_view_moved(self, _message: TableView.Moved) -> None:
        """The lines below tell of another row."""
        self.redraw()

    def on_clicked(self, message: Clicked) -> None:
        """A click moves the pointer, a second one opens; a key's name does what the key does."""
        message.stop()
        kind, _, value = message.target.partition(":")
        if kind == "row":
            self.table.move_to(int(value))
            if message.again:
                self.action_open()
        elif kind == "sort":
            self.put_in_order(self.table.order.by(int(value), self.columns))
        elif kind == "seek":
            self.act.play("seek", float(value))
        else:
            self.press(value or kind)
