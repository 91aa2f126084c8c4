"""What a screen may ask of the app. Screens know this shape and never the app itself."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, Protocol, TypeVar

from runner import EndpointState

T = TypeVar("T")
Play = Literal["toggle", "step", "faster", "jump", "seek", "set_speed"]


class Actions(Protocol):
    """Orders of the person at the keyboard. Each that changes the run asks in a dialog first.

    What an order did is said in `RunView.notice` once the engine has answered.
    """

    def kill(self, attempt_ids: Sequence[str], *, retry: bool) -> None:
        """End these attempts (and run their tasks again if ``retry``), after asking."""
        ...

    def retry_tasks(self, task_ids: Sequence[str]) -> None:
        """Queue tasks again, after asking; starts the engine of a finished run for it."""
        ...

    def pause(self) -> None:
        """Start no new attempts (asks), or start them again where the run is paused."""
        ...

    def stop(self) -> None:
        """End the run (asks)."""
        ...

    def workers(self) -> None:
        """Ask for a number of workers and set it."""
        ...

    def change(self, key: str, value: str) -> None:
        """Ask for another value of a key of the plan, now ``value``, and set it."""
        ...

    def rest(self, item: EndpointState) -> None:
        """Start no new attempts on one model and endpoint (asks), or start them again."""
        ...

    def change_endpoint(self, item: EndpointState) -> None:
        """Ask for a key of one model and endpoint and its value, and set it."""
        ...

    def show_model(self, model: str) -> None:
        """The fleet, with only the workers of that model."""
        ...

    def start_engine(self) -> None:
        """Start the engine of this run again."""
        ...

    def send(self, op: str, **fields: object) -> None:
        """Any other order of the control socket, already confirmed; its answer becomes a notice."""
        ...

    def open_attempt(self, attempt_id: str, *, stack: bool = False) -> None:
        """Show one attempt; ``stack``: where its thread is now, else what is said in it."""
        ...

    def open_screen(self, key: str) -> None:
        """Show the screen of that key in `tui.screens.SCREENS`."""
        ...

    def ask_text(self, title: str, text: str, changed: Callable[[str], None]) -> None:
        """Ask for a line of text at the bottom; ``changed`` is called at each keystroke.

        Esc calls it with the text that stood there at first.
        """
        ...

    def fetch(self, job: Callable[[], T], done: Callable[[T | None, str], None]) -> None:
        """Run ``job`` in the source's reading thread; ``done(value, error)`` comes back here."""
        ...

    def open_run(self, run_dir: Path) -> None:
        """Watch another run: attach where its engine lives, else replay from its end."""
        ...

    def replay(self, at: float | None) -> None:
        """Show this run's past from the moment ``at`` on; None goes back to the present.

        Where there is no present, because the run has ended, to its end.
        """
        ...

    def play(self, order: Play, value: float = 0.0) -> None:
        """An order to the replay; ``seek``, ``set_speed`` take a value, others a direction."""
        ...

    def say(self, text: str) -> None:
        """Show one line for some seconds."""
        ...
