"""The app: wiring between a source, the state that it feeds, and the screens. No I/O, no drawing.

The source's threads hand messages over; they are folded here, on the screen's thread. Four times a
second the clock of the view is set and the screen on top redraws what changed.
"""

import gc
from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.app import App
from textual.await_complete import AwaitComplete
from textual.binding import Binding, BindingType

from runner import fold
from tui.actions import Play
from tui.attention import Attention
from tui.keys import BY_ID, KEYS, Key, remapped
from tui.options import Options
from tui.orders import Orders
from tui.runview import Kind, RunView
from tui.screens import SCREENS
from tui.screens.base import RunViewScreen, redraw_in_sight
from tui.screens.dialogs import Ask
from tui.screens.help import Help
from tui.screens.palette import Palette
from tui.screens.run import RunScreen
from tui.seen import incidents_since, since_words
from tui.source import (
    Answer,
    EngineChanged,
    EngineTrouble,
    Events,
    Fetched,
    Loaded,
    Position,
    Source,
    SourceFailed,
    SourceMessage,
    Timeline,
)
from tui.theme import DEFAULT
from tui.view.footer import counting
from tui.view.header import say
from tui.view.look import in_trouble
from tui.view.palette import entries
from tui.view.words import NO_RUN
from tui.wire import WireMixin

FRAMES_PER_S = 4
NOTICE_FRAMES = 8 * FRAMES_PER_S
"""A notice stays for 8 s."""


def _action(key: Key) -> str:
    """The action of a key: screens that lie over the run screen share one."""
    screen = key.shown if key.id.startswith("screen_") and key.shown != "1" else ""
    screen = "L" if key.id == "limits" else screen
    return f"open_key({screen!r})" if screen else key.id


class PilotApp(WireMixin, App[str]):
    """The dashboard on one run. Its result is what to print after it has left."""

    ENABLE_COMMAND_PALETTE = False
    ALLOW_SELECT = False
    CSS = """
    Screen { background: $background; color: $foreground; }
    ModalScreen { background: transparent; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(key.keys, _action(key), key.word, show=False, id=key.id)
            for key in KEYS
            if key.place in ("all", "replay") and key.id not in ("move", "back", "leave")
        ),
        *(
            Binding(BY_ID[name].keys, action, show=False)
            for name, action in (
                ("mark", "play"),
                ("next_trouble", "jump(1)"),
                ("previous_trouble", "jump(-1)"),
            )
        ),
        Binding(BY_ID["leave"].keys, "leave", show=False, priority=True, id="leave"),
    ]

    def __init__(self, view: RunView, source: Source, options: Options | None = None) -> None:
        options = options or Options()
        super().__init__(ansi_color=True)
        self.view = view
        self.source = source
        self.options = options
        self.glyphs = options.glyphs
        self.palette = options.palette or options.themes[DEFAULT]
        self.key_table: Sequence[Key] = remapped(options.keys)
        self.orders = Orders(self)
        self.seen = options.seen
        self._blurred = False
        self._attention = Attention()
        self._frame = 0
        self._notice_until = 0

    # --------------------------------------------------------------------------------- start

    def on_mount(self) -> None:
        """Colours, the run screen, the source, the clock."""
        for palette in self.options.themes.values():
            self.register_theme(palette.textual())
        self.theme = self.palette.name
        if self.options.keys:
            self.set_keymap(self.options.keys)
        screen = RunScreen(self.view, self.orders)
        screen.look.mode = self.options.view
        self.push_screen(screen)
        if self.view.kind == "home":
            self.show_screen(SCREENS["0"][1](self.view, self.orders))
        if self.options.notes:
            self.notice("; ".join(self.options.notes))
        self._listen(self.source)
        self.set_interval(1 / FRAMES_PER_S, self._tick)

    def _listen(self, source: Source) -> None:
        """Start a source; what an earlier one still says is not heard."""

        def heard(message: SourceMessage) -> None:
            if source is self.source:
                self.on_source(message)

        source.start(lambda message: self.call_from_thread(heard, message))

    def switch(self, source: Source, kind: Kind) -> None:
        """Feed the screens from another source; the old state stands until the new one is read."""
        self.source.close()
        self.source = source
        view = self.view
        view.kind, view.position, view.timeline = kind, None, None
        self._listen(source)
        self.frame()

    def on_source(self, message: SourceMessage) -> None:
        """Fold what happened; called on the screen's thread."""
        view = self.view
        match message:
            case Events(events):
                fold(events, view.state)
            case Loaded(state):
                view.state = state
                self.frame()
                self._welcome()
            case Answer() as answer:
                self.orders.answered(answer)
            case EngineChanged(seen):
                view.engine = seen
                self.frame()
            case Position() as position:
                view.position = position
            case Timeline() as timeline:
                view.timeline = timeline
            case EngineTrouble(text):
                if text:
                    self.notice(text)
            case Fetched() as fetched:
                fetched.deliver()
            case SourceFailed(text):
                self.exit(return_code=3, message=text)

    def _welcome(self) -> None:
        """Say what happened since the last look, once the present is on the screen."""
        if not gc.get_freeze_count():
            # A full collection would hold the screen for 60 ms: modules and the state as it was
            # loaded are no garbage, and need not be looked through again and again.
            gc.freeze()
        seen, self.seen = self.seen, None
        if seen is None or self.view.kind == "replay":
            return
        run_dir = self.view.run_dir

        def counted(incidents: int | None, _error: str) -> None:
            self.notice(since_words(seen, self.view.state, incidents))

        self.source.fetch(lambda: incidents_since(run_dir, seen.at), counted)

    # --------------------------------------------------------------------------------- clock

    def _tick(self) -> None:
        """A frame, four times a second; once a second while the terminal is not looked at."""
        self._frame += 1
        self.wire_catch_up()
        if self._frame % FRAMES_PER_S == 0:
            self.wire_check_size()
        if self._blurred and self._frame % FRAMES_PER_S:
            return
        if self._notice_until and self._frame >= self._notice_until:
            self._notice_until = 0
            self.view.notice = ""
        self.frame()

    def frame(self) -> None:
        """Set the view's clock and let the screens in sight redraw what changed."""
        now = self.source.now()
        if now:
            self.view.now = now
        self.view.engine = self.source.engine()
        with self.view.still():
            self._call_a_person()
            redraw_in_sight(self.screen_stack)

    def _call_a_person(self) -> None:
        """Ring where new trouble begins while the terminal is not looked at; never in a replay."""
        view = self.view
        if view.kind == "replay":
            return
        said = self._attention.call(in_trouble(view), say(view).text, blurred=self._blurred)
        if said:
            self.wire_send("bell", said)

    def notice(self, text: str) -> None:
        """Show one line for some seconds."""
        self.view.notice = text
        self._notice_until = self._frame + NOTICE_FRAMES
        self.frame()

    def on_app_blur(self) -> None:
        """Nobody looks: once a second is enough."""
        self._blurred = True

    def on_app_focus(self) -> None:
        """Somebody looks again."""
        self._blurred = False
        self.frame()

    # -------------------------------------------------------------------------------- screens

    def pop_screen(self) -> AwaitComplete:
        """Leave a screen; the one below comes back as things are now, not as they were."""
        redraw_in_sight(self.screen_stack[:-1])
        return super().pop_screen()

    def show_screen(self, screen: RunViewScreen) -> None:
        """Put a screen over the run screen."""
        self.push_screen(screen)

    def action_open_key(self, key: str) -> None:
        """The screen of that key; the run screen is always at the bottom."""
        if self._homeless():
            return
        while len(self.screen_stack) > 2:
            self.pop_screen()
        entry = SCREENS.get(key)
        if entry is None:
            self.notice(f"there is no screen on key {key}")
        elif not isinstance(self.screen, RunScreen) or entry[1] is not RunScreen:
            self.push_screen(entry[1](self.view, self.orders))

    def _homeless(self) -> bool:
        """Whether there is no run yet that could be shown; says so."""
        if self.view.kind == "home":
            self.notice(NO_RUN)
        return self.view.kind == "home"

    def run_screen(self) -> RunScreen | None:
        """The run screen, wherever it is in the stack."""
        for screen in self.screen_stack:
            if isinstance(screen, RunScreen):
                return screen
        return None

    def action_screen_1(self) -> None:
        """Back to the fleet."""
        if self._homeless():
            return
        while len(self.screen_stack) > 2:
            self.pop_screen()

    def press_key(self, key_id: str) -> None:
        """Do what the key of that id does here: for clicks on its name and for commands."""
        self.simulate_key(self.options.keys.get(key_id, BY_ID[key_id].keys).split(",")[0])

    def action_help(self) -> None:
        """All keys."""
        self.push_screen(Help())

    # --------------------------------------------------------------------------------- orders

    def action_pause(self) -> None:
        """Pause or go on."""
        self.orders.pause()

    def action_play(self) -> None:
        """Play or pause a replay."""
        self._play("toggle")

    def action_jump(self, way: int) -> None:
        """To the next mark of a replay."""
        self._play("jump", way)

    def action_step(self) -> None:
        """One event on."""
        self._play("step", 1)

    def action_step_back(self) -> None:
        """One event back; in a live run this begins to look back."""
        self.orders.play("step", -1)

    def action_slower(self) -> None:
        """Half the speed."""
        self._play("faster", -1)

    def action_faster(self) -> None:
        """Twice the speed."""
        self._play("faster", 1)

    def action_go_to(self) -> None:
        """Ask for a moment."""
        self.orders.go_to()

    def _play(self, order: Play, value: float = 0.0) -> None:
        if self.view.kind == "replay":
            self.orders.play(order, value)

    def action_start_engine(self) -> None:
        """Start a gone engine again."""
        self.orders.start_engine()

    def action_commands(self) -> None:
        """A command by name, out of those that do something here."""
        here = set(self.screen.active_bindings)
        keys = [key for key in counting(self.view, self.key_table) if here & {*key.keys.split(",")}]
        themes = [(theme.name, theme.about) for theme in self.options.themes.values()]
        self.push_screen(Palette(entries(keys, themes)), self._command)

    def _command(self, line: str | None) -> None:
        if line:
            self.orders.typed(line)

    def action_leave(self) -> None:
        """Leave; ask first while the run goes on."""
        self.orders.leave()

    async def action_quit(self) -> None:
        """Whatever Textual means by quitting leads to the same dialog."""
        self.action_leave()

    def action_help_quit(self) -> None:
        """Ctrl+C as well."""
        self.action_leave()

    def ask(self, dialog: Ask, answered: Callable[[str | None], None]) -> None:
        """Open a dialog."""
        self.push_screen(dialog, answered)

    # ----------------------------------------------------------------------------------- look

    def action_theme(self) -> None:
        """The next theme."""
        names = [name for name, theme in self.options.themes.items() if not theme.plain]
        place = names.index(self.palette.name) + 1 if self.palette.name in names else 0
        self.set_palette(names[place % len(names)])

    def set_palette(self, name: str) -> None:
        """Use another theme at once."""
        self.palette = self.options.themes[name]
        self.theme = name
        self.notice(f"theme {name}: {self.palette.about}")

    def action_mouse(self) -> None:
        """Mouse reporting off, so that the terminal selects text; and on again."""
        off = self.wire_mouse_off()
        self.notice(
            "mouse is the terminal's now: m gives it back" if off else "mouse is ours again"
        )

    def action_redraw(self) -> None:
        """Draw everything anew, e.g. after another program wrote on the terminal."""
        self.wire_forget()
        self.screen.refresh(layout=True)
        self.frame()

    def on_resize(self) -> None:
        """A terminal that was resized may show anything."""
        self.wire_forget()

    def on_unmount(self) -> None:
        """No thread outlives the screen."""
        self.source.close()
