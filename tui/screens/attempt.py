"""One attempt: its transcript as it grows, turns, calls, tools, stack, output, raw events.

Its events and bodies are read in the source's thread, a few times a second what is new; in a replay
only what had happened by then is shown.
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final, cast

from textual.app import ComposeResult, SuspendNotSupported
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.events import Resize

from runner import block, command, ev
from tui.actions import Actions
from tui.keys import BY_ID, KEYS
from tui.runview import RunView
from tui.screens.base import PageScreen
from tui.screens.some import Some
from tui.source.reader import AttemptReader
from tui.view.line import Ink, Line, Piece
from tui.view.look import in_trouble
from tui.view.pages.attempt import (
    TURNS_CELLS,
    TWO_COLUMNS_FROM,
    Tab,
    buttons_line,
    head_lines,
    page_lines,
    tab_line,
    tabs_for,
    turn_lines,
    worker_of,
)
from tui.view.pages.story import Story
from tui.widgets.footer import Footer
from tui.widgets.lines import Clicked, LinesWidget, painter
from tui.widgets.replaybar import ReplayBar
from tui.widgets.scroll import ScrollLines

RENEW_S: Final = 0.25


class AttemptScreen(PageScreen):
    """The attempt that ``view.attempt_id`` names."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "scroll(-1)", show=False),
        Binding("down", "scroll(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("home", "edge(0)", show=False),
        Binding("end", "edge(1)", show=False),
        Binding("left", "other(-1)", show=False),
        Binding("right", "other(1)", show=False),
        Binding(BY_ID["tab"].keys, "tab(1)", show=False, priority=True, id="tab"),
        Binding("shift+tab", "tab(-1)", show=False, priority=True),
        Binding("escape", "back", show=False),
        *(
            Binding(key.keys, key.id, key.word, show=False, id=key.id)
            for key in KEYS
            if (key.place == "attempt" and key.id not in ("tab", "other"))
            or key.id in ("kill", "retry", "next_trouble", "previous_trouble", "stack", "copy")
            or key.id == "filter"
        ),
    ]
    DEFAULT_CSS = f"""
    AttemptScreen #turns {{ width: {TURNS_CELLS}; height: 1fr; }}
    AttemptScreen #body {{ height: 1fr; }}
    """

    def __init__(self, view: RunView, act: Actions) -> None:
        super().__init__(view, act)
        self.search = ""
        self.tab: Tab = "talk"
        self._kept: tuple[object, Sequence[Line]] = ((), ())
        self._reading = False
        self._begin(view.attempt_id)
        self._head = Some("head", self._draw_head, 3)
        self._tabs = Some("tabs", self._draw_tabs, 1)
        self._turns = ScrollLines("turns", self._make_turns)
        self._page = ScrollLines("page", self._make_page)
        self._buttons = Some("buttons", self._draw_buttons, 1)
        self._bar = ReplayBar(view)
        self._footer = Footer(view, ("all", "attempt"))

    def _begin(self, attempt_id: str) -> None:
        self.story = Story(attempt_id)
        self._reader = AttemptReader(self.view.run_dir, attempt_id)
        self._shown_until = float("-inf")
        self.problem = ""

    def compose(self) -> ComposeResult:
        """Head, tabs, turns beside the page, buttons."""
        yield self._head
        yield self._tabs
        with Horizontal(id="body"):
            yield self._turns
            yield self._page
        yield self._buttons
        yield self._bar
        yield self._footer

    def on_mount(self) -> None:
        """Read, and read on."""
        self._arrange()
        self.renew()
        if self.view.attempt_stack:
            self.action_stack()
        self.set_interval(RENEW_S, self.renew)

    def on_resize(self, _event: Resize) -> None:
        """At 80 columns the turns become a tab."""
        self._arrange()

    def _arrange(self) -> None:
        wide = self.size.width >= TWO_COLUMNS_FROM
        self._turns.display = wide and self.tab == "talk"
        if self.tab not in tabs_for(self.size.width):
            self.tab = "talk"

    # -- reading

    def renew(self) -> None:
        """Ask for what is new; one question at a time."""
        if self._reading:
            return
        replayed = self.view.kind == "replay"
        if replayed and self.view.now < self._shown_until:
            self._begin(self.story.attempt_id)  # the replay went back: tell it anew
        until = self.view.now if replayed else None
        self._shown_until = self.view.now
        self._reading = True
        story, reader = self.story, self._reader

        def arrived(value: tuple[list[ev.Event], dict[int, str]] | None, error: str) -> None:
            self._reading = False
            self.problem = error
            if value is not None and story is self.story and (value[0] or value[1]):
                story.add(*value)
                self.redraw()

        self.act.fetch(lambda: reader.read(until), arrived)

    # -- drawing

    def redraw(self) -> None:
        """Draw what changed."""
        for widget in self._widgets():
            if widget.is_attached and (widget.display or widget is self._bar):
                widget.redraw()

    def _widgets(self) -> tuple[LinesWidget, ...]:
        return (
            self._head,
            self._tabs,
            self._turns,
            self._page,
            self._buttons,
            self._bar,
            self._footer,
        )

    def _draw_head(self, width: int, height: int) -> list[Line]:
        lines = head_lines(self.view, self.story, painter(self).glyphs, width)
        if self.problem:
            lines[2] = Line().add(f" {self.problem}", Ink("stuck")).fit(width)
        return [line.faded() for line in lines] if self.view.quiet else lines[:height]

    def _draw_tabs(self, width: int, _height: int) -> list[Line]:
        follows = self._page.following
        return [tab_line(self.tab, self.story, width, following=follows, search=self.search)]

    def _draw_buttons(self, width: int, _height: int) -> list[Line]:
        return [buttons_line(self.view, self.story, width)]

    def _make_turns(self, width: int) -> Sequence[Line]:
        return turn_lines(self.story, self.view.now, painter(self).glyphs, width)

    def _make_page(self, width: int) -> Sequence[Line]:
        moving = self.view.state.seq if self.tab == "stack" else 0
        moving = int(self.view.now) if self.tab == "turns" else moving
        key = (self.story.attempt_id, self.story.version, self.tab, width, self.search, moving)
        if self._kept[0] != key:
            lines = page_lines(self.tab, self.view, self.story, painter(self).glyphs, width)
            self._kept = (key, [marked(line, self.search) for line in lines])
        return self._kept[1]

    # -- keys

    def action_follow(self) -> None:
        """Stay at the end, or where we are."""
        self._page.following = not self._page.following
        self.redraw()

    def action_tab(self, way: int) -> None:
        """The next tab."""
        tabs = tabs_for(self.size.width)
        self.show_tab(tabs[(tabs.index(self.tab) + way) % len(tabs)])

    def show_tab(self, tab: Tab) -> None:
        """Another page of the same attempt."""
        self.tab = tab
        self._page.following = tab != "stack"
        self._page.top = 0
        self._arrange()
        self.redraw()

    def action_other(self, way: int) -> None:
        """The attempt of the next busy worker."""
        busy = [worker.attempt_id for worker in self.view.state.workers if worker.busy]
        if not busy:
            return
        here = self.story.attempt_id
        place = busy.index(here) + way if here in busy else 0
        self.show_attempt(busy[place % len(busy)])

    def show_attempt(self, attempt_id: str) -> None:
        """Look at another attempt."""
        self.view.attempt_id = attempt_id
        self._begin(attempt_id)
        self._reading = False
        self._page.following = True
        self.renew()
        self.redraw()

    def action_next_trouble(self) -> None:
        """The next attempt in trouble; in a replay the next mark."""
        self._trouble(1)

    def action_previous_trouble(self) -> None:
        """And back."""
        self._trouble(-1)

    def _trouble(self, way: int) -> None:
        if self.view.kind == "replay":
            self.act.play("jump", way)
            return
        found = [item.worker.attempt_id for item in in_trouble(self.view)]
        if not found:
            self.act.say("no trouble: every worker gets on")
            return
        here = self.story.attempt_id
        place = found.index(here) + way if here in found else 0
        self.show_attempt(found[place % len(found)])

    def action_filter(self) -> None:
        """Search in what is shown; the same words again go on to the next place."""
        self.act.ask_text("search", self.search, self.find)

    def find(self, text: str) -> None:
        """Mark all places, show the next one below, else the first."""
        self.search = text
        if text:
            lines = self._make_page(self._page.size.width)
            found = [n for n, line in enumerate(lines) if text.lower() in line.text.lower()]
            if found:
                after = [place for place in found if place > self._page.top]
                self._page.show_line((after or found)[0])
        self.redraw()

    def action_kill(self) -> None:
        """End it, after asking."""
        self._end(retry=False)

    def action_retry(self) -> None:
        """End it and run its task again, after asking; an ended one: only run it again."""
        if worker_of(self.view, self.story.attempt_id) is None and self.story.started is not None:
            self.act.retry_tasks([self.story.started.task_id])
        else:
            self._end(retry=True)

    def _end(self, *, retry: bool) -> None:
        if worker_of(self.view, self.story.attempt_id) is None:
            self.act.say("this attempt has ended")
        else:
            self.act.kill([self.story.attempt_id], retry=retry)

    def action_stack(self) -> None:
        """Where its thread is now."""
        self.show_tab("stack")
        worker = worker_of(self.view, self.story.attempt_id)
        if worker is None or not self.view.acting:
            return
        story, run_dir = self.story, self.view.run_dir

        def arrived(answer: dict[str, Any] | None, error: str) -> None:
            story.take_stacks(str(answer.get("text", "")) if answer else error)
            self.redraw()

        self.act.fetch(lambda: command(run_dir, "stacks"), arrived)

    def action_copy(self) -> None:
        """The conversation goes to the terminal's clipboard."""
        self._with_whole(self._copied)

    def _copied(self, text: str) -> None:
        self.copy(text)
        self.act.say(f"copied: {len(text)} characters")

    def action_pager(self) -> None:
        """The conversation in $PAGER; the app waits in the background."""
        self._with_whole(self._page_through)

    def _with_whole(self, use: Callable[[str], None]) -> None:
        story, reader = self.story, self._reader

        def arrived(text: str | None, error: str) -> None:
            if text is None:
                self.act.say(error)
            else:
                use(text)

        self.act.fetch(lambda: block(reader.whole(story)), arrived)

    def _page_through(self, text: str) -> None:
        pager = shutil.which(os.environ.get("PAGER") or "less") or shutil.which("more")
        if pager is None:
            self.act.say("there is no pager: set $PAGER")
            return
        try:
            with self.app.suspend():  # pyright: ignore[reportUnknownMemberType]
                subprocess.run([pager], input=text.encode("utf-8", "replace"), check=False)
        except SuspendNotSupported:
            self.act.say("this terminal cannot be lent to a pager")

    def action_back(self) -> None:
        """Take the search away, or leave."""
        if self.search:
            self.find("")
        else:
            self.dismiss()

    def on_clicked(self, message: Clicked) -> None:
        """Tabs, buttons, marks of a replay."""
        message.stop()
        kind, _, value = message.target.partition(":")
        if kind == "tab":
            self.show_tab(cast("Tab", value))
        elif kind == "seek":
            self.act.play("seek", float(value))
        else:
            self.press(value or kind)


def marked(line: Line, search: str) -> Line:
    """The line with every place that holds ``search`` marked."""
    if not search or search.lower() not in line.text.lower():
        return line
    line.pieces = [
        Piece(piece.text, Ink("hi", "select", bold=True), piece.target)
        if search.lower() in piece.text.lower()
        else piece
        for piece in line.pieces
    ]
    return line
