"""What the person chose to see: pointer, marks, filter, order, shape. Not part of the run.

Apart from the `RunView` because two viewers of one run look at different things.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from runner import Trouble, WorkerState, elapsed_s, health, stalled_s, troubles, watch_of
from tui.glyphs import UNICODE, Glyphs
from tui.runview import RunView

Mode = Literal["auto", "cards", "rows", "board", "strip"]
MODES: Final[tuple[Mode, ...]] = ("cards", "rows", "board", "strip")
SORTS: Final = ("number", "silent", "elapsed", "latency", "turn", "cost", "model", "task")
"""What cards and rows can be ordered by; the key goes through them in this order."""


@dataclass(frozen=True, slots=True)
class Filter:
    """What ``/`` asked for. All terms must hold; an empty filter lets all through."""

    source: str = ""
    words: tuple[str, ...] = ()
    model: str = ""
    state: str = ""
    labels: tuple[str, ...] = ()
    sort: str = ""

    def lets(self, worker: WorkerState, sign: str) -> bool:
        """Whether the worker is asked for; ``sign`` is from `sign_of`."""
        if self.model and self.model not in worker.model.lower():
            return False
        if self.state and not sign.startswith(self.state):
            return False
        task = worker.task_id.lower()
        if any(label not in task for label in self.labels):
            return False
        names = f"{worker.worker:03d} {task} {worker.model.lower()} {worker.tool.lower()}"
        return all(word in names for word in self.words)


def parse_filter(text: str) -> Filter:
    """The filter that ``text`` means: words, ``model:``, ``state:``, ``label:``, ``sort:``."""
    words: list[str] = []
    labels: list[str] = []
    keyed = {"model": "", "state": "", "sort": ""}
    for term in text.lower().split():
        key, colon, value = term.partition(":")
        if colon and key == "label":
            labels.append(value)
        elif colon and key in keyed:
            keyed[key] = value
        else:
            words.append(term)
    sort = next((name for name in SORTS if keyed["sort"] and name.startswith(keyed["sort"])), "")
    return Filter(text.strip(), tuple(words), keyed["model"], keyed["state"], tuple(labels), sort)


@dataclass(slots=True)
class Look:
    """The fleet as this person looks at it."""

    glyphs: Glyphs = UNICODE
    selected: int = -1
    moved: bool = False
    """Whether the person moved the pointer: until then it rests on the worst trouble."""
    marks: set[str] = field(default_factory=set[str])
    """Attempt ids, not workers: a mark never jumps to the attempt that comes next."""
    mode: Mode = "auto"
    only: Filter = field(default_factory=Filter)
    sort: str = "number"
    """One of `SORTS`; the filter's own ``sort:`` goes before it."""
    backwards: bool = False

    @property
    def order(self) -> str:
        """What cards and rows are ordered by."""
        return self.only.sort or self.sort

    def sort_by(self, name: str) -> None:
        """Order by ``name``; the other way round where that is the order already."""
        self.backwards = name == self.order and not self.backwards
        self.sort = name
        if self.only.sort:
            self.only = replace(self.only, sort="")


def sign_of(view: RunView, worker: WorkerState) -> str:
    """``stuck``, ``slow``, or the phase of a worker that is well: what its glyph shows."""
    if not worker.busy:
        return "idle"
    if view.standing:
        how = unwell(view).get(worker.worker, "ok")
    else:
        how = health(worker, watch_of(view.state.plan, worker.model), view.now)
    return how if how != "ok" else worker.phase


def in_trouble(view: RunView) -> list[Trouble]:
    """All workers that do not get on, worst first."""
    return view.once("troubles", lambda: troubles(view.state, view.now))


def unwell(view: RunView) -> dict[int, str]:
    """The health of workers that are not well, by number."""
    return view.once("unwell", lambda: {t.worker.worker: t.health for t in in_trouble(view)})


def tone(sign: str) -> tuple[str, str]:
    """Roles of text and ground for a sign: the healthy recede."""
    return _TONES.get(sign, ("dim", "bg"))


_TONES: Final = {
    "stuck": ("stuck", "stuck_bg"),
    "slow": ("slow", "slow_bg"),
    "backoff": ("backoff", "bg"),
    "killing": ("not_scored", "bg"),
}


def number(view: RunView, worker: int) -> str:
    """A worker's number with as many digits as the largest one has, three at least."""
    return f"{worker:0{max(3, len(str(max(0, len(view.state.workers) - 1))))}d}"


def ordered(view: RunView, look: Look) -> list[int]:
    """The workers that cards and rows list: those the filter lets through, in the order chosen."""
    workers = view.state.workers
    if not look.only.source and look.order == "number":
        places = range(len(workers))
        return list(reversed(places)) if look.backwards else list(places)
    chosen = [w for w in workers if not look.only.source or look.only.lets(w, sign_of(view, w))]
    if look.order in _KEYS:
        chosen.sort(key=lambda worker: _KEYS[look.order](worker, view.now))
    numbers = [worker.worker for worker in chosen]
    return numbers[::-1] if look.backwards else numbers


_KEYS: Final[dict[str, Callable[[WorkerState, float], Any]]] = {
    "elapsed": lambda w, now: -elapsed_s(w, now),
    "silent": lambda w, now: -stalled_s(w, now),
    "turn": lambda w, _now: -w.turn,
    "latency": lambda w, _now: -(w.last_latency_s or 0.0),
    "cost": lambda w, _now: -w.cost,
    "model": lambda w, _now: (w.model, w.worker),
    "task": lambda w, _now: (w.task_id, w.worker),
}
