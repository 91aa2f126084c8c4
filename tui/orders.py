"""What a person orders, from the question in a dialog to the words of the engine's answer.

Apart from the app because this is the part with rules: an order names attempts, never workers; it
is asked before it is sent; in a replay and without an engine it is refused in words.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from runner import EndpointState, RunInfo, plural, resume_run
from tui.keys import BY_ID
from tui.screens import SCREENS
from tui.screens.dialogs import Ask, Prompt
from tui.source import Answer
from tui.text import plain
from tui.travel import Travel
from tui.view.dialogs import (
    KILL_ANSWERS,
    Answers,
    kill_lines,
    leave_words,
    left_words,
    pause_words,
    rest_words,
    said,
    stop_words,
)
from tui.view.line import Line
from tui.view.look import MODES, SORTS, Look
from tui.view.pages.endpoints import CHANGEABLE, key_of
from tui.view.palette import command_name
from tui.view.words import NO_RUN

if TYPE_CHECKING:
    from tui.app import PilotApp

LEAVE_ANSWERS: Answers = (
    ("enter", "Stay: enter", ""),
    ("l", "q Leave, the run goes on", "leave"),
    ("s", "s Stop the run ...", "stop"),
)
ENDED_LEAVE: Answers = (("enter", "Stay: enter", ""), ("l", "q Leave", "leave"))
"""``l`` leaves as well as ``q``, which is the key that asked."""
MOST_WORKERS = 4096


class Orders(Travel):
    """`tui.actions.Actions`, carried out by the app and its source."""

    def __init__(self, app: "PilotApp") -> None:
        super().__init__(app)
        self._sent: dict[int, str] = {}

    # -------------------------------------------------------------------------------- attempts

    def kill(self, attempt_ids: Sequence[str], *, retry: bool) -> None:
        """Ask, then end each of them; the letter in the dialog decides whether they run again."""
        if not self._may():
            return
        chosen = list(attempt_ids)
        look = Look(glyphs=self._app.glyphs)

        def says(cells: int) -> list[Line]:
            return kill_lines(self._app.view, look, chosen, cells)

        def answered(answer: str | None) -> None:
            if answer in ("kill", "retry"):
                self._end(chosen, answer)

        self._app.ask(Ask(says, kill_answers(len(chosen), retry=retry)), answered)

    def _end(self, attempt_ids: Sequence[str], op: str) -> None:
        owner = self._app.view.state.owner
        under_way = [attempt for attempt in attempt_ids if attempt in owner]
        for attempt in under_way or attempt_ids[:1]:  # of one that is over the engine says how
            self._send(op, attempt_id=attempt)
        words = "kill sent" if op == "kill" else "kill sent, runs again"
        if not under_way:
            words = "no longer under way"
        self._app.notice(f"{plural(len(under_way or attempt_ids), 'attempt')}: {words}")

    def retry_tasks(self, task_ids: Sequence[str]) -> None:
        """Queue tasks again; on a finished run this starts its engine."""
        if self._app.view.kind not in ("live", "attach") or self._app.view.read_only:
            self._may()
            return
        chosen = list(task_ids)
        words = f"Run {plural(len(chosen), 'task')} again? Earlier results stay in the file."
        if self._app.view.ended:
            words += " The engine of this run is started again for it."

        def queue() -> None:
            for task in chosen:
                self._send("retry", task=task)

        def answered(answer: str | None) -> None:
            if answer and self._app.view.ended:
                self._start_engine(queue)
            elif answer:
                queue()

        self._ask(words, (("enter", "Leave it: enter", ""), ("r", "r Run again", "r")), answered)

    def open_attempt(self, attempt_id: str, *, stack: bool = False) -> None:
        """Show one attempt, or where its thread is now."""
        self._app.view.attempt_id = attempt_id
        self._app.view.attempt_stack = stack
        self._app.show_screen(SCREENS["attempt"][1](self._app.view, self))

    def open_screen(self, key: str) -> None:
        """Show the screen of that key."""
        self._app.action_open_key(key)

    # ------------------------------------------------------------------------------------- run

    def pause(self) -> None:
        """Pause, or go on where it is paused."""
        if not self._may():
            return
        paused = bool(self._app.view.state.pauses)
        label = "p Start new tasks" if paused else "p Pause"
        op = "resume" if paused else "pause"

        def answered(answer: str | None) -> None:
            if answer:
                self._send(op)

        answers: Answers = (("enter", "Leave it: enter", ""), ("p", label, "p"))
        self._ask(pause_words(self._app.view), answers, answered)

    def stop(self) -> None:
        """End the run now."""
        self._stop(drain=False)

    def _stop(self, *, drain: bool) -> None:
        if not self._may():
            return

        def answered(answer: str | None) -> None:
            if answer:
                self._send("stop", drain=drain)

        label = "s Stop when these are done" if drain else "s Stop now"
        answers: Answers = (("enter", "Leave it: enter", ""), ("s", label, "s"))
        self._ask(stop_words(self._app.view, drain=drain), answers, answered)

    def workers(self) -> None:
        """Ask for a number of workers."""
        if self._may():
            now = self._app.view.state.target_workers
            prompt = Prompt(f"workers: 1 to {MOST_WORKERS}, now {now}", str(now))
            self._app.push_screen(prompt, self._set_workers)

    def _set_workers(self, text: str | None) -> None:
        if text is None or not text.strip():
            return
        if not text.strip().isdecimal() or not 1 <= int(text) <= MOST_WORKERS:
            self.say(f"{plain(text, 20)!r} is no number from 1 to {MOST_WORKERS}")
        else:
            self._send("workers", n=int(text))

    def change(self, key: str, value: str) -> None:
        """Ask for another value of a key of the plan, and set it."""

        def answered(text: str | None) -> None:
            if text is not None and text.strip() and text.strip() != value:
                self._send("set", key=key, value=text.strip())

        if self._may():
            self._app.push_screen(Prompt(f"{key} =", value), answered)

    def rest(self, item: EndpointState) -> None:
        """Pause one model on one endpoint, or let it go on."""
        if not self._may():
            return
        op, label = ("resume", "p Go on") if item.paused_why else ("pause", "p Pause it")

        def answered(answer: str | None) -> None:
            if answer:
                self._send(op, model=item.model, endpoint=item.endpoint)

        answers: Answers = (("enter", "Leave it: enter", ""), ("p", label, "p"))
        self._ask(rest_words(item), answers, answered)

    def change_endpoint(self, item: EndpointState) -> None:
        """Ask for ``name = value`` of one model and endpoint, and set it."""

        def answered(text: str | None) -> None:
            name, _, value = (text or "").partition("=")
            if name.strip() and value.strip():
                key = key_of(name.strip(), item)
                self._send("set", key=key, value=value.strip())
            elif text and text.strip():
                self.say(f"{plain(text, 40)!r} is not NAME = VALUE, e.g. qps = 5")

        if self._may():
            title = f"{plain(item.model, 40)} on {plain(item.endpoint, 40)}: {CHANGEABLE} = value"
            self._app.push_screen(Prompt(title, "max_in_flight = "), answered)

    def show_model(self, model: str) -> None:
        """The fleet, with only the workers of that model."""
        self._app.action_screen_1()
        screen = self._app.run_screen()
        if screen is not None:
            screen.set_filter(f"model:{model}")

    def start_engine(self) -> None:
        """Start the engine of a run that lost it."""
        view = self._app.view
        if view.kind not in ("live", "attach") or view.read_only:
            self._may()
        elif view.engine.alive and not view.ended:
            self.say("the engine is there")
        else:
            self._start_engine(None)

    def _start_engine(self, then: Callable[[], None] | None) -> None:
        """Start it in the reading thread (it takes some tenths of a second) and say how it went."""
        run_dir = self._app.view.run_dir

        def started(found: RunInfo | None, error: str) -> None:
            self.say(f"the engine cannot be started: {error}" if error else "the engine is back")
            if found is not None and then is not None:
                then()

        self.say("starting the engine ...")
        self.fetch(lambda: resume_run(run_dir), started)

    # ---------------------------------------------------------------------------------- saying

    def send(self, op: str, **fields: object) -> None:
        """An order that needs no question."""
        if self._may():
            self._send(op, **fields)

    def _send(self, op: str, **fields: object) -> None:
        self._sent[self._app.source.send(op, **fields)] = op

    def answered(self, answer: Answer) -> None:
        """The engine said what it did."""
        self._sent.pop(answer.request_id, None)
        self._app.notice(plain(answer.text, 200))

    def say(self, text: str) -> None:
        """Show one line for some seconds."""
        self._app.notice(plain(text, 200))

    def ask_text(self, title: str, text: str, changed: Callable[[str], None]) -> None:
        """A line of text at the bottom."""
        self._app.push_screen(Prompt(title, text, changed))

    def _ask(
        self,
        words: str,
        answers: Answers,
        answered: Callable[[str | None], None],
        *,
        again: str = "",
    ) -> None:
        self._app.ask(Ask(lambda cells: said(words, cells), answers, again), answered)

    def _may(self) -> bool:
        """Whether orders are taken; says why not."""
        view = self._app.view
        if view.acting and not view.ended:
            return True
        if view.kind == "home":
            self.say(NO_RUN)
        elif view.kind == "replay":
            self.say("this is a replay: nothing can be changed here")
        elif view.read_only:
            self.say("attached with --read-only: nothing can be changed here")
        elif view.ended:
            self.say("the run has ended")
        else:
            self.say("the engine is gone: R starts it again")
        return False

    # ----------------------------------------------------------------------------------- leave

    def leave(self) -> None:
        """Leave at once where nothing is lost by it, else ask."""
        view = self._app.view
        if isinstance(self._app.screen, Ask):
            self._app.screen.dismiss(self._app.screen.again)
            return
        if view.kind in ("replay", "home") or view.ended:
            self._app.exit(result=left_words(view) if view.kind in ("live", "attach") else "")
            return
        answers = LEAVE_ANSWERS if view.acting else ENDED_LEAVE

        def answered(answer: str | None) -> None:
            if answer == "leave":
                self._app.exit(result=left_words(view))
            elif answer == "stop":
                self.stop()

        self._ask(leave_words(view), answers, answered, again="leave")

    # -------------------------------------------------------------------------------- commands

    def typed(self, line: str) -> None:
        """A command after ``:``: one of `tui.keys.COMMANDS`, or the name of a key's action."""
        line = line.strip().lstrip(":").strip()
        name, _, rest = line.partition(" ")
        rest = rest.strip()
        screen = self._app.run_screen()
        if name in ("stop", "drain"):
            self._stop(drain=name == "drain")
        elif name == "workers" and rest:
            self._set_workers(rest)
        elif name == "theme" and rest:
            self._theme(rest)
        elif name == "view" and rest in (*MODES, "auto") and screen is not None:
            screen.set_mode(rest)
        elif name == "sort" and rest in SORTS and screen is not None:
            screen.sort_by(rest)
        else:
            self._by_key(line)

    def _theme(self, name: str) -> None:
        if name in self._app.options.themes:
            self._app.set_palette(name)
        else:
            self.say(f"no theme {name!r}; one of {', '.join(self._app.options.themes)}")

    def _by_key(self, name: str) -> None:
        found = [key for key in BY_ID.values() if name in (key.id, command_name(key))]
        if not found:
            self.say(f"no command {plain(name, 30)!r}; ? lists all")
            return
        self._app.press_key(found[0].id)


def kill_answers(count: int, *, retry: bool) -> Answers:
    """The answers with their number. What was pressed comes first among those that act."""
    if count == 1:
        leave, kill, again = KILL_ANSWERS
    else:
        leave = KILL_ANSWERS[0]
        kill = ("x", f"x Kill {count}, do not run again", "kill")
        again = ("r", f"r Kill {count} + run again", "retry")
    return (leave, again, kill) if retry else (leave, kill, again)
