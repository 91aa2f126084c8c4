"""Every key, once: its name, the words that stand for it, and where it counts.

Bindings, the footer, the help screen, the palette and the test of the documentation are all made
from this table, so they cannot disagree.
"""

from collections.abc import Iterable, Mapping
from typing import Final, Literal, NamedTuple

Place = Literal[
    "all", "fleet", "attempt", "replay", "table", "endpoints", "results", "report", "home"
]
"""Where a key counts; a screen names the places whose keys its footer shows."""


class Key(NamedTuple):
    """One key. ``id`` is also the action's name; ``keys`` are Textual's names, comma separated."""

    id: str
    keys: str
    shown: str
    """The key as people name it."""
    word: str
    """One or two words for the footer."""
    words: str
    """The sentence for help."""
    place: Place = "all"
    rank: int = 0
    """Where it stands in the footer; the highest are dropped first, 0 is never there."""
    acts: bool = False
    """Changes the run: off in a replay and when the engine is gone."""


KEYS: Final[tuple[Key, ...]] = (
    Key("move", "up,down", "arrows", "move", "move the pointer; PgUp PgDn Home End too"),
    Key("open", "enter", "enter", "open", "open what the pointer is on", "fleet", 11),
    Key("back", "escape", "esc", "back", "back; clears filter, marks; ends a replay", "all", 0),
    Key("kill", "x", "x", "kill", "end the attempt (asks)", "fleet", 9, acts=True),
    Key(
        "retry",
        "r",
        "r",
        "run again",
        "end it and run its task again (asks)",
        "fleet",
        10,
        acts=True,
    ),
    Key("next_trouble", "n", "n", "next", "next trouble; replay: next mark", "fleet", 8),
    Key("previous_trouble", "N", "N", "previous", "previous trouble or mark", "fleet"),
    Key(
        "mark",
        "space",
        "space",
        "mark",
        "mark, to act on many; replay: play, pause",
        "fleet",
        5,
    ),
    Key("filter", "slash", "/", "find", "filter: text, model:, state:, label:, sort:", "fleet", 5),
    Key("sort", "S,f6", "S", "sort", "order by what comes next, or click a head", "fleet", 6),
    Key("invert", "I", "I", "turn round", "the order the other way round", "fleet"),
    Key("view", "v", "v", "view", "cards, rows, board, strip", "fleet", 7),
    Key("workers", "w", "w", "workers", "change the number of workers", "fleet", 12, acts=True),
    Key(
        "limits",
        "L",
        "L",
        "limits",
        "limits in force, and who changed them",
        "all",
        20,
    ),
    Key("pause", "P", "P", "pause", "start no new tasks, or go on (asks)", "all", 13, acts=True),
    Key("screen_1", "1", "1", "fleet", "the fleet", "all", 4),
    Key("screen_2", "2", "2", "endpoints", "models and their endpoints", "all", 4),
    Key("screen_3", "3", "3", "results", "results so far", "all", 4),
    Key("screen_4", "4", "4", "incidents", "incidents, as episodes", "all", 4),
    Key("screen_5", "5", "5", "errors", "errors by cause", "all", 4),
    Key("screen_6", "6", "6", "report", "success, latency and outcomes", "all", 4),
    Key("screen_0", "0", "0", "runs", "your runs", "all", 22),
    Key("stack", "s", "s", "stack", "its stack: where it is now", "fleet", 21),
    Key("pager", "o", "o", "pager", "read the transcript in the pager", "attempt", 12),
    Key("follow", "f", "f", "follow", "follow what comes", "attempt", 12),
    Key("tab", "tab", "tab", "tabs", "talk, calls, tools, stack, output, events", "attempt", 9),
    Key("other", "left,right", "left right", "other", "busy worker before, after", "attempt", 14),
    Key("order", "left,right", "left right", "order", "order by the column beside", "table", 10),
    Key("attempts", "a", "a", "attempts", "every attempt, or one line a task", "results", 9),
    Key("copy_csv", "c", "c", "CSV", "copy the groups as CSV; y as Markdown", "report", 9),
    Key("rest", "p", "p", "pause it", "pause or resume that one (asks)", "endpoints", 4, acts=True),
    Key("change", "e", "e", "change", "its qps, limits, workers", "endpoints", 4, acts=True),
    Key("copy", "y", "y", "copy", "copy (OSC 52)", "fleet"),
    Key("mouse", "m", "m", "mouse", "mouse off, for the terminal's own selection"),
    Key("step_back", "comma", ",", "step back", "one event back", "replay", 3),
    Key("step", "full_stop", ".", "step", "one event on", "replay", 3),
    Key("slower", "less_than_sign", "<", "slower", "half the speed", "replay", 4),
    Key("faster", "greater_than_sign", ">", "faster", "twice the speed", "replay", 4),
    Key("go_to", "T", "T", "go to", "go to a time: 21:07, +2h10m, seconds", "replay", 5),
    Key("theme", "t", "t", "theme", "next theme"),
    Key("start_engine", "R", "R", "start again", "start a gone engine again"),
    Key("commands", "colon", ":", "all", "every command by name, :stop among them", "all", 3),
    Key("redraw", "ctrl+l", "ctrl+l", "redraw", "draw the screen anew"),
    Key("help", "question_mark", "?", "help", "this page", "all", 1),
    Key("leave", "q,ctrl+q,ctrl+c", "q", "leave", "leave; the run goes on", "all", 2),
)

BY_ID: Final[Mapping[str, Key]] = {key.id: key for key in KEYS}


class Commands(NamedTuple):
    """What can be typed after ``:`` beyond the keys' own names."""

    name: str
    words: str


COMMANDS: Final[tuple[Commands, ...]] = (
    Commands("stop", "end the run now (asks)"),
    Commands("drain", "end when what is under way has ended (asks)"),
    Commands("workers N", "set the number of workers"),
    Commands("theme NAME", "dark, light, high-contrast, ... or your own"),
    Commands("view NAME", "cards, rows, board or strip"),
    Commands("sort NAME", "cards and rows, by silent, turn, cost and more"),
)


def remapped(changes: Mapping[str, str]) -> tuple[Key, ...]:
    """The table with the keys of a config file in place; ``ValueError`` names what is wrong."""
    for name in changes:
        if name not in BY_ID:
            raise ValueError(f"keys.{name}: there is no such action; one of {', '.join(BY_ID)}")
    table = tuple(
        key._replace(keys=changes[key.id], shown=changes[key.id]) if key.id in changes else key
        for key in KEYS
    )
    taken: dict[str, str] = {}
    for key in table:
        for name in key.keys.split(","):
            other = taken.setdefault(f"{name}", key.id)
            if other != key.id and not _apart(BY_ID[other], key):
                raise ValueError(f"keys.{key.id}: {name!r} is already {other}")
    return table


def _apart(one: Key, other: Key) -> bool:
    """Whether two keys never count at the same place."""
    return one.place != other.place and "all" not in (one.place, other.place)


def of_places(places: Iterable[Place], table: Iterable[Key] = KEYS) -> list[Key]:
    """The keys that count at these places."""
    wanted = set(places)
    return [key for key in table if key.place in wanted]
