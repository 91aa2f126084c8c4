"""The run screen: verdict, trouble, every worker, and the one under the pointer."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.events import Resize

from runner import WorkerState
from tui.actions import Actions
from tui.keys import KEYS
from tui.runview import RunView
from tui.screens.base import RunViewScreen
from tui.view.arrange import Sections, arrange
from tui.view.endpoints import shown_endpoints
from tui.view.inspector import selected_worker
from tui.view.look import MODES, SORTS, Look, Mode, in_trouble, parse_filter
from tui.view.replaybar import HEIGHT as BAR_LINES
from tui.widgets.fleet import Fleet
from tui.widgets.footer import Footer
from tui.widgets.header import Header, Totals
from tui.widgets.inspector import FleetHead, Inspector
from tui.widgets.lines import Clicked, LinesWidget, painter
from tui.widgets.replaybar import ReplayBar
from tui.widgets.trouble import TroubleList


class RunScreen(RunViewScreen):
    """The fleet and all that a person at 03:00 needs to see of it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "walk(0, -1)", show=False),
        Binding("down", "walk(0, 1)", show=False),
        Binding("left", "walk(-1, 0)", show=False),
        Binding("right", "walk(1, 0)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("home", "edge(0)", show=False),
        Binding("end", "edge(-1)", show=False),
        Binding("escape", "back", show=False),
        *(
            Binding(key.keys, key.id, key.word, show=False, id=key.id)
            for key in KEYS
            if key.place == "fleet"
        ),
    ]

    def __init__(self, view: RunView, act: Actions) -> None:
        super().__init__(view, act)
        self.look = Look()
        self._arranged: tuple[object, ...] = ()
        self._head = Header(view)
        self._trouble = TroubleList(view, self.look)
        self._totals = Totals(view)
        self._fleet = Fleet(view, self.look)
        self._fleet_head = FleetHead(view, self.look, self._fleet)
        self._inspector = Inspector(view, self.look)
        self._bar = ReplayBar(view)
        self._footer = Footer(view)

    def compose(self) -> ComposeResult:
        """From top to bottom."""
        yield self._head
        yield self._trouble
        yield self._totals
        yield self._fleet_head
        yield self._fleet
        yield self._inspector
        yield self._bar
        yield self._footer

    def on_mount(self) -> None:
        """The characters are known from here on."""
        self.look.glyphs = painter(self).glyphs
        self.redraw()

    def on_resize(self, _event: Resize) -> None:
        """Share out the lines anew."""
        self.redraw()

    def redraw(self) -> None:
        """Draw what changed."""
        with self.view.still():
            self._arrange()
            self._settle()
            self._fleet.fade = self.view.quiet
            self._fleet.redraw()
            for widget in self._lines_widgets():
                widget.redraw()

    def _lines_widgets(self) -> tuple[LinesWidget, ...]:
        return (
            self._head,
            self._trouble,
            self._totals,
            self._fleet_head,
            self._inspector,
            self._bar,
            self._footer,
        )

    def _arrange(self) -> None:
        """Give each section its lines; nothing if neither the terminal nor the plan changed."""
        width, height = self.size
        if self.view.kind == "replay":
            height -= BAR_LINES
        asked = (
            width,
            height,
            len(self.view.state.workers),
            len(shown_endpoints(self.view)),
            self.look.mode,
        )
        if asked == self._arranged:
            return
        self._arranged = asked
        sections = arrange(*asked)
        self._fleet.shape = sections.shape
        self._head.phone = sections.phone
        self._head.tall, self._head.endpoints = sections.tall, sections.endpoints
        for widget, lines in zip(self._sections(), _heights(sections), strict=True):
            widget.display = lines > 0
            widget.styles.height = lines

    def _sections(self) -> tuple[LinesWidget | Fleet, ...]:
        return (
            self._head,
            self._trouble,
            self._totals,
            self._fleet_head,
            self._fleet,
            self._inspector,
        )

    def _settle(self) -> None:
        """Keep pointer and marks on what there is; rest on the worst trouble until it is moved."""
        workers = self.view.state.workers
        self.look.marks &= self.view.state.owner.keys()
        if not self.look.moved:
            found = in_trouble(self.view)
            worst = [item.worker.worker for item in found if item.health == found[0].health]
            if worst and self.look.selected not in worst:
                self.look.selected = worst[0]
                self._fleet.reveal(worst[0])
        if workers:
            self.look.selected = max(0, min(self.look.selected, len(workers) - 1))

    # ------------------------------------------------------------------------------- pointer

    def select(self, worker: int) -> None:
        """Move the pointer."""
        self.look.selected = worker
        self.look.moved = True
        self._fleet.reveal(worker)
        with self.view.still():
            self._fleet.redraw()
            for widget in (self._trouble, self._fleet_head, self._inspector):
                widget.redraw()

    @property
    def selected(self) -> WorkerState | None:
        """The worker under the pointer."""
        return selected_worker(self.view, self.look)

    def action_walk(self, dx: int, dy: int) -> None:
        """An arrow key."""
        if self._fleet.display:
            self.select(self._fleet.walk(dx, dy))
        else:
            self._next(dy or dx)

    def action_page(self, way: int) -> None:
        """A screenful up or down."""
        rows = max(1, self._fleet.size.height // self._fleet.grid.cell_height)
        worker = self.look.selected
        for _ in range(rows):
            self.look.selected = self._fleet.walk(0, way)
        if self.look.selected != worker:
            self.select(self.look.selected)

    def action_edge(self, place: int) -> None:
        """The first worker or the last; in a replay its beginning, its end or the present."""
        if self.view.kind == "replay":
            self.act.replay(None if place else float("-inf"))
        elif self._fleet.at:
            self.select(self._fleet.at[place])

    def action_next_trouble(self) -> None:
        """The pointer goes to the next worker in trouble."""
        self._next(1)

    def action_previous_trouble(self) -> None:
        """And back."""
        self._next(-1)

    def _next(self, way: int) -> None:
        if self.view.kind == "replay":
            self.act.play("jump", way)
            return
        found = [item.worker.worker for item in in_trouble(self.view)]
        if not found:
            self.act.say("no trouble: every worker gets on")
        elif self.look.selected in found:
            self.select(found[(found.index(self.look.selected) + way) % len(found)])
        else:
            self.select(found[0 if way > 0 else -1])

    # -------------------------------------------------------------------------------- orders

    def _meant(self) -> list[str]:
        """The attempts that an order means: the marked ones, else the one under the pointer."""
        if self.look.marks:
            owner = self.view.state.owner
            return sorted(self.look.marks & owner.keys(), key=lambda mark: owner[mark])
        worker = self.selected
        return [worker.attempt_id] if worker is not None and worker.busy else []

    def action_kill(self) -> None:
        """End what is meant, after asking."""
        self._end(self._meant(), retry=False)

    def action_retry(self) -> None:
        """End what is meant and run it again, after asking."""
        self._end(self._meant(), retry=True)

    def _end(self, attempts: list[str], *, retry: bool) -> None:
        if attempts:
            self.act.kill(attempts, retry=retry)
        else:
            self.act.say("this worker is idle: there is nothing to end")

    def action_mark(self) -> None:
        """Mark the attempt under the pointer, or take the mark away; in a replay play or pause."""
        if self.view.kind == "replay":
            self.act.play("toggle")
            return
        worker = self.selected
        if worker is not None and worker.busy:
            self.look.marks ^= {worker.attempt_id}
            self.redraw()

    def action_open(self) -> None:
        """Show the attempt under the pointer."""
        worker = self.selected
        if worker is not None and worker.busy:
            self.act.open_attempt(worker.attempt_id)

    def action_stack(self) -> None:
        """Where the thread under the pointer is now."""
        worker = self.selected
        if worker is not None and worker.busy:
            self.act.open_attempt(worker.attempt_id, stack=True)

    def action_copy(self) -> None:
        """The task under the pointer goes to the clipboard of the terminal."""
        worker = self.selected
        if worker is not None and worker.busy:
            self.copy(f"{worker.task_id} {worker.attempt_id}")
            self.act.say(f"copied: {worker.task_id}")

    def action_workers(self) -> None:
        """Ask for another number of workers."""
        self.act.workers()

    # ---------------------------------------------------------------------------------- look

    def action_view(self) -> None:
        """The next shape."""
        shape = self._fleet.shape
        self.set_mode(MODES[(MODES.index(shape) + 1) % len(MODES)])

    def set_mode(self, mode: Mode) -> None:
        """Show the fleet in this shape."""
        self.look.mode = mode
        self.redraw()
        self._fleet.reveal(self.look.selected)

    def action_sort(self) -> None:
        """The next order of cards and rows."""
        names = SORTS[(SORTS.index(self.look.order) + 1) % len(SORTS)]
        self.sort_by(names)

    def action_invert(self) -> None:
        """The order the other way round."""
        self.sort_by(self.look.order)

    def sort_by(self, name: str) -> None:
        """Order by that, the other way round if it is so already; a board becomes rows for it."""
        self.look.sort_by(name)
        if self._fleet.shape in ("board", "strip"):
            self.look.mode = "rows"
        self.redraw()
        self._fleet.reveal(self.look.selected)

    def action_filter(self) -> None:
        """Ask what to look for, and show it while it is typed."""
        self.act.ask_text("find", self.look.only.source, self.set_filter)

    def set_filter(self, text: str) -> None:
        """Show what ``text`` asks for; all of it if empty."""
        self.look.only = parse_filter(text)
        self.redraw()

    def action_back(self) -> None:
        """Clear the filter, else the marks, else rest on the worst trouble again."""
        if self.look.only.source:
            self.set_filter("")
        elif self.look.marks:
            self.look.marks.clear()
        elif self.view.kind == "replay":
            self.act.replay(None)
        else:
            self.look.moved = False
        self.redraw()

    def on_clicked(self, event: Clicked) -> None:
        """What a click means."""
        event.stop()
        kind, _, rest = event.target.partition(":")
        if kind == "worker":
            self.select(int(rest))
            if event.again:
                self.action_open()
        elif kind in ("kill", "retry"):
            self._end([rest], retry=kind == "retry")
        elif kind == "sort":
            self.sort_by(rest)
        elif kind == "copy":
            self.action_copy()
        elif kind == "open":
            self.act.open_attempt(rest)
        elif kind == "stack":
            self.act.open_attempt(rest, stack=True)
        elif kind == "screen":
            self.act.open_screen(rest)
        elif kind == "seek":
            self.act.play("seek", float(rest))
        elif kind == "key":
            self.press(rest)
        else:
            self.press(event.target)


def _heights(sections: Sections) -> tuple[int, ...]:
    return (
        sections.header,
        sections.trouble,
        sections.totals,
        sections.fleet_head,
        sections.fleet,
        sections.inspector,
    )
