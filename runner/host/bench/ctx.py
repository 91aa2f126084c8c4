"""What the interactive executor needs of an attempt, as protocols.

Apart from the host's own ctx so that the executor is typed, and tested, against nothing but this.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from runner.core.loops import TurnFeatures

if TYPE_CHECKING:
    from openai import OpenAI

Label: TypeAlias = str | int | float | bool


class TaskLike(Protocol):
    """A task as the contract hands it to executors."""

    @property
    def id(self) -> str:
        """The id of the source line."""
        ...

    @property
    def data(self) -> Mapping[str, Any]:
        """The whole source object."""
        ...


class Turn(Protocol):
    """An open turn."""

    def features(self, features: TurnFeatures, /) -> None:
        """Report what the loop rules may know of this turn."""
        ...


class RunningTool(Protocol):
    """A tool at work."""

    def failed(self, error: str, /) -> None:
        """Say that the tool failed although nothing was raised."""
        ...


class Context(Protocol):
    """An attempt. Each method is a cancel point: it raises once the attempt was ended."""

    @property
    def client(self) -> "OpenAI":
        """The guarded client; limits, recording and back-off are its business."""
        ...

    @property
    def model(self) -> str:
        """What to send as ``model``."""
        ...

    @property
    def params(self) -> Mapping[str, Any]:
        """Sampling parameters of the plan's model."""
        ...

    @property
    def seed(self) -> int:
        """Seed of this attempt; the same for the same plan."""
        ...

    @property
    def max_turns(self) -> int:
        """After so many turns the attempt is scored as it stands."""
        ...

    @property
    def protocol(self) -> Literal["tags", "functions"]:
        """How the model names its actions (``[tasks] protocol``)."""
        ...

    @property
    def tools_path(self) -> str | None:
        """The user's own tool registry, None for the built-in one."""
        ...

    @property
    def ends_when_done(self) -> bool:
        """Whether to end once all required tools succeeded (``[loops] done = "kill"``)."""
        ...

    def label(self, name: str, default: Label, /) -> Label:
        """The label of the task's matrix cell or source line, else ``default``."""
        ...

    def turn(self) -> AbstractContextManager[Turn]:
        """Open the next turn."""
        ...

    def tool(self, name: str, /, **args: object) -> AbstractContextManager[RunningTool]:
        """Mark a tool as at work; ``args`` are shown to people."""
        ...

    def check(self) -> None:
        """Raise if the attempt was ended."""
        ...

    def say(self, role: str, text: str, /) -> None:
        """Add a message of the conversation to the transcript."""
        ...

    def log(self, text: str, /) -> None:
        """Add a line to the attempt's log."""
        ...
