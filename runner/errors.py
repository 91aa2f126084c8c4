"""Every error that pilot-tui raises on purpose, as one tree.

    PilotError                  exit  what it says to the person
    ├── PlanError                 2   the plan or the arguments: all problems at once
    ├── RunError                  2   a run folder cannot be used as asked
    │   ├── RunNotFound           2   no run of that id, prefix or path
    │   ├── RunAmbiguous          2   the prefix fits several runs
    │   ├── RunExists             2   the id is taken
    │   ├── RunLocked             2   another engine holds the folder
    │   └── RunChanged            2   plan, source, tools or entry are no longer what they were
    ├── SourceChanged             3   the task file was edited under a running engine
    ├── EngineError               3   the engine is gone, or could not go on
    │   ├── EngineGone            3   no engine answers for this run
    │   └── StartFailed           3   engine or host did not come up
    └── ControlRefused            1   a command reached the engine, and it said no

Apart because every side raises some of them and the command line turns each into one message and
one exit code. They carry plain text for a person, never a traceback and never a secret.
"""

from collections.abc import Iterable
from typing import ClassVar

from msgspec import Struct


class Problem(Struct, frozen=True, kw_only=True):
    """One thing that is wrong in a plan, a task file or an argument.

    ``file`` is the name to show (``plan.toml``, ``tasks.jsonl``, ``--set``), ``key`` the dotted
    key or empty, ``line`` counts from 1 or is None where no line can be named.
    """

    file: str
    key: str
    text: str
    line: int | None = None
    hint: str = ""


class PilotError(Exception):
    """The root. ``exit_code`` is what a command that meets the error ends with."""

    exit_code: ClassVar[int] = 2


class PlanError(PilotError):
    """A plan, or arguments, that cannot be used; ``problems`` has every one of them."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__("\n".join(format_problems(self.problems)))


class RunError(PilotError):
    """A run folder that cannot be used as asked."""


class RunNotFound(RunError):
    """No run has that id, prefix or path."""


class RunAmbiguous(RunError):
    """The prefix fits more than one run."""


class RunExists(RunError):
    """The run id is taken."""


class RunLocked(RunError):
    """Another engine holds the folder's lock; the message names its pid and start."""


class RunChanged(RunError):
    """Plan, source, tools or entry are not what the run began with."""


class SourceChanged(PilotError):
    """The task file no longer holds what the engine read from it at the start."""

    exit_code: ClassVar[int] = 3


class EngineError(PilotError):
    """The engine is gone, or could not go on."""

    exit_code: ClassVar[int] = 3


class EngineGone(EngineError):
    """No engine answers for this run."""


class StartFailed(EngineError):
    """Engine or host did not come up."""


class ControlRefused(PilotError):
    """A command reached the engine, and it said no."""

    exit_code: ClassVar[int] = 1


def format_problems(problems: Iterable[Problem]) -> list[str]:
    """One line a problem: ``plan.toml:12: limits.atempt: unknown key (did you mean attempt?)``.

    Names and values come from files that nobody vouches for, so what a terminal would take for
    control codes is written out.
    """
    return [printable(_format(problem)) for problem in problems]


def printable(text: str) -> str:
    """The text on one line, with control and other unprintable characters as escapes."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _format(problem: Problem) -> str:
    place = problem.file if problem.line is None else f"{problem.file}:{problem.line}"
    key = f"{problem.key}: " if problem.key else ""
    hint = f" ({problem.hint})" if problem.hint else ""
    return f"{place}: {key}{problem.text}{hint}"
