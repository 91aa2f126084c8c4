"""One attempt's events and bodies, read piece by piece for the screen that shows it."""

from pathlib import Path

from runner import AttemptTail, Bodies, ev
from tui.view.pages.story import Story


class AttemptReader:
    """Reads one attempt in the source's thread; nothing of it is touched elsewhere meanwhile."""

    def __init__(self, run_dir: Path, attempt_id: str) -> None:
        self._tail = AttemptTail(run_dir, attempt_id)
        self._bodies = Bodies(run_dir)
        self._waiting: list[ev.MessageAdded] = []
        self._later: list[ev.Event] = []

    def read(self, until: float | None) -> tuple[list[ev.Event], dict[int, str]]:
        """New events up to ``until`` (None: all), and the bodies that can be read by now."""
        batch = self._tail.poll()
        found = self._later + (batch.events if batch else [])
        if until is None:
            self._later = []
        else:
            self._later = [event for event in found if event.at > until]
            found = [event for event in found if event.at <= until]
        self._waiting += [event for event in found if isinstance(event, ev.MessageAdded)]
        texts: dict[int, str] = {}
        for event in self._waiting:
            text = self._bodies.text(event)
            if text is not None:
                texts[event.offset] = text
        self._waiting = [event for event in self._waiting if event.offset not in texts]
        return found, texts

    def whole(self, story: Story) -> str:
        """The whole conversation, uncut: for the pager and the clipboard."""
        parts: list[str] = []
        for item in story.items:
            text = self._bodies.text(item.body) if item.body is not None else item.text
            parts.append(f"== turn {item.turn} {item.head}\n{text or ''}\n")
        return "\n".join(parts)
